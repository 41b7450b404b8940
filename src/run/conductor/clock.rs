//! The clock of the service: it stands still while the server is away.

use crate::unit::At;

/// Time under load, without the time in which there was no server.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServiceClock {
    began: Option<At>,
    away_us: u64,
    away_since: Option<At>,
}

impl ServiceClock {
    /// The load began; only the first call counts.
    pub fn start(&mut self, at: At) {
        self.began.get_or_insert(at);
    }

    /// The server went away.
    pub fn stand(&mut self, since: At) {
        self.away_since.get_or_insert(since);
    }

    /// The server is back.
    pub fn go(&mut self, at: At) {
        if let Some(since) = self.away_since.take() {
            self.away_us += at.since(since);
        }
    }

    /// How long the present outage has lasted, microseconds; 0 while the server is there.
    pub fn away_us(&self, now: At) -> u64 {
        self.away_since.map_or(0, |since| now.since(since))
    }

    /// How long all outages have lasted, microseconds.
    pub fn away_all_us(&self, now: At) -> u64 {
        self.away_us + self.away_us(now)
    }

    /// Microseconds since the load began, with or without a server.
    pub fn spent_us(&self, now: At) -> u64 {
        self.began.map_or(0, |began| now.since(began))
    }

    /// Microseconds under load with a server; 0 before the load began.
    pub fn now_us(&self, now: At) -> u64 {
        let Some(began) = self.began else { return 0 };
        now.since(began).saturating_sub(self.away_all_us(now))
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
}
