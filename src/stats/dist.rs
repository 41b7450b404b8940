//! Stores a distribution in bounded memory: exact up to a number of values, an
//! HDR histogram beyond it.

mod values;

use super::hdr::HistogramStep;
use super::order::{self, RankInterval};
use super::{Estimate, rank};
use values::{STEPS, StoredValues};

/// Distribution of one quantity, in its base unit, with values of which only a bound is known: a
/// request that was given up after 30 s took longer than that. Its statistics are an [`Estimate`]
/// each, which is exact where such values cannot change it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Dist {
    measured: StoredValues,
    /// Bounds that were exceeded.
    above: StoredValues,
    /// Bounds that were not reached.
    below: StoredValues,
}

/// Values that are not in a distribution and may be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnknownValues {
    /// Number of those that are assumed to be below all others.
    pub low: u64,
    /// Number of those that are assumed to be above all others.
    pub high: u64,
}

impl Dist {
    /// Returns a distribution without values.
    pub(crate) fn new() -> Dist {
        Dist::default()
    }

    /// Adds a value. Ignores a value that is not finite or is negative.
    pub(crate) fn record(&mut self, value: f64) {
        self.measured.record_n(value, 1);
    }

    /// Adds a value of which only a bound is known that it exceeded.
    pub(crate) fn record_above(&mut self, bound: f64) {
        self.above.record_n(bound, 1);
    }

    /// Adds a value of which only a bound is known that it did not reach.
    pub(crate) fn record_below(&mut self, bound: f64) {
        self.below.record_n(bound, 1);
    }

    /// Adds all values of another distribution.
    pub(crate) fn merge(&mut self, other: &Dist) {
        self.measured.merge(&other.measured);
        self.above.merge(&other.above);
        self.below.merge(&other.below);
    }

    /// Adds the values of a histogram of microseconds, as seconds.
    pub(crate) fn merge_micros(&mut self, steps: &[HistogramStep]) {
        for step in steps {
            self.measured.record_n(step.value as f64 / STEPS, step.n);
        }
    }

    /// Returns the number of values, those among them of which only a bound is known.
    pub(crate) fn n(&self) -> u64 {
        self.measured.n + self.bounded()
    }

    /// Returns the number of values of which only a bound is known.
    pub(crate) fn bounded(&self) -> u64 {
        self.above.n + self.below.n
    }

    /// Returns the smallest value.
    pub(crate) fn min(&self) -> Option<Estimate> {
        let least = self.measured.min.min(self.above.min);
        let low = if self.below.n > 0 { 0.0 } else { least };
        let high = self.measured.min.min(self.below.min);
        (self.n() > 0).then(|| Estimate::between(low, high))
    }

    /// Returns the largest value.
    #[cfg(test)]
    pub(crate) fn max(&self) -> Option<Estimate> {
        self.max_with(UnknownValues::default())
    }

    /// Returns the largest value, with others that are not known.
    pub(crate) fn max_with(&self, unknown: UnknownValues) -> Option<Estimate> {
        let low = self.measured.max.max(self.above.max).max(0.0);
        let most = self.measured.max.max(self.below.max).max(0.0);
        let high = if self.above.n + unknown.high > 0 { f64::INFINITY } else { most };
        (self.n() > 0).then(|| Estimate::between(low, high))
    }

    /// Returns the values in the order in which they were recorded; `None` beyond
    /// [`values::EXACT_MAX`] values, and where of some only a bound is known.
    pub(crate) fn in_order(&self) -> Option<&[f64]> {
        self.measured.exact().filter(|_| self.bounded() == 0)
    }

    /// Returns the arithmetic mean.
    #[cfg(test)]
    pub(crate) fn mean(&self) -> Option<Estimate> {
        self.mean_with(UnknownValues::default())
    }

