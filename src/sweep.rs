//! A sweep's order: arms and starts in, the next start out. Arms are told
//! apart by their place, the base is the first.
//!
//! A machine warms up, a disk fills, a night gets cooler: what drifts must
//! befall all arms alike. So the arms take turns, one start each a round, and
//! every round runs forward or backward by the Thue–Morse sequence: ABBA BAAB
//! for two arms. Two rounds cancel a drift that is straight, four one that bends.
//!
//! Pure: knows neither recipes nor folders, and keeps nothing: what comes next
//! follows from what is done.

/// How many starts of an arm may fail, none between them that came up, before it is given up.
pub(crate) const FAILED_MAX: u32 = 2;

/// Below so many starts of each arm, no exact test reaches a confidence of 95 % in one
/// comparison: of the ways to deal 3 + 3 runs to two arms, 1 in 20 is the most extreme, and as
/// many at the other end.
pub(crate) const STARTS_MIN: u32 = 4;

/// One start of one arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    /// The arm, from 0; 0 is the base.
    pub arm: usize,
    /// Which start of it, from 0.
    pub start: u32,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server came up and was driven.
    Ran,
    /// It never came up.
    NeverUp,
}

/// All turns of so many arms, in their order.
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

/// The first turn that is not done and whose arm is not given up.
pub(crate) fn next(order: &[Turn], done: &[(Turn, Outcome)]) -> Option<Turn> {
    let is_done = |turn: &Turn| done.iter().any(|(known, _)| known == turn);
    order.iter().find(|turn| !is_done(turn) && !given_up(turn.arm, done)).copied()
}

/// Whether an arm is tried no more: its last starts, as many as may fail, all failed.
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

    /// Plays a sweep to its end; `fails` says which starts never come up.
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
