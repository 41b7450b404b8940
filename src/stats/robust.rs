//! Computes statistics that a few outliers cannot change: the median, the median absolute
//! deviation, and ranks.

/// Returns the median: the mean of the two middle values if their number is even. `None` without
/// values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    median_in_place(&mut values.to_vec())
}

/// Returns the median of values whose order does not matter afterwards.
pub(crate) fn median_in_place(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    if values.is_empty() {
        return None;
    }
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().max_by(f64::total_cmp).filter(|_| is_even);
    Some(f64::midpoint(lower.unwrap_or(*upper), *upper))
}

/// Returns the median absolute deviation from `centre`, not scaled to a standard deviation. `None`
/// without values.
pub(crate) fn mad(values: &[f64], centre: f64) -> Option<f64> {
    median_in_place(&mut values.iter().map(|value| (value - centre).abs()).collect::<Vec<_>>())
}

/// Returns the rank of each value, from 1; equal values have the mean of their ranks.
pub(crate) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|one, other| values[*one].total_cmp(&values[*other]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for tied in order.chunk_by(|one, other| values[*one] >= values[*other]) {
        let mean = first as f64 + f64::midpoint(1.0, tied.len() as f64);
        for index in tied {
            ranks[*index] = mean;
        }
        first += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[9.0, 1.0, 3.0]), Some(3.0));
        assert_eq!((median(&[7.0]), median(&[])), (Some(7.0), None));
    }

    #[test]
    fn one_outlier_leaves_the_deviation_as_it_is() {
        assert_eq!(mad(&[1.0, 2.0, 3.0, 4.0, 1e9], 3.0), Some(1.0));
        assert_eq!(mad(&[], 0.0), None);
    }

    #[test]
    fn equal_values_share_the_mean_of_their_ranks() {
        assert_eq!(ranks(&[30.0, 10.0, 30.0, 20.0]), [3.5, 1.0, 3.5, 2.0]);
        assert!(ranks(&[]).is_empty());
    }
}