    /// Returns the arithmetic mean, with other values that are not known.
    pub(crate) fn mean_with(&self, unknown: UnknownValues) -> Option<Estimate> {
        let n = (self.n() + unknown.low + unknown.high) as f64;
        let low = (self.measured.sum + self.above.sum) / n;
        let is_open = self.above.n + unknown.high > 0;
        let most = (self.measured.sum + self.below.sum) / n;
        (self.n() > 0).then(|| Estimate::between(low, if is_open { f64::INFINITY } else { most }))
    }

    /// Returns the number of values beyond the histogram's end, where percentiles are too low.
    pub(crate) fn saturated(&self) -> u64 {
        self.measured.saturated
    }

    /// Returns the nearest-rank percentile; `share` is a fraction, 0.95 for p95.
    pub(crate) fn percentile(&self, share: f64) -> Option<Estimate> {
        self.percentile_with(share, UnknownValues::default())
    }

    /// Returns the nearest-rank percentile, with other values that are not known.
    pub(crate) fn percentile_with(&self, share: f64, unknown: UnknownValues) -> Option<Estimate> {
        let rank = rank(self.n() + unknown.low + unknown.high, share).filter(|_| self.n() > 0)?;
        let Some(rank) = rank.checked_sub(unknown.low).filter(|rank| *rank > 0) else {
            return Some(Estimate::exact(0.0));
        };
        Some(self.at_rank(rank))
    }

    /// Returns the interval of a percentile from the order of the values alone; `None` where neither
    /// end is known.
    pub(crate) fn interval(&self, share: f64, confidence: f64) -> Option<RankInterval> {
        let ranks = order::ranks(self.n(), share, confidence);
        let low = ranks.low.map(|rank| self.at_rank(rank));
        let low = low.filter(|end| end.known().is_some() || end.low > 0.0).map(|end| end.low);
        let high = ranks.high.map(|rank| self.at_rank(rank).high).filter(|end| end.is_finite());
        (low.is_some() || high.is_some()).then_some(RankInterval { low, high })
    }

    /// Returns what is known of the value of a rank from 1, among all values.
    fn at_rank(&self, rank: u64) -> Estimate {
        // The highest that it can be: every value above a bound is above all others.
        let high = self.measured.with(&self.below).at_rank(rank).unwrap_or(f64::INFINITY);
        if self.below.n == 0 && self.above.count_under(high) == 0 && high.is_finite() {
            return Estimate::exact(high);
        }
        // The lowest: every value below a bound is below all others.
        let low = match rank.checked_sub(self.below.n).filter(|rank| *rank > 0) {
            Some(rank) => self.measured.with(&self.above).at_rank(rank).unwrap_or(f64::INFINITY),
            None => 0.0,
        };
        if self.above.n == 0 && low > 0.0 && self.below.count_over(low) == 0 {
            return Estimate::exact(low);
        }
        Estimate::between(low, high)
    }

    /// Returns the number of values that are surely above `limit`.
    pub(crate) fn count_surely_over(&self, limit: f64) -> u64 {
        self.measured.count_over(limit) + self.above.count_at_least(limit)
    }

    /// Returns the number of values that are surely below `limit`.
    pub(crate) fn count_surely_under(&self, limit: f64) -> u64 {
        self.measured.count_under(limit) + self.below.count_at_most(limit)
    }

    /// Returns the number of measured values up to `limit`; beyond [`values::EXACT_MAX`] values,
    /// `limit` counts to three figures.
    pub(crate) fn count_at_most(&self, limit: f64) -> u64 {
        self.measured.count_at_most(limit)
    }

