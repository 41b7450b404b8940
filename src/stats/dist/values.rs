//! Stores values in bounded memory: exact up to a number of values, an HDR histogram beyond it.

use std::borrow::Cow;

use hdrhistogram::Histogram;

/// Largest number of values that are kept exactly: 32 KiB, before the change to a histogram of 32
/// to 130 KiB, by the largest value.
pub(super) const EXACT_MAX: usize = 4_096;

/// Steps per unit in the histogram: microseconds, or millionths of a token per second.
pub(super) const STEPS: f64 = 1e6;

/// Upper end of the histogram in steps: a million seconds, or a million tokens per second. Larger
/// values are recorded at the end, and counted.
const STEPS_MAX: u64 = 1_000_000_000_000;

/// Values in bounded memory. Sum, minimum and maximum are exact (those of merged histograms to
/// three figures); ranks are exact up to [`EXACT_MAX`] values and to three significant figures
/// beyond.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoredValues {
    pub(super) n: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) saturated: u64,
    store: Store,
}

#[derive(Clone, Debug, PartialEq)]
enum Store {
    Exact(Vec<f64>),
    Hdr(Box<Histogram<u32>>),
}

impl Default for StoredValues {
    fn default() -> StoredValues {
        StoredValues {
            n: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            saturated: 0,
            store: Store::Exact(Vec::new()),
        }
    }
}

impl StoredValues {
    /// Adds a value that occurred `times` times. Ignores one that is not finite or is negative.
    pub(super) fn record_n(&mut self, value: f64, times: u64) {
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
        // Cannot fail: three figures are valid.
        if let Ok(mut histogram) = Histogram::new(3) {
            self.saturated = values.iter().map(|value| put(&mut histogram, *value, 1)).sum();
            self.store = Store::Hdr(Box::new(histogram));
        }
    }

    pub(super) fn merge(&mut self, other: &StoredValues) {
        match &other.store {
            Store::Exact(values) => values.iter().for_each(|value| self.record_n(*value, 1)),
            Store::Hdr(histogram) => {
                self.make_room(EXACT_MAX as u64 + 1);
                if let Store::Hdr(mine) = &mut self.store {
                    // Cannot fail: it grows with its values.
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

    /// Returns these values together with others.
    pub(super) fn with(&self, others: &StoredValues) -> Cow<'_, StoredValues> {
        if others.n == 0 {
            return Cow::Borrowed(self);
        }
        let mut all = self.clone();
        all.merge(others);
        Cow::Owned(all)
    }

    /// Returns the values in the order in which they were recorded; `None` beyond [`EXACT_MAX`].
    pub(super) fn exact(&self) -> Option<&[f64]> {
        match &self.store {
            Store::Exact(values) => Some(values),
            Store::Hdr(_) => None,
        }
    }

    /// Returns the value of a rank from 1; `None` beyond the last.
    pub(super) fn at_rank(&self, rank: u64) -> Option<f64> {
        match &self.store {
            Store::Exact(values) => {
                let index = rank.checked_sub(1).filter(|index| *index < self.n)? as usize;
                let mut values = values.clone();
                Some(*values.select_nth_unstable_by(index, f64::total_cmp).1)
            }
            Store::Hdr(histogram) => {
                let quantile = rank as f64 / self.n as f64;
                let middle = histogram.median_equivalent(histogram.value_at_quantile(quantile));
                (rank <= self.n).then(|| (middle as f64 / STEPS).clamp(self.min, self.max))
            }
        }
    }

    pub(super) fn count_at_most(&self, limit: f64) -> u64 {
        match &self.store {
            Store::Exact(values) => values.iter().filter(|value| **value <= limit).count() as u64,
            Store::Hdr(histogram) => histogram.count_between(0, steps(limit)),
        }
    }

    pub(super) fn count_at_least(&self, limit: f64) -> u64 {
        match &self.store {
            Store::Exact(values) => values.iter().filter(|value| **value >= limit).count() as u64,
            Store::Hdr(histogram) => histogram.count_between(steps(limit), u64::MAX),
        }
    }

    pub(super) fn count_under(&self, limit: f64) -> u64 {
        self.n - self.count_at_least(limit).min(self.n)
    }

    pub(super) fn count_over(&self, limit: f64) -> u64 {
        self.n - self.count_at_most(limit).min(self.n)
    }
}

/// Returns a value in the histogram's steps; saturates.
fn steps(value: f64) -> u64 {
    (value * STEPS).round() as u64
}

/// Records a value, and returns how many of its occurrences were beyond the end.
fn put(histogram: &mut Histogram<u32>, value: f64, times: u64) -> u64 {
    let steps = steps(value);
    // Cannot fail: it grows with its values, up to the end.
    let _ = histogram.record_n(steps.min(STEPS_MAX), u32::try_from(times).unwrap_or(u32::MAX));
    if steps > STEPS_MAX { times } else { 0 }
}
