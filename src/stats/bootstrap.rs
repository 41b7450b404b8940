//! Estimates how a median varies within one series: the moving-block bootstrap, which keeps the
//! dependence of neighbouring values. It says nothing of how another series would differ.
//!
//! Künsch 1989.

use crate::rng::Rng;

use super::{Dist, Estimate, block_length};

/// Number of resamples.
pub(crate) const RESAMPLES: usize = 2_000;

/// Returns the medians of [`RESAMPLES`] resamples of a distribution, in no order. A resample joins
/// blocks of neighbouring values, each block from a random place, until it has as many values.
/// For more values than are kept in order, and for values known only by a bound, the rank of the
/// median varies as among n / block length independent values. Empty without values.
pub(crate) fn medians(dist: &Dist, rng: &mut Rng) -> Vec<f64> {
    match dist.in_order() {
        Some([]) => Vec::new(),
        Some(values) => (0..RESAMPLES).map(|_| median_of_resample(values, rng)).collect(),
        None => (0..RESAMPLES).filter_map(|_| median_by_rank(dist, rng)).collect(),
    }
}

fn median_of_resample(values: &[f64], rng: &mut Rng) -> f64 {
    let length = block_length(values.len());
    let places = (values.len() - length + 1) as u64;
    let mut resample = Vec::with_capacity(values.len() + length);
    while resample.len() < values.len() {
        let first = rng.below(places) as usize;
        resample.extend_from_slice(&values[first..first + length]);
    }
    resample.truncate(values.len());
    let middle = resample.len().div_ceil(2) - 1;
    *resample.select_nth_unstable_by(middle, f64::total_cmp).1
}

fn median_by_rank(dist: &Dist, rng: &mut Rng) -> Option<f64> {
    let independent = dist.n() as f64 / block_length(dist.n() as usize) as f64;
    let share = 0.5 + rng.normal() * 0.5 / independent.sqrt();
    dist.percentile(share.clamp(0.0, 1.0)).map(Estimate::number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dist(values: impl IntoIterator<Item = f64>) -> Dist {
        let mut dist = Dist::new();
        values.into_iter().for_each(|value| dist.record(value));
        dist
    }

    fn sorted(dist: &Dist) -> Vec<f64> {
        let mut medians = medians(dist, &mut Rng::at(1, &[]));
        medians.sort_by(f64::total_cmp);
        medians
    }

    /// Returns the width of the middle 95 % of the medians.
    fn width(dist: &Dist) -> f64 {
        let medians = sorted(dist);
        medians[RESAMPLES * 39 / 40] - medians[RESAMPLES / 40]
    }

    #[test]
    fn a_block_has_the_cube_root_of_the_number_of_values() {
        let lengths = [0, 1, 2, 8, 9, 27, 349, 1_000].map(block_length);
        assert_eq!(lengths, [1, 1, 2, 2, 3, 3, 8, 10]);
    }

    #[test]
    fn a_resample_is_made_of_values_that_occurred_and_of_nothing_else() {
        let medians = sorted(&dist([3.0, 1.0, 2.0]));
        assert_eq!(medians.len(), RESAMPLES);
        assert!(medians.iter().all(|median| [1.0, 2.0, 3.0].contains(median)));
        assert_eq!(sorted(&dist([5.0])), vec![5.0; RESAMPLES]);
        assert!(sorted(&Dist::new()).is_empty());
    }

    #[test]
    fn independent_values_give_the_standard_error_of_a_median() {
        let mut rng = Rng::at(7, &[]);
        let normal = dist((0..400).map(|_| 100.0 + rng.normal()));
        // 2 × 1.96 × sqrt(π / 2) / sqrt(400).
        let expected = 0.2457;
        assert!((width(&normal) / expected - 1.0).abs() < 0.35, "{}", width(&normal));
    }

    #[test]
    fn values_that_depend_on_their_neighbours_vary_more_than_shuffled_ones() {
        let mut rng = Rng::at(7, &[]);
        let mut level = 0.0;
        let series: Vec<f64> = (0..400)
            .map(|_| {
                level = 0.9 * level + rng.normal();
                100.0 + level
            })
            .collect();
        let mut shuffled = series.clone();
        shuffled.sort_by_key(|value| value.to_bits().wrapping_mul(0x9E37_79B9_7F4A_7C15));
        assert!(width(&dist(series)) > 1.5 * width(&dist(shuffled)));
    }

    #[test]
    fn more_values_than_are_kept_in_order_vary_by_the_rank_of_their_median() {
        let many = dist((0..8_000).map(|n| f64::from(n) / 1e3));
        assert!(many.in_order().is_none());
        // 400 independent values of 20 each: 2 × 1.96 × 0.5 / 20 of the range.
        assert!((width(&many) / 0.784 - 1.0).abs() < 0.1, "{}", width(&many));
    }
}
