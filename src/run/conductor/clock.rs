//! The clock of the service: it stands still while the server is away, and
//! between the segments of a run.

use crate::unit::At;

/// Time under load, without the time in which there was no server. Segments that are over are
/// carried as durations; instants are of the present one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ServiceClock {
    /// Microseconds of load in earlier segments, with or without a server.
    carried_us: u64,
    /// Microseconds of outages that are over, in all segments.
    away_us: u64,
    /// Whether the load has begun, in any segment.
    begun: bool,
    began: Option<At>,
    away_since: Option<At>,
    /// The latest instant that any entry has.
    last: At,
}

impl ServiceClock {
    /// The load began, or goes on in another segment; only the first call of a segment counts.
    pub(super) fn start(&mut self, at: At) {
        self.begun = true;
        self.began.get_or_insert(at);
    }

    /// Whether the load has begun, in any segment.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Something happened at this instant.
    pub(super) fn seen(&mut self, at: At) {
        self.last = self.last.max(at);
    }

    /// Another segment begins: what the one before had is carried, and the clock stands still
    /// until it is started again.
    pub(super) fn carry(&mut self) {
        *self = ServiceClock {
            carried_us: self.spent_us(self.last),
            away_us: self.away_all_us(self.last),
            begun: self.begun,
            ..ServiceClock::default()
        };
    }

    /// The server went away.
    pub(super) fn stand(&mut self, since: At) {
        self.away_since.get_or_insert(since);
    }

    /// The server is back.
    pub(super) fn go(&mut self, at: At) {
        if let Some(since) = self.away_since.take() {
            self.away_us += at.since(since);
        }
    }

    /// How long the present outage has lasted, microseconds; 0 while the server is there.
    pub(super) fn away_us(&self, now: At) -> u64 {
        self.away_since.map_or(0, |since| now.since(since))
    }

    /// How long all outages have lasted, microseconds.
    pub(super) fn away_all_us(&self, now: At) -> u64 {
        self.away_us + self.away_us(now)
    }

    /// Microseconds under load, with or without a server.
    pub(super) fn spent_us(&self, now: At) -> u64 {
        self.carried_us + self.began.map_or(0, |began| now.since(began))
    }

    /// Microseconds under load with a server; 0 before the load began.
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
        clock.stand(At(300));
        assert_eq!((clock.now_us(At(900)), clock.away_us(At(900))), (200, 600));
        clock.go(At(1000));
        assert_eq!((clock.now_us(At(1100)), clock.away_all_us(At(1100))), (300, 700));
    }

    #[test]
    fn what_was_served_is_carried_over_segments_and_instants_of_two_segments_never_meet() {
        let mut clock = ServiceClock::default();
        clock.start(At(1000));
        clock.stand(At(1500));
        clock.seen(At(1700));
        clock.carry();
        assert_eq!((clock.now_us(At(3)), clock.away_us(At(9_000))), (500, 0), "it stands still");
        clock.start(At(40));
        assert_eq!((clock.now_us(At(50)), clock.spent_us(At(50))), (510, 710));
        assert_eq!(clock.away_all_us(At(50)), 200);
    }
}
