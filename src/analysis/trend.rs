//! Decides for every series whether it grows: a word, a slope with its interval, and the evidence.
//! A series here is one of a single process lifetime of the server, in blocks of whole laps or of a
//! fixed time. A trend never crosses a restart.
//!
//! `growth` computes the slope and its tests, `jumps` finds steps and levels, `warm_up` leaves
//! out the start, `evidence` joins them for one series, and `rule` decides over all series of a
//! run.

pub(crate) mod evidence;
mod growth;
mod jumps;
#[cfg(test)]
mod monte_carlo;
pub(crate) mod rule;
#[cfg(test)]
mod tests;
mod warm_up;

use crate::stats::theil_sen::Slope;
use crate::words::words;

/// Word for the course of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TrendWord {
    /// A growth above the threshold is excluded.
    Stable,
    /// It grows by more than the threshold, all the time.
    Growing,
    /// The blocks do not decide.
    Unresolved,
    /// It grew, and no longer does.
    Plateau,
    /// Its level changed at once.
    Step,
    /// It jumps between two levels.
    TwoLevels,
    /// It moves in the better direction by more than the threshold.
    Falling,
    /// Too many samples are missing.
    NoData,
}

words!(TrendWord {
    Stable: "stable",
    Growing: "growing",
    Unresolved: "unresolved",
    Plateau: "plateau",
    Step: "step",
    TwoLevels: "two levels",
    Falling: "falling",
    NoData: "no data",
});

/// Course of a series in one process lifetime of the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trend {
    pub word: TrendWord,
    /// Number of judged blocks.
    pub blocks: usize,
    /// Judged hours that the word stands on.
    pub hours: f64,
    /// All judged hours; more where the word stands on the last half alone.
    pub judged_h: f64,
    /// Hours left out at the start.
    pub from_h: f64,
    /// Length that was watched and the one from which a growth has a rate, where it is shorter:
    /// `6 h 00 m seen, 8 h 00 m needed`.
    pub too_short: Option<String>,
    /// Slope per hour, in the series' own sign; each bound is one-sided at 95 %. Without the step
    /// or the levels, where there are any. `None` for too few blocks.
    pub slope: Option<Slope>,
    /// Least growth per hour that matters.
    pub threshold: f64,
    /// One-sided p-value of a growth, adjusted for all series.
    pub p: Option<f64>,
    /// Least growth per hour that would have passed all gates four times out of five.
    pub detectable: Option<f64>,
    /// Median of the last three blocks.
    pub last: Option<f64>,
    /// Step that was taken out of the slope. One of less than 5 % of the level is not the word.
    pub step: Option<LevelStep>,
    /// Lower and upper level, where it jumps between two.
    pub levels: Option<(f64, f64)>,
    /// Whether it passed all gates for a growth, whatever its length.
    pub grows: bool,
    /// Whether it passed them but for the threshold: it grows all the time, by whatever amount.
    pub rises: bool,
    /// Lower bound of the growth per hour in the last half or the last quarter, where it is
    /// significant.
    pub late: Option<f64>,
    /// Hours or blocks that it lacks for a rate: `5 h 59 m seen, 8 h 00 m needed`.
    pub lack: Option<String>,
    /// Whether the return window lies beyond everything before it.
    pub is_beyond: bool,
    /// Reason for *unresolved*, *plateau* and *no data*; empty otherwise.
    pub why: String,
}

impl Trend {
    /// Returns the slope where a rate may be quoted: the course is decided, has no jump, and was
    /// watched for long enough.
    pub(crate) fn rate(&self) -> Option<Slope> {
        self.slope.filter(|_| self.is_decided() && self.too_short.is_none())
    }

    /// Whether its word is about a course without a jump, and not open.
    pub(crate) fn is_decided(&self) -> bool {
        use TrendWord::{Falling, Growing, Plateau, Stable};
        matches!(self.word, Stable | Growing | Plateau | Falling)
    }

    /// Whether its noise alone leaves it open.
    pub(crate) fn is_noisy(&self) -> bool {
        self.why == rule::NOT_EXCLUDED
    }
}

/// Change of the level of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LevelStep {
    /// Time of the change, hours since the start of the lifetime.
    pub hours: f64,
    /// Median before.
    pub from: f64,
    /// Median afterwards.
    pub to: f64,
    /// P-value, adjusted for all series.
    pub p: f64,
}
