//! Finds two levels between which a series jumps: the split of its values that leaves the least
//! squares within the two parts (Fisher 1958, for two groups in one dimension; Otsu 1979).

use super::robust::{mad, median};

/// Least share of the values on a level.
const SHARE_MIN: f64 = 0.15;

/// Two levels of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TwoLevels {
    /// Median of the values on the lower level.
    pub low: f64,
    /// Median of the values on the upper level.
    pub high: f64,
    /// Middle between the levels: a value above it is on the upper one.
    pub border: f64,
    /// Median absolute deviation of all values from their level.
    pub within: f64,
}

/// Returns the best split into two levels, of which each has at least 15 % of the values nearest to
/// it. Whether it is two levels is for the caller to decide. `None` for values that are too few, do
/// not differ, or are nearly all near one level.
pub(crate) fn two_levels(values: &[f64]) -> Option<TwoLevels> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (below, above) = sorted.split_at(split(&sorted)?);
    let (low, high) = (median(below)?, median(above)?);
    let border = f64::midpoint(low, high);
    let upper = sorted.iter().filter(|value| **value > border).count();
    if upper.min(sorted.len() - upper) < least(sorted.len()) {
        return None;
    }
    let level = |value: f64| if value <= border { low } else { high };
    let rest: Vec<f64> = values.iter().map(|value| value - level(*value)).collect();
    Some(TwoLevels { low, high, border, within: mad(&rest, 0.0)? })
}

/// Returns the least number of values on a level.
fn least(values: usize) -> usize {
    ((values as f64 * SHARE_MIN).ceil() as usize).max(1)
}

/// Returns the length of the lower part: the one with the largest squares between the parts, which
/// leaves the least within them.
fn split(sorted: &[f64]) -> Option<usize> {
    let n = sorted.len();
    let least = least(n);
    let total: f64 = sorted.iter().sum();
    let (mut sum, mut best) = (0.0, None);
    for (index, value) in sorted.iter().enumerate().take(n.checked_sub(least)?) {
        sum += value;
        let (below, above) = ((index + 1) as f64, (n - index - 1) as f64);
        if index + 1 < least || sorted[index + 1] <= *value {
            continue;
        }
        let between = below * above * (sum / below - (total - sum) / above).powi(2);
        if best.is_none_or(|(most, _)| between > most) {
            best = Some((between, index + 1));
        }
    }
    best.map(|(_, length)| length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_jumps_has_its_two_levels() {
        let values: Vec<f64> = (0..40).map(|n| if n / 5 % 2 == 0 { 63.0 } else { 94.0 }).collect();
        let found = two_levels(&values).unwrap();
        assert_eq!((found.low, found.high), (63.0, 94.0));
        assert_eq!((found.within, found.border), (0.0, 78.5));
    }

    #[test]
    fn a_few_outliers_are_no_level() {
        let mut values: Vec<f64> = (0..40).map(|n| f64::from(n % 4)).collect();
        values[7] = 1_000.0;
        let found = two_levels(&values).unwrap();
        assert!(found.high < 4.0, "{found:?}");
    }

    #[test]
    fn the_halves_of_a_straight_line_lie_within_six_deviations() {
        let found = two_levels(&(0..40).map(f64::from).collect::<Vec<_>>()).unwrap();
        assert!(found.high - found.low < 6.0 * found.within, "{found:?}");
    }

    #[test]
    fn values_that_do_not_differ_have_no_two_levels() {
        assert_eq!((two_levels(&[2.0; 30]), two_levels(&[])), (None, None));
    }
}
