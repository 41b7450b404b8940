//! Represents a statistic of values of which some are known only by a bound.

use serde::Serialize;

/// Statistic that lies between two bounds. An exact one has the same bound on both sides; one
/// above a bound has no upper one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Estimate {
    /// Lower bound; 0 where there is none.
    pub low: f64,
    /// Upper bound; infinite where there is none.
    pub high: f64,
}

impl Estimate {
    /// Returns an exact statistic.
    pub(crate) fn exact(value: f64) -> Estimate {
        Estimate { low: value, high: value }
    }

    /// Returns a statistic between two bounds.
    pub(crate) fn between(low: f64, high: f64) -> Estimate {
        Estimate { low, high: high.max(low) }
    }

    /// Returns its value; `None` where only bounds are known.
    #[allow(clippy::float_cmp)] // one value for both bounds
    pub(crate) fn known(self) -> Option<f64> {
        (self.low == self.high).then_some(self.low)
    }

    /// Returns the bound that it exceeds, where its value is not known.
    pub(crate) fn above(self) -> Option<f64> {
        (self.known().is_none() && self.low > 0.0).then_some(self.low)
    }

    /// Returns the bound that it does not reach, where its value is not known.
    pub(crate) fn below(self) -> Option<f64> {
        (self.known().is_none() && self.high.is_finite()).then_some(self.high)
    }

    /// Returns the statistic multiplied by a factor.
    #[must_use]
    pub(crate) fn times(self, factor: f64) -> Estimate {
        Estimate { low: self.low * factor, high: self.high * factor }
    }

    /// Whether it surely is at most `other`.
    pub(crate) fn is_at_most(self, other: Estimate) -> bool {
        self.high <= other.low
    }

    /// Whether it surely is more than `other`. A statistic above a bound is more than that bound.
    pub(crate) fn is_more_than(self, other: Estimate) -> bool {
        let is_inexact = self.known().is_none() || other.known().is_none();
        self.low > other.high || (is_inexact && self.low >= other.high)
    }

    /// Returns the number that it is sorted and scaled by: its value, or the bound that is known.
    pub(crate) fn number(self) -> f64 {
        if self.high.is_finite() && self.low <= 0.0 { self.high } else { self.low }
    }
}

impl From<f64> for Estimate {
    fn from(value: f64) -> Estimate {
        Estimate::exact(value)
    }
}
