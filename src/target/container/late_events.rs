//! Dates events that arrive late: an engine that was unreachable repeats what happened meanwhile.
//! Such an event is placed at the engine's stamp, so that one exit is not taken for two.

use crate::unit::At;

/// Time after a reopening in which an engine may still repeat past events.
const CATCH_UP_US: u64 = 10_000_000;

/// Period in which nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventGap {
    /// Start of the period.
    pub since: At,
    /// Instant at which the stream was opened again.
    pub opened: At,
}

impl EventGap {
    /// Returns the instant of an event that arrives at `now`, when the wall clock reads `wall_us`,
    /// and that has the stamp `stamp_us` on that clock. The engine's clock may be another
    /// machine's, so the instant is never before the start of the period and never in the future.
    pub(super) fn at(self, now: At, wall_us: u64, stamp_us: u64) -> At {
        if stamp_us == 0 || now.since(self.opened) > CATCH_UP_US {
            return now;
        }
        let was = now.0.saturating_sub(wall_us.saturating_sub(stamp_us));
        At(was).max(self.since).min(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL_US: u64 = 1_795_411_900_000_000;
    const UNHEARD: EventGap = EventGap { since: At(40_000_000), opened: At(100_000_000) };

    fn at(now_s: u64, ago_s: u64) -> At {
        UNHEARD.at(At(now_s * 1_000_000), WALL_US, WALL_US - ago_s * 1_000_000)
    }

    #[test]
    fn what_was_meanwhile_is_told_of_its_own_instant() {
        assert_eq!(at(101, 30), At(71_000_000));
        assert_eq!(at(101, 0), At(101_000_000));
    }

    #[test]
    fn a_clock_that_differs_moves_it_no_further_than_the_time_that_was_not_heard() {
        assert_eq!(at(101, 3_600), At(40_000_000));
        let ahead = UNHEARD.at(At(101_000_000), WALL_US, WALL_US + 3_600_000_000);
        assert_eq!(ahead, At(101_000_000));
    }

    #[test]
    fn what_comes_later_or_without_a_stamp_is_of_now() {
        assert_eq!(at(111, 5), At(111_000_000));
        assert_eq!(UNHEARD.at(At(101_000_000), WALL_US, 0), At(101_000_000));
    }
}
