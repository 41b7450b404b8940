//! Estimates the slope of a series as the median of the slopes of all pairs, which a quarter of
//! wrong values cannot change.
//!
//! Theil 1950; Sen 1968; the ranks of the bounds are Gilbert's (1987).

use super::robust::median_in_place;

/// Slope and its bounds. A bound is infinite where the values are too few for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slope {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// Slopes of all pairs of a series.
#[derive(Clone, Debug)]
pub(crate) struct PairSlopes {
    slopes: Vec<f64>,
    value: f64,
}

impl Slope {
    /// Returns the slope of the mirrored series.
    pub(crate) fn mirrored(self) -> Slope {
        Slope { value: -self.value, low: -self.high, high: -self.low }
    }
}

impl PairSlopes {
    /// Computes the slopes of all pairs within each part, times and values, of a series in order of
    /// time. `None`
    /// without two values at different times.
    pub(crate) fn within<'a>(
        parts: impl Iterator<Item = (&'a [f64], &'a [f64])>,
    ) -> Option<PairSlopes> {
        let mut slopes = Vec::new();
        for (times, values) in parts {
            slopes.reserve_exact(times.len() * times.len().saturating_sub(1) / 2);
            for (index, (from, first)) in times.iter().zip(values).enumerate() {
                let later = times.iter().zip(values).skip(index + 1).filter(|(to, _)| *to > from);
                slopes.extend(later.map(|(to, second)| (second - first) / (to - from)));
            }
        }
        let value = median_in_place(&mut slopes)?;
        Some(PairSlopes { slopes, value })
    }

    /// Returns the median of the slopes.
    pub(crate) fn value(&self) -> f64 {
        self.value
    }

    /// Returns the slope with its bounds. `variance` is that of the Mann–Kendall test, corrected
    /// for dependence; `z` is the normal quantile of a bound's confidence.
    pub(crate) fn slope(mut self, variance: f64, z: f64) -> Slope {
        let (n, half) = (self.slopes.len() as f64, z * variance.sqrt());
        let low = self.number(((n - half) / 2.0).round());
        let high = self.number(f64::midpoint(n, half).round() + 1.0);
        Slope {
            value: self.value,
            low: low.unwrap_or(f64::NEG_INFINITY),
            high: high.unwrap_or(f64::INFINITY),
        }
    }

    /// Returns the slope with this number, from 1, in rising order.
    fn number(&mut self, number: f64) -> Option<f64> {
        let exists = (1.0..=self.slopes.len() as f64).contains(&number);
        let index = exists.then_some(number as usize)?.checked_sub(1)?;
        Some(*self.slopes.select_nth_unstable_by(index, f64::total_cmp).1)
    }
}

/// Returns the slope of a series with its bounds, as [`PairSlopes::slope`] does.
#[cfg(test)]
pub(crate) fn theil_sen(times: &[f64], values: &[f64], variance: f64, z: f64) -> Option<Slope> {
    Some(PairSlopes::within([(times, values)].into_iter())?.slope(variance, z))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::robust::median;
    use crate::stats::vectors::{MEMORY, TEN, TIES, WAVE, WAVE_SLOPE, hours, near};

    /// Quantile of the normal distribution for a two-sided interval at 95 %.
    const Z: f64 = 1.959_964;

    fn value(times: &[f64], values: &[f64]) -> f64 {
        theil_sen(times, values, 0.0, Z).unwrap().value
    }

    #[test]
    fn the_bounds_of_ten_values_are_two_of_their_slopes() {
        let times = hours(10, 1.0);
        let slope = theil_sen(&times, &TEN, 125.0, Z).unwrap();
        near(slope.value, 0.15, 1e-9);
        near(slope.low, 0.10, 1e-9);
        near(slope.high, 0.166_666_7, 1e-7);
        let intercept = median(&TEN).unwrap() - slope.value * median(&times).unwrap();
        near(intercept, 5.025, 1e-9);
    }

    #[test]
    fn memory_grows_by_a_seventh_of_a_gibibyte_an_hour() {
        let slope = theil_sen(&hours(12, 0.5), &MEMORY, 212.666_667, Z).unwrap();
        near(slope.value, 0.142_857, 1e-6);
        near(slope.low, 0.135, 1e-9);
        near(slope.high, 0.153_333, 1e-6);
    }

    #[test]
    fn the_slopes_of_the_other_series_are_the_tables() {
        near(value(&hours(TIES.len(), 1.0), &TIES), 0.5, 1e-9);
        near(value(&hours(WAVE.len(), 1.0), &WAVE), WAVE_SLOPE, 1e-9);
    }

    #[test]
    fn a_quarter_of_wrong_values_does_not_change_the_slope_much() {
        let times = hours(40, 1.0);
        let mut values = times.clone();
        (0..40).step_by(4).for_each(|index| values[index] = -1e6);
        near(value(&times, &values), 1.0, 0.01);
    }

    #[test]
    fn pairs_across_two_parts_do_not_count() {
        let (times, values) = (hours(6, 1.0), [1.0, 2.0, 3.0, 104.0, 105.0, 106.0]);
        let parts = [(&times[..3], &values[..3]), (&times[3..], &values[3..])];
        near(PairSlopes::within(parts.into_iter()).unwrap().value(), 1.0, 1e-12);
        assert!(value(&times, &values) > 10.0);
    }

    #[test]
    fn few_values_have_no_bound_and_one_has_no_slope() {
        let slope = theil_sen(&hours(3, 1.0), &[1.0, 2.0, 4.0], 11.0 / 3.0, Z).unwrap();
        assert_eq!((slope.low, slope.high), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(theil_sen(&[1.0], &[1.0], 0.0, Z).is_none());
        assert!(theil_sen(&[1.0, 1.0], &[1.0, 2.0], 1.0, Z).is_none());
    }

    #[test]
    fn a_mirrored_slope_has_its_bounds_exchanged() {
        let slope = Slope { value: 2.0, low: 1.0, high: 4.0 };
        assert_eq!(slope.mirrored(), Slope { value: -2.0, low: -4.0, high: -1.0 });
    }
}
