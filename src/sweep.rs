//! Orders the turns of a sweep: takes arms and starts, and returns the next start. Arms are
//! identified by index; the base is the first.
//!
//! A machine warms up, a disk fills, a room gets cooler: such drift must affect all arms alike. So
//! the arms alternate, one start each per round, and every round runs forward or backward by the
//! Thue–Morse sequence: ABBA BAAB for two arms. Two rounds cancel a linear drift, four a quadratic
//! one.
//!
//! Pure: knows neither recipes nor folders, and keeps no state. The next turn follows from the
//! turns that are done.

/// Consecutive failed starts of an arm before it is given up.
pub(crate) const FAILED_MAX: u32 = 2;

/// Least number of starts of each arm. With fewer, no exact test reaches a confidence of 95 % in
/// one comparison: of the ways to deal 3 + 3 runs to two arms, 1 in 20 is the most extreme, and as
/// many at the other end.
pub(crate) const STARTS_MIN: u32 = 4;

/// Turn of a sweep: one start of one arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    /// Arm, from 0; 0 is the base.
    pub arm: usize,
    /// Number of the start, from 0.
    pub start: u32,
}

/// Outcome of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server came up and received load.
    Ran,
    /// The server never came up.
    NeverUp,
}

/// Returns all turns of these arms, in order.
pub(crate) fn order(arms: usize, starts: u32) -> Vec<Turn> {
    let round = |start: u32| {
        let backward = start.count_ones() % 2 == 1;
        (0..arms).map(move |place| {
            let arm = if backward { arms - 1 - place } else { place };
            Turn { arm, start }
        })
    };
    (0..starts).flat_map(round).collect()
}

/// Returns the first turn that is not done and whose arm is not given up.
pub(crate) fn next(order: &[Turn], done: &[(Turn, Outcome)]) -> Option<Turn> {
    let is_done = |turn: &Turn| done.iter().any(|(known, _)| known == turn);
    order.iter().find(|turn| !is_done(turn) && !given_up(turn.arm, done)).copied()
}

/// Whether an arm is given up: its last [`FAILED_MAX`] starts all failed.
pub(crate) fn given_up(arm: usize, done: &[(Turn, Outcome)]) -> bool {
    let mut own: Vec<_> = done.iter().filter(|(turn, _)| turn.arm == arm).collect();
    own.sort_by_key(|(turn, _)| turn.start);
    let failed = own.iter().rev().take_while(|(_, outcome)| *outcome == Outcome::NeverUp);
    failed.count() as u32 >= FAILED_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(arms: usize, starts: u32) -> String {
        order(arms, starts).iter().map(|turn| char::from(b'A' + turn.arm as u8)).collect()
    }

    #[test]
    fn two_arms_take_turns_so_that_none_is_always_first() {
        assert_eq!(letters(2, 4), "ABBABAAB");
        assert_eq!(letters(3, 2), "ABCCBA");
        assert_eq!(letters(2, 0), "");
    }

    #[test]
    fn what_drifts_along_a_line_befalls_all_arms_alike() {
        for (arms, starts) in [(2, 2), (2, 6), (5, 4), (4, 6)] {
            let order = order(arms, starts);
            let places = |arm: usize| -> usize {
                let own = order.iter().enumerate().filter(|(_, turn)| turn.arm == arm);
                own.map(|(place, _)| place).sum()
            };
            let sums: Vec<usize> = (0..arms).map(places).collect();
            assert!(sums.iter().all(|sum| *sum == sums[0]), "{arms} {starts}: {sums:?}");
        }
    }

    #[test]
    fn every_start_of_every_arm_comes_once() {
        let mut turns = order(3, 5);
        turns.sort();
        turns.dedup();
        assert_eq!(turns.len(), 15);
    }

    /// Runs a sweep to its end; `fails` decides which starts never come up.
    fn played(arms: usize, starts: u32, fails: impl Fn(Turn) -> bool) -> Vec<(Turn, Outcome)> {
        let order = order(arms, starts);
        let mut done = Vec::new();
        while let Some(turn) = next(&order, &done) {
            let outcome = if fails(turn) { Outcome::NeverUp } else { Outcome::Ran };
            done.push((turn, outcome));
        }
        done
    }

    #[test]
    fn an_arm_that_does_not_start_is_given_up_and_the_others_go_on() {
        let done = played(3, 6, |turn| turn.arm == 1);
        let runs = |arm: usize| done.iter().filter(|(turn, _)| turn.arm == arm).count();
        assert_eq!([runs(0), runs(1), runs(2)], [6, 2, 6]);
        let base = played(2, 4, |turn| turn.arm == 0);
        assert_eq!(base.len(), 2 + 4, "an arm may be the one that starts at all");
    }

    #[test]
    fn a_start_that_fails_now_and_then_gives_nothing_up() {
        assert_eq!(played(2, 6, |turn| turn.start % 2 == 0).len(), 12);
    }

    #[test]
    fn a_sweep_goes_on_where_it_was_left_whatever_was_done_in_which_order() {
        let order = order(2, 3);
        let done = [order[3], order[0], order[1]].map(|turn| (turn, Outcome::Ran));
        assert_eq!(next(&order, &done), Some(order[2]));
        assert_eq!(
            next(&order, &order.iter().map(|t| (*t, Outcome::Ran)).collect::<Vec<_>>()),
            None
        );
    }
}
