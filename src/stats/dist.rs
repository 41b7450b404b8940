//! Stores a distribution in bounded memory: exact up to a number of values, an
//! HDR histogram beyond it.

use hdrhistogram::Histogram;

use super::{nearest_rank, rank};

/// Largest number of values that are kept exactly: 32 KiB, before the change to a histogram of
/// about 260 KiB.
pub(crate) const EXACT_MAX: usize = 4_096;

/// Steps per unit in the histogram: microseconds, or millionths of a token per second.
const STEPS: f64 = 1e6;

/// Upper end of the histogram in steps: a million seconds, or a million tokens per second. Larger
/// values are recorded at the end, and counted.
const STEPS_MAX: u64 = 1_000_000_000_000;

/// Distribution of one quantity, in its base unit. Mean, minimum and maximum are exact (those of
/// merged histograms to three figures); percentiles are exact up to [`EXACT_MAX`] values and to
/// three significant figures beyond.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dist {
    n: u64,
    sum: f64,
    min: f64,
    max: f64,
    saturated: u64,
    store: Store,
}

#[derive(Clone, Debug, PartialEq)]
enum Store {
    Exact(Vec<f64>),
    Hdr(Box<Histogram<u64>>),
}

impl Default for Dist {
    fn default() -> Dist {
        Dist {
            n: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            saturated: 0,
            store: Store::Exact(Vec::new()),
        }
    }
}

impl Dist {
    /// Returns a distribution without values.
    pub(crate) fn new() -> Dist {
        Dist::default()
    }

    /// Adds a value. Ignores a value that is not finite or is negative.
    pub(crate) fn record(&mut self, value: f64) {
        self.record_n(value, 1);
    }

    /// Adds a value that occurred `times` times.
    pub(crate) fn record_n(&mut self, value: f64, times: u64) {
        if !value.is_finite() || value < 0.0 || times == 0 {
            return;
        }
        self.n += times;
        self.sum += value * times as f64;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.make_room(times);
        match &mut self.store {
            Store::Exact(values) => values.extend(std::iter::repeat_n(value, times as usize)),
            Store::Hdr(histogram) => self.saturated += put(histogram, value, times),
        }
    }

    /// Changes to a histogram if `times` more values would be too many to keep.
    fn make_room(&mut self, times: u64) {
        let Store::Exact(values) = &self.store else { return };
        if values.len() as u64 + times <= EXACT_MAX as u64 {
            return;
        }
        // Cannot fail: the bounds are valid constants.
        if let Ok(mut histogram) = Histogram::new_with_bounds(1, STEPS_MAX, 3) {
            self.saturated = values.iter().map(|value| put(&mut histogram, *value, 1)).sum();
            self.store = Store::Hdr(Box::new(histogram));
        }
    }

    /// Adds all values of another distribution.
    pub(crate) fn merge(&mut self, other: &Dist) {
        match &other.store {
            Store::Exact(values) => values.iter().for_each(|value| self.record(*value)),
            Store::Hdr(histogram) => {
                self.make_room(EXACT_MAX as u64 + 1);
                if let Store::Hdr(mine) = &mut self.store {
                    // Cannot fail: both histograms have the same bounds.
                    let _ = mine.add(histogram.as_ref());
                }
                self.n += other.n;
                self.sum += other.sum;
                self.min = self.min.min(other.min);
                self.max = self.max.max(other.max);
                self.saturated += other.saturated;
            }
        }
    }

    /// Adds the values of a histogram of microseconds, as seconds.
    pub(crate) fn merge_micros(&mut self, histogram: &Histogram<u64>) {
        for step in histogram.iter_recorded() {
            let middle = histogram.median_equivalent(step.value_iterated_to());
            self.record_n(middle as f64 / STEPS, step.count_at_value());
        }
    }

    pub(crate) fn n(&self) -> u64 {
        self.n
    }

    /// Returns the smallest value.
    pub(crate) fn min(&self) -> Option<f64> {
        (self.n > 0).then_some(self.min)
    }

    /// Returns the largest value.
    pub(crate) fn max(&self) -> Option<f64> {
        (self.n > 0).then_some(self.max)
    }

