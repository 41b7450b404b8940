//! Counts the time of service: it pauses while the server is away and between
//! the segments of a run.

use crate::unit::At;

/// Clock of the time under load without outages. Earlier segments are kept as durations; instants
/// are those of the present segment only.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ServiceClock {
    /// Time under load in earlier segments, outages included, microseconds.
    carried_us: u64,
    /// Duration of all ended outages in all segments, microseconds.
    away_us: u64,
    /// Whether the load has begun, in any segment.
    begun: bool,
    began: Option<At>,
    away_since: Option<At>,
    /// Latest instant of any entry.
    last: At,
}

impl ServiceClock {
    /// Starts the clock when the load begins or goes on in a new segment. Only the first call of a
    /// segment has an effect.
    pub(super) fn start(&mut self, at: At) {
        self.begun = true;
        self.began.get_or_insert(at);
    }

    /// Whether the load has begun, in any segment.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Records the instant of an entry.
    pub(super) fn advance_to(&mut self, at: At) {
        self.last = self.last.max(at);
    }

    /// Carries the durations over to a new segment, and pauses until [`ServiceClock::start`].
    pub(super) fn carry(&mut self) {
        *self = ServiceClock {
            carried_us: self.spent_us(self.last),
            away_us: self.away_all_us(self.last),
            begun: self.begun,
            ..ServiceClock::default()
        };
    }

    /// Pauses the clock at the begin of an outage.
    pub(super) fn pause(&mut self, since: At) {
        self.away_since.get_or_insert(since);
    }

    /// Resumes the clock at the end of an outage.
    pub(super) fn resume(&mut self, at: At) {
        if let Some(since) = self.away_since.take() {
            self.away_us += at.since(since);
        }
    }

    /// Returns the duration of the present outage, microseconds; 0 while the server is up.
    pub(super) fn away_us(&self, now: At) -> u64 {
        self.away_since.map_or(0, |since| now.since(since))
    }

    /// Returns the duration of all outages, microseconds.
    pub(super) fn away_all_us(&self, now: At) -> u64 {
        self.away_us + self.away_us(now)
    }

    /// Returns the time under load, outages included, microseconds.
    pub(super) fn spent_us(&self, now: At) -> u64 {
        self.carried_us + self.began.map_or(0, |began| now.since(began))
    }

    /// Returns the time under load without outages, microseconds; 0 before the load began.
    pub(super) fn now_us(&self, now: At) -> u64 {
        if !self.begun {
            return 0;
        }
        self.spent_us(now).saturating_sub(self.away_all_us(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stands_still_while_the_server_is_away() {
        let mut clock = ServiceClock::default();
        assert_eq!(clock.now_us(At(50)), 0);
        clock.start(At(100));
        clock.pause(At(300));
        assert_eq!((clock.now_us(At(900)), clock.away_us(At(900))), (200, 600));
        clock.resume(At(1000));
        assert_eq!((clock.now_us(At(1100)), clock.away_all_us(At(1100))), (300, 700));
    }

    #[test]
    fn what_was_served_is_carried_over_segments_and_instants_of_two_segments_never_meet() {
        let mut clock = ServiceClock::default();
        clock.start(At(1000));
        clock.pause(At(1500));
        clock.advance_to(At(1700));
        clock.carry();
        assert_eq!((clock.now_us(At(3)), clock.away_us(At(9_000))), (500, 0), "it stands still");
        clock.start(At(40));
        assert_eq!((clock.now_us(At(50)), clock.spent_us(At(50))), (510, 710));
        assert_eq!(clock.away_all_us(At(50)), 200);
    }
}
