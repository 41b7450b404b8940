//! Records when longhaul itself stood still: when it was stopped, or got no processor. What arrived
//! meanwhile was read later than it came, and that is not the server's time.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::timeline::Timeline;
use crate::unit::{At, micros};

/// Interval at which longhaul looks whether it stands still.
const BEAT: Duration = Duration::from_millis(10);
/// Least delay of a look that is recorded, microseconds. Timers are late by a millisecond or two.
const DELAY_US_MIN: u64 = 5_000;
/// Time after a standstill in which what arrived during it is still being read, microseconds.
const BACKLOG_US: u64 = 10_000;
/// Bound on the standstills that are kept: over ten minutes of a machine that is always late.
const STANDSTILLS_MAX: usize = 1 << 16;

/// Time in which longhaul did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standstill {
    /// Last instant at which it was known to go on.
    from: At,
    until: At,
    /// Least length, microseconds.
    delay_us: u64,
}

/// Standstills of longhaul, shared by all that measure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standstills {
    list: Rc<RefCell<VecDeque<Standstill>>>,
    /// Instant of the next look; `None` where nobody looks.
    due: Rc<Cell<Option<At>>>,
}

impl Standstills {
    /// Returns standstills at known times, for a simulated machine: begin and end of each.
    pub(crate) fn set(&self, mut all: Vec<(At, At)>) {
        all.sort_unstable();
        let of = |(from, until): (At, At)| Standstill { from, until, delay_us: until.since(from) };
        *self.list.borrow_mut() = all.into_iter().map(of).collect();
    }

    /// Returns the end of the simulated standstill at an instant, if there is one.
    pub(crate) fn end(&self, at: At) -> Option<At> {
        let list = self.list.borrow();
        list.iter().find(|it| it.from <= at && at < it.until).map(|it| it.until)
    }

    /// Looks at every beat how late it is; never returns.
    pub(crate) async fn look(self, timeline: Timeline) {
        loop {
            let due = timeline.now().after(BEAT);
            self.due.set(Some(due));
            timeline.until(due).await;
            if let Some(standstill) = late(due, timeline.now()) {
                let mut list = self.list.borrow_mut();
                if list.len() >= STANDSTILLS_MAX {
                    list.pop_front();
                }
                list.push_back(standstill);
            }
        }
    }

    /// Returns the longest delay of what was read between two instants, microseconds. `now` is the
    /// present: a look may be late at this moment.
    pub(crate) fn delay_us(&self, from: At, until: At, now: At) -> u64 {
        let list = self.list.borrow();
        let ongoing = self.due.get().and_then(|due| late(due, now));
        let earlier = list.iter().rev().copied();
        let all = ongoing.into_iter().chain(earlier);
        let recent = all.take_while(|it| it.until.0.saturating_add(BACKLOG_US) >= from.0);
        recent.filter(|it| it.from <= until).map(|it| it.delay_us).max().unwrap_or(0)
    }

    /// Returns how long longhaul stood still between an instant and the present, microseconds.
    pub(crate) fn stood_us(&self, from: At, now: At) -> u64 {
        let list = self.list.borrow();
        let ongoing = self.due.get().and_then(|due| late(due, now));
        let all = ongoing.into_iter().chain(list.iter().rev().copied());
        let recent = all.take_while(|it| it.until > from);
        let between = |it: Standstill| {
            let begin = At(it.until.0.saturating_sub(it.delay_us));
            it.until.min(now).since(begin.max(from))
        };
        recent.map(between).sum()
    }
}

/// Returns the standstill that a look shows which was due at `due` and is done at `now`.
fn late(due: At, now: At) -> Option<Standstill> {
    let delay_us = now.since(due);
    let from = At(due.0.saturating_sub(micros(BEAT)));
    (delay_us >= DELAY_US_MIN).then_some(Standstill { from, until: now, delay_us })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_in_a_standstill_or_right_after_it_was_delayed_by_it() {
        let all = Standstills::default();
        all.set(vec![(At(5_000_000), At(5_400_000)), (At(1_000_000), At(1_900_000))]);
        let delay = |from: u64, until: u64| all.delay_us(At(from), At(until), At(9_000_000));
        assert_eq!(delay(1_900_500, 1_900_500), 900_000);
        assert_eq!(delay(1_911_000, 4_999_000), 0);
        assert_eq!(delay(500_000, 999_000), 0);
        assert_eq!(delay(0, 9_000_000), 900_000);
        assert_eq!(delay(5_399_999, 5_399_999), 400_000);
    }

    #[test]
    fn the_standstills_between_two_instants_add_up_with_their_parts_between_them() {
        let all = Standstills::default();
        all.set(vec![(At(0), At(1_000)), (At(2_000), At(2_500)), (At(4_000), At(9_000))]);
        assert_eq!(all.stood_us(At(500), At(5_000)), 500 + 500 + 1_000);
        assert_eq!(all.stood_us(At(2_100), At(2_200)), 100, "all of it");
        assert_eq!(all.stood_us(At(1_000), At(2_000)), 0);
        all.due.set(Some(At(10_000)));
        assert_eq!(all.stood_us(At(9_500), At(16_000)), 6_000, "it lasts");
        assert_eq!(all.stood_us(At(9_500), At(12_000)), 0, "timers are late by that");
    }

    #[test]
    fn a_look_that_is_late_at_this_moment_counts_already() {
        let all = Standstills::default();
        all.due.set(Some(At(1_000_000)));
        assert_eq!(all.delay_us(At(1_300_000), At(1_300_000), At(1_300_000)), 300_000);
        assert_eq!(all.delay_us(At(1_001_000), At(1_001_000), At(1_001_000)), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_is_stopped_finds_it_out_itself() {
        let (timeline, all) = (Timeline::start(), Standstills::default());
        tokio::task::LocalSet::new()
            .run_until(async {
                tokio::task::spawn_local(all.clone().look(timeline));
                timeline.until(At(1_004_000)).await;
                assert_eq!(all.delay_us(At::ZERO, timeline.now(), timeline.now()), 0);
                // The clock moves on, and nobody is asked: as after SIGSTOP and SIGCONT.
                tokio::time::advance(Duration::from_millis(400)).await;
                tokio::task::yield_now().await;
                let now = timeline.now();
                let delay_us = all.delay_us(now, now, now);
                assert!((390_000..=400_000).contains(&delay_us), "{delay_us}");
            })
            .await;
    }
}
