//! Computes how often independent values of one distribution are as far apart in rank as two samples.
//!
//! Wilcoxon 1945; the distribution is counted exactly (Mann, Whitney 1947). Ties have mean ranks, and
//! the p-value is then approximate.

use super::robust::ranks;

/// Largest number of values that are counted: the time grows with its cube.
pub(crate) const VALUES_MAX: usize = 80;

/// Returns the two-sided p-value of the first `after` values against the others; `None` where one side
/// is empty, or there are more than [`VALUES_MAX`] values.
pub(crate) fn rank_sum_p(values: &[f64], after: usize) -> Option<f64> {
    let n = values.len();
    if after == 0 || after >= n || n > VALUES_MAX {
        return None;
    }
    let first: f64 = ranks(values).iter().take(after).sum();
    // The smaller sample, by the smaller of both rank sums: the distribution is symmetrical.
    let (k, sum) = if 2 * after <= n {
        (after, first)
    } else {
        let all = (n * (n + 1)) as f64 / 2.0;
        (n - after, all - first)
    };
    let least = sum.min((k * (n + 1)) as f64 - sum).floor() as usize;
    // Number of subsets of 1 to n with so many members and such a sum.
    let mut counts = vec![vec![0.0_f64; least + 1]; k + 1];
    counts[0][0] = 1.0;
    for rank in 1..=n {
        for members in (1..=k.min(rank)).rev() {
            for total in (rank..=least).rev() {
                counts[members][total] += counts[members - 1][total - rank];
            }
        }
    }
    let as_small: f64 = counts[k].iter().sum();
    let all: f64 = (1..=k).map(|i| (n - k + i) as f64 / i as f64).product();
    Some((2.0 * as_small / all).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::vectors::near;

    #[test]
    fn samples_that_do_not_overlap_are_one_of_all_choices() {
        let values: Vec<f64> = (0..12).map(f64::from).collect();
        // 2 of C(12, 4) = 495, whichever side is smaller or higher.
        near(rank_sum_p(&values, 4).unwrap(), 2.0 / 495.0, 1e-12);
        near(rank_sum_p(&values, 8).unwrap(), 2.0 / 495.0, 1e-12);
        let falling: Vec<f64> = values.iter().map(|value| -value).collect();
        near(rank_sum_p(&falling, 4).unwrap(), 2.0 / 495.0, 1e-12);
    }

    #[test]
    fn the_distribution_is_the_tabled_one() {
        // Of 4 and 6 values a rank sum of 13 or less has 7 of C(10, 4) = 210 choices: 10, 11, 12 twice,
        // 13 three times.
        let values = [1.0, 2.0, 4.0, 6.0, 3.0, 5.0, 7.0, 8.0, 9.0, 10.0];
        near(rank_sum_p(&values, 4).unwrap(), 14.0 / 210.0, 1e-12);
    }

    #[test]
    fn equal_values_are_never_apart_and_a_side_without_values_is_none() {
        near(rank_sum_p(&[3.0; 10], 4).unwrap(), 1.0, 1e-12);
        assert_eq!((rank_sum_p(&[1.0, 2.0], 0), rank_sum_p(&[1.0, 2.0], 2)), (None, None));
        assert_eq!(rank_sum_p(&vec![1.0; VALUES_MAX + 1], 4), None);
    }
}
