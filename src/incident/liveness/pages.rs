//! Tells what a metrics page shows of the server: a page may be answered by a process that lives
//! beside an engine that does not serve.

use crate::fact::Reading;
use crate::series::{self, Observer, SeriesNumbers};
use crate::unit::At;

/// Bound on the counters kept; an engine has a few dozen.
const COUNTERS_MAX: usize = 1_024;

/// Metrics pages that were read.
#[derive(Clone, Debug, Default)]
pub(super) struct MetricsPages {
    /// Time of the newest page.
    at: Option<At>,
    /// Time of the page before it.
    before: Option<At>,
    /// Whether a counter of work done has moved since the page before it.
    moves: bool,
    numbers: SeriesNumbers,
    /// Last values of counters, by number.
    counters: Vec<f64>,
}

impl MetricsPages {
    /// Takes in a reading of a page.
    pub(super) fn fold(&mut self, at: At, reading: &Reading) {
        if self.at != Some(at) {
            (self.before, self.at, self.moves) = (self.at, Some(at), false);
        }
        let counts =
            series::of_reading(reading).is_some_and(|it| it.has_observer(Observer::Progress));
        if !counts || !reading.last.is_finite() {
            return;
        }
        let Some(number) = self.numbers.of(reading, COUNTERS_MAX) else { return };
        match self.counters.get_mut(number) {
            Some(value) => {
                self.moves |= reading.differs_from(*value);
                *value = reading.last;
            }
            None => self.counters.push(reading.last),
        }
    }

    /// Whether a page was read at this time.
    pub(super) fn is_read(&self, at: At) -> bool {
        self.at == Some(at)
    }

    /// Whether counters moved between the two newest pages, and both were read after this time.
    pub(super) fn move_since(&self, since: At) -> bool {
        self.moves && self.before.is_some_and(|before| before > since)
    }
}
