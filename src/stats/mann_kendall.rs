//! Tests whether a series rises or falls, by the signs of all differences. It may gate a decision
//! and never makes one alone: noise that depends on its neighbours looks like a trend to it
//! (Machida, Andrzejak, Matias, Vicente 2013).
//!
//! Mann 1945; Kendall 1975.

use statrs::distribution::{ContinuousCDF, Normal};

/// Largest number of values without ties for which the distribution is computed exactly.
const EXACT_MAX: usize = 10;

/// Result of the Mann–Kendall test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MannKendall {
    /// Number of values.
    pub n: usize,
    /// Number of pairs that rise, minus the number of pairs that fall.
    pub s: f64,
    /// Variance of `s` if the values were independent; equal values make it smaller.
    pub variance: f64,
    has_ties: bool,
    /// Number of parts.
    parts: usize,
}

/// Returns the test of values in the order of time.
pub(crate) fn mann_kendall(values: &[f64]) -> MannKendall {
    let sign = |from: f64, to: f64| f64::from(i8::from(to > from) - i8::from(to < from));
    let s = values
        .iter()
        .enumerate()
        .map(|(index, from)| values[index + 1..].iter().map(|to| sign(*from, *to)).sum::<f64>())
        .sum();
    let term = |n: usize| {
        let n = n as f64;
        n * (n - 1.0) * (2.0 * n + 5.0)
    };
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let ties: f64 = sorted.chunk_by(|one, other| one >= other).map(|tied| term(tied.len())).sum();
    let variance = (term(values.len()) - ties) / 18.0;
    MannKendall { n: values.len(), s, variance, has_ties: ties > 0.0, parts: 1 }
}

impl MannKendall {
    /// Returns the test of two parts of a series, without the pairs across them, as the seasonal
    /// test does it (Hirsch, Slack, Smith 1982). A step between the parts is then no trend.
    pub(crate) fn and(self, other: MannKendall) -> MannKendall {
        MannKendall {
            n: self.n + other.n,
            s: self.s + other.s,
            variance: self.variance + other.variance,
            parts: self.parts + other.parts,
            has_ties: self.has_ties || other.has_ties,
        }
    }

    /// Returns the standard score of `s`, with the correction for continuity. `inflation`
    /// multiplies the variance: 1 for independent values.
    pub(crate) fn z(&self, inflation: f64) -> f64 {
        let deviation = (self.variance * inflation).sqrt();
        if self.s == 0.0 || deviation == 0.0 {
            return 0.0;
        }
        (self.s - self.s.signum()) / deviation
    }

    /// Returns the one-sided p-value of a rise: exact for up to ten independent values without
    /// ties, otherwise by the normal distribution.
    pub(crate) fn p_rising(&self, inflation: f64) -> f64 {
        let is_plain = self.parts == 1 && !self.has_ties && inflation <= 1.0;
        if self.n <= EXACT_MAX && is_plain {
            return exact_tail(self.n, self.s);
        }
        Normal::standard().sf(self.z(inflation))
    }

    /// Returns the one-sided p-value of a fall.
    pub(crate) fn p_falling(&self, inflation: f64) -> f64 {
        MannKendall { s: -self.s, ..*self }.p_rising(inflation)
    }
}

/// Returns the share of the orders of `n` different values whose S is at least `s`. S is the number
/// of pairs minus twice the number of falling pairs; the number of orders with so many falling
/// pairs follows from those of one value less.
fn exact_tail(n: usize, s: f64) -> f64 {
    let mut orders = vec![1.0];
    for count in 2..=n {
        let mut next = vec![0.0; orders.len() + count - 1];
        for (falling, number) in orders.iter().enumerate() {
            next[falling..falling + count].iter_mut().for_each(|sum| *sum += number);
        }
        orders = next;
    }
    let pairs = (orders.len() - 1) as f64;
    let is_at_least = |falling: usize| pairs - 2.0 * falling as f64 >= s;
    let tail: f64 = (0..orders.len()).filter(|f| is_at_least(*f)).map(|f| orders[f]).sum();
    tail / orders.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::vectors::{MEMORY, TEN, TIES, WAVE, near};

    fn by_normal(test: &MannKendall) -> f64 {
        2.0 * Normal::standard().sf(test.z(1.0))
    }

    #[test]
    fn ten_values_are_tested_exactly() {
        let test = mann_kendall(&TEN);
        assert_eq!((test.s, test.variance), (37.0, 125.0));
        near(test.z(1.0), 3.219_938, 1e-6);
        near(by_normal(&test), 0.001_282_18, 1e-8);
        near(2.0 * test.p_rising(1.0), 0.000_357_69, 1e-8);
        near(test.s / 45.0, 0.822_222, 1e-6);
    }

    #[test]
    fn equal_values_make_the_variance_smaller_and_leave_the_normal_distribution() {
        let test = mann_kendall(&TIES);
        near(test.s, 24.0, 1e-12);
        near(test.variance, 60.666_667, 1e-6);
        near(test.z(1.0), 2.952_927, 1e-6);
        near(2.0 * test.p_rising(1.0), 0.003_147_76, 1e-8);
    }

    #[test]
    fn a_series_of_dependent_values_has_the_inflation_that_it_is_given() {
        let test = mann_kendall(&WAVE);
        assert_eq!((test.s, test.variance), (103.0, 1_595.0));
        near(test.z(1.0), 2.553_994, 1e-6);
        near(test.z(2.367_663), 1.659_816, 1e-6);
        near(test.z(2.850_650), 1.512_688, 1e-5);
        near(test.p_rising(2.850_650), 0.0652, 1e-4);
    }

    #[test]
    fn memory_that_rises_is_significant() {
        let test = mann_kendall(&MEMORY);
        near(test.s, 66.0, 1e-12);
        near(test.variance, 212.666_667, 1e-6);
        near(test.z(1.0), 4.457_216, 1e-6);
    }

    #[test]
    fn a_fall_is_a_rise_of_the_mirrored_series() {
        let mirrored: Vec<f64> = WAVE.iter().map(|value| -value).collect();
        let (test, mirror) = (mann_kendall(&WAVE), mann_kendall(&mirrored));
        near(test.p_rising(2.0), mirror.p_falling(2.0), 1e-12);
        near(test.p_falling(2.0), mirror.p_rising(2.0), 1e-12);
        assert!(test.p_falling(1.0) > 0.99);
    }

    #[test]
    fn two_parts_are_tested_without_the_step_between_them() {
        let test = mann_kendall(&TEN[..5]).and(mann_kendall(&TEN[5..]));
        assert_eq!(test.n, 10);
        near(test.s, 6.0 + 6.0, 1e-12);
        near(test.variance, 2.0 * 5.0 * 4.0 * 15.0 / 18.0, 1e-12);
        near(test.p_rising(1.0), Normal::standard().sf(test.z(1.0)), 1e-12);
    }

    #[test]
    fn a_constant_series_neither_rises_nor_falls() {
        let test = mann_kendall(&[5.0; 30]);
        assert_eq!((test.s, test.variance, test.z(1.0)), (0.0, 0.0, 0.0));
        near(test.p_rising(1.0), 0.5, 1e-12);
        near(mann_kendall(&[]).p_rising(1.0), 1.0, 1e-12);
    }
}