    /// Returns the values in the order in which they were recorded; `None` beyond [`EXACT_MAX`]
    /// values.
    pub(crate) fn in_order(&self) -> Option<&[f64]> {
        match &self.store {
            Store::Exact(values) => Some(values),
            Store::Hdr(_) => None,
        }
    }

    /// Returns the arithmetic mean.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }

    /// Returns the number of values beyond the histogram's end, where percentiles are too low.
    pub(crate) fn saturated(&self) -> u64 {
        self.saturated
    }

    /// Returns the nearest-rank percentile; `share` is a fraction, 0.95 for p95.
    pub(crate) fn percentile(&self, share: f64) -> Option<f64> {
        match &self.store {
            Store::Exact(values) => {
                let mut sorted = values.clone();
                sorted.sort_by(f64::total_cmp);
                nearest_rank(&sorted, share)
            }
            Store::Hdr(histogram) => {
                let quantile = rank(self.n, share)? as f64 / self.n as f64;
                let middle = histogram.median_equivalent(histogram.value_at_quantile(quantile));
                Some((middle as f64 / STEPS).clamp(self.min, self.max))
            }
        }
    }

    /// Returns the number of values up to `limit`; beyond [`EXACT_MAX`] values, `limit` counts to
    /// three figures.
    pub(crate) fn count_at_most(&self, limit: f64) -> u64 {
        match &self.store {
            Store::Exact(values) => values.iter().filter(|value| **value <= limit).count() as u64,
            Store::Hdr(histogram) => histogram.count_between(0, steps(limit)),
        }
    }

    /// Returns the number of values from `limit` on; beyond [`EXACT_MAX`] values, `limit` counts
    /// to three figures.
    pub(crate) fn count_at_least(&self, limit: f64) -> u64 {
        match &self.store {
            Store::Exact(values) => values.iter().filter(|value| **value >= limit).count() as u64,
            Store::Hdr(histogram) => histogram.count_between(steps(limit), u64::MAX),
        }
    }
}

/// Returns a value in the histogram's steps; saturates.
fn steps(value: f64) -> u64 {
    (value * STEPS).round() as u64
}

/// Records a value, and returns how many of its occurrences were beyond the end.
fn put(histogram: &mut Histogram<u64>, value: f64, times: u64) -> u64 {
    let steps = steps(value);
    histogram.saturating_record_n(steps, times);
    if steps > STEPS_MAX { times } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dist(values: impl IntoIterator<Item = f64>) -> Dist {
        let mut dist = Dist::new();
        values.into_iter().for_each(|value| dist.record(value));
        dist
    }

    #[test]
    fn few_values_are_exact() {
        let dist = dist((1..=100).rev().map(f64::from));
        assert_eq!(dist.percentile(0.95), Some(95.0));
        assert_eq!(dist.mean(), Some(50.5));
        assert_eq!((dist.min(), dist.max()), (Some(1.0), Some(100.0)));
        assert_eq!((dist.count_at_most(10.0), dist.count_at_least(10.0)), (10, 91));
    }

    #[test]
    fn many_values_keep_three_figures() {
        let dist = dist((1..=20_000).map(|n| f64::from(n) / 1e3));
        for (share, exact) in [(0.5, 10.0), (0.95, 19.0), (0.99, 19.8)] {
            let seen = dist.percentile(share).unwrap();
            assert!((seen / exact - 1.0).abs() < 1e-3, "{seen} for {exact}");
        }
        assert_eq!(dist.n(), 20_000);
        assert_eq!(dist.max(), Some(20.0));
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
        assert_eq!((dist.saturated(), dist.max()), (1, Some(2e6)));
    }

    #[test]
    fn what_is_no_number_is_not_taken() {
        assert_eq!(dist([f64::NAN, f64::INFINITY, -1.0]).n(), 0);
        assert_eq!(Dist::new().percentile(0.5), None);
    }

    #[test]
    fn a_histogram_of_microseconds_becomes_seconds() {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap();
        histogram.record_n(42_000, 7).unwrap();
        let mut dist = Dist::new();
        dist.merge_micros(&histogram);
        assert_eq!(dist.n(), 7);
        assert!((dist.percentile(0.5).unwrap() / 0.042 - 1.0).abs() < 1e-3);
    }
}