    /// Returns the number of measured values from `limit` on; beyond [`values::EXACT_MAX`] values,
    /// `limit` counts to three figures.
    pub(crate) fn count_at_least(&self, limit: f64) -> u64 {
        self.measured.count_at_least(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dist(values: impl IntoIterator<Item = f64>) -> Dist {
        let mut dist = Dist::new();
        values.into_iter().for_each(|value| dist.record(value));
        dist
    }

    fn above(bound: f64) -> Option<Estimate> {
        Some(bound).map(|bound| Estimate::between(bound, f64::INFINITY))
    }

    /// Returns the percentile's bounds.
    fn percentile(dist: &Dist, share: f64) -> (f64, f64) {
        let estimate = dist.percentile(share).unwrap();
        (estimate.low, estimate.high)
    }

    #[test]
    fn a_value_above_a_bound_holds_the_tail_and_leaves_the_rest() {
        let mut dist = dist((1..=95).map(f64::from));
        (0..5).for_each(|_| dist.record_above(200.0));
        assert_eq!((dist.n(), dist.bounded()), (100, 5));
        assert_eq!(
            (dist.percentile(0.5), dist.percentile(0.95)),
            (Some(Estimate::exact(50.0)), Some(Estimate::exact(95.0)))
        );
        dist.record_above(200.0);
        assert_eq!(percentile(&dist, 0.95), (200.0, f64::INFINITY));
        assert_eq!(dist.max(), above(200.0));
        assert!(dist.mean().unwrap().high.is_infinite());
        assert_eq!(dist.min(), Some(Estimate::exact(1.0)));
        assert_eq!((dist.count_at_most(1e9), dist.count_at_least(150.0)), (95, 0));
        assert_eq!([90.0, 95.0, 200.0, 200.1].map(|it| dist.count_surely_over(it)), [11, 6, 6, 0]);
    }

    #[test]
    fn a_bound_within_the_others_gives_the_least_that_a_percentile_can_be() {
        let mut dist = dist((1..=9).map(f64::from));
        dist.record_above(2.5);
        assert_eq!(percentile(&dist, 0.2), (2.0, 2.0));
        assert_eq!(percentile(&dist, 0.5), (4.0, 5.0));
        assert_eq!(percentile(&dist, 1.0), (9.0, f64::INFINITY));
    }

    #[test]
    fn a_rate_below_a_bound_is_the_same_from_the_other_side() {
        let mut dist = dist((11..=19).map(f64::from));
        dist.record_below(3.0);
        assert_eq!(percentile(&dist, 0.1), (0.0, 3.0));
        assert_eq!(
            (dist.percentile(0.5), dist.max()),
            (Some(Estimate::exact(14.0)), Some(Estimate::exact(19.0)))
        );
        assert_eq!(dist.min(), Some(Estimate::between(0.0, 3.0)));
    }

    #[test]
    fn the_ends_of_an_interval_are_values_and_what_is_above_a_bound_has_no_upper_end() {
        let interval = |dist: &Dist, share| dist.interval(share, 0.95).map(RankInterval::ends);
        let mut many = dist((1..=104).map(f64::from));
        assert_eq!(interval(&many, 0.5), Some([Some(42.0), Some(63.0)]));
        assert_eq!(interval(&many, 0.95), Some([Some(94.0), Some(104.0)]));
        assert_eq!(interval(&dist((1..=60).map(f64::from)), 0.95), Some([Some(53.0), None]));
        (0..20).for_each(|_| many.record_above(200.0));
        assert_eq!(interval(&many, 0.5), Some([Some(51.0), Some(74.0)]), "124 values");
        assert_eq!(interval(&many, 0.95), Some([Some(200.0), None]));
        assert_eq!(interval(&dist([1.0; 5]), 0.5), None, "too few");
        assert_eq!(interval(&dist([0.0; 6]), 0.5), Some([Some(0.0), Some(0.0)]));
        assert_eq!(interval(&Dist::new(), 0.5), None);
    }

    #[test]
    fn the_interval_of_many_values_has_three_figures() {
        let dist = dist((1..=20_000).map(|n| f64::from(n) / 1e3));
        let interval = dist.interval(0.95, 0.95).unwrap();
        let ranks = order::ranks(20_000, 0.95, 0.95);
        for (end, rank) in [(interval.low, ranks.low), (interval.high, ranks.high)] {
            let exact = rank.unwrap() as f64 / 1e3;
            let end = end.unwrap();
            assert!((end / exact - 1.0).abs() < 1e-3, "{end} for {exact}");
        }
    }

    #[test]
    fn unknown_values_move_the_ranks() {
        let dist = dist((1..=100).map(f64::from));
        let with = |low, high| dist.percentile_with(0.95, UnknownValues { low, high }).unwrap();
        assert_eq!(with(0, 1), Estimate::exact(96.0));
        assert!(with(0, 6).low.is_infinite());
        assert_eq!(with(10, 0), Estimate::exact(95.0));
        assert!(dist.max_with(UnknownValues { low: 0, high: 1 }).unwrap().high.is_infinite());
    }

    #[test]
    fn many_values_with_bounds_beyond_them_keep_their_percentiles() {
        let mut dist = dist((1..=20_000).map(|n| f64::from(n) / 1e3));
        let before = dist.percentile(0.5);
        dist.record_above(30.0);
        assert!(dist.percentile(0.5).unwrap().known().is_some(), "{before:?}");
        assert_eq!(dist.max(), above(30.0));
    }

    #[test]
    fn few_values_are_exact() {
        let dist = dist((1..=100).rev().map(f64::from));
        assert_eq!(dist.percentile(0.95), Some(Estimate::exact(95.0)));
        assert_eq!(dist.mean(), Some(Estimate::exact(50.5)));
        assert_eq!(
            (dist.min(), dist.max()),
            (Some(Estimate::exact(1.0)), Some(Estimate::exact(100.0)))
        );
        assert_eq!((dist.count_at_most(10.0), dist.count_at_least(10.0)), (10, 91));
    }

    #[test]
    fn many_values_keep_three_figures() {
        let dist = dist((1..=20_000).map(|n| f64::from(n) / 1e3));
        for (share, exact) in [(0.5, 10.0), (0.95, 19.0), (0.99, 19.8)] {
            let seen = dist.percentile(share).and_then(Estimate::known).unwrap();
            assert!((seen / exact - 1.0).abs() < 1e-3, "{seen} for {exact}");
        }
        assert_eq!(dist.n(), 20_000);
        assert_eq!(dist.max(), Some(Estimate::exact(20.0)));
        assert!((dist.count_at_most(10.0) as f64 / 10_000.0 - 1.0).abs() < 2e-3);
    }

    #[test]
    fn merging_is_the_same_as_recording_all() {
        for n in [10, 3_000, 6_000] {
            let mut left = dist((0..n).map(f64::from));
            let right = dist((n..2 * n).map(f64::from));
            left.merge(&right);
            let whole = dist((0..2 * n).map(f64::from));
            assert_eq!((left.n(), left.mean()), (whole.n(), whole.mean()));
            assert_eq!(left.percentile(0.95), whole.percentile(0.95));
        }
    }

    #[test]
    fn what_is_beyond_the_histogram_is_counted() {
        let mut dist = dist((0..5_000).map(f64::from));
        assert_eq!(dist.saturated(), 0);
        dist.record(2e6);
        assert_eq!((dist.saturated(), dist.max()), (1, Some(Estimate::exact(2e6))));
    }

    #[test]
    fn what_is_no_number_is_not_taken() {
        assert_eq!(dist([f64::NAN, f64::INFINITY, -1.0]).n(), 0);
        assert_eq!(Dist::new().percentile(0.5), None);
    }

    #[test]
    fn a_histogram_of_microseconds_becomes_seconds() {
        let mut dist = Dist::new();
        dist.merge_micros(&[HistogramStep { value: 42_000, n: 7 }]);
        assert_eq!(dist.n(), 7);
        let middle = dist.percentile(0.5).and_then(Estimate::known).unwrap();
        assert!((middle / 0.042 - 1.0).abs() < 1e-3);
    }
}
