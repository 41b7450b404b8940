//! Estimates by how much one small sample lies above another: the
//! Hodges–Lehmann shift, its interval, and the exact two-sided Mann–Whitney
//! test that belongs to both. Assumes no distribution; on logarithms a shift is
//! a ratio.
//!
//! Hodges & Lehmann 1963; Mann & Whitney 1947. With ties the test is
//! conservative.

/// Largest size of a sample; beyond it the exact counts are expensive.
pub(crate) const SIDE_MAX: usize = 64;

/// Confidence interval of a shift.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub low: f64,
    pub high: f64,
    /// Actual confidence, at least the requested one: ranks are whole numbers.
    pub confidence: f64,
}

/// Returns the median of all differences `other − one`; `None` if a sample is empty.
pub(crate) fn hodges_lehmann(one: &[f64], other: &[f64]) -> Option<f64> {
    median(&differences(one, other))
}

/// Returns the interval of the shift from `one` to `other`: the `qu`-th difference from below and
/// from above, `qu` the smallest u with P(U ≤ u) ≥ (1 − confidence) / 2. `None` if the samples are
/// too small for an interval of that confidence, are empty, or hold more than [`SIDE_MAX`] values.
pub(crate) fn interval(one: &[f64], other: &[f64], confidence: f64) -> Option<Interval> {
    let cumulated = cumulated(one.len(), other.len())?;
    let tail = (1.0 - confidence) / 2.0;
    // Tolerance for rounding: 1 / C(6, 3) is slightly off 0.05 in binary.
    let rank = cumulated.iter().position(|p| *p >= tail - 1e-12)?.max(1);
    let reached = 1.0 - 2.0 * cumulated.get(rank - 1)?;
    if reached < confidence - 1e-12 {
        return None;
    }
    let differences = differences(one, other);
    let low = *differences.get(rank - 1)?;
    let high = *differences.get(differences.len() - rank)?;
    Some(Interval { low, high, confidence: reached })
}

/// Returns the exact two-sided p-value of the null hypothesis that `other` is `one` shifted by
/// `shift`. `None` if a sample is empty or holds more than [`SIDE_MAX`] values.
pub(crate) fn p_value(one: &[f64], other: &[f64], shift: f64) -> Option<f64> {
    let cumulated = cumulated(one.len(), other.len())?;
    let (mut above, mut ties) = (0usize, 0usize);
    for difference in differences(one, other) {
        // A difference within rounding of the shift is a tie.
        let over = difference - shift;
        if over.abs() <= 1e-12 * shift.abs().max(1.0) {
            ties += 1;
        } else if over > 0.0 {
            above += 1;
        }
    }
    let below = one.len() * other.len() - above - ties;
    // Every tie counts for the side that makes the difference look smaller.
    let u = above.min(below) + ties;
    Some((2.0 * cumulated.get(u).copied().unwrap_or(1.0)).min(1.0))
}

/// Returns all differences `other − one`, sorted.
fn differences(one: &[f64], other: &[f64]) -> Vec<f64> {
    // Two values that are above all others do not differ as far as anybody knows.
    let difference = |one: f64, other: f64| {
        if one.is_infinite() && other.is_infinite() { 0.0 } else { other - one }
    };
    let mut all: Vec<f64> = one
        .iter()
        .flat_map(|one| other.iter().map(move |other| difference(*one, *other)))
        .collect();
    all.sort_by(f64::total_cmp);
    all
}

/// Returns the median of sorted values: the mean of the two middle ones if their number is even.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = if sorted.len().is_multiple_of(2) { sorted[sorted.len() / 2 - 1] } else { upper };
    let middle = f64::midpoint(lower, upper);
    // Half of the differences is without end on either side.
    Some(if middle.is_nan() { 0.0 } else { middle })
}

/// Returns P(U ≤ u) for u = 0, 1, …, of samples of these sizes without ties, by the recurrence of
/// Mann and Whitney. Computed in floats: 53 bits are enough for a probability.
fn cumulated(one: usize, other: usize) -> Option<Vec<f64>> {
    if one == 0 || other == 0 || one > SIDE_MAX || other > SIDE_MAX {
        return None;
    }
    let top = one * other;
    // Probabilities instead of counts, which would overflow: the largest value is from `other`
    // with probability j / (i + j), and then lies above all i values of `one`.
    let mut shares = vec![vec![0.0; top + 1]; other + 1];
    for row in &mut shares {
        row[0] = 1.0;
    }
    for i in 1..=one {
        let before = shares.clone();
        let mut first = vec![0.0; top + 1];
        first[0] = 1.0;
        shares[0] = first;
        for j in 1..=other {
            let chance = j as f64 / (i + j) as f64;
            let row: Vec<f64> = (0..=top)
                .map(|u| {
                    let with = if u >= i { shares[j - 1][u - i] } else { 0.0 };
                    chance * with + (1.0 - chance) * before[j][u]
                })
                .collect();
            shares[j] = row;
        }
    }
    let mut sum = 0.0;
    Some(
        shares[other]
            .iter()
            .map(|share| {
                sum += share;
                sum
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 6] = [812.0, 805.0, 820.0, 798.0, 815.0, 809.0];
    const B: [f64; 6] = [842.0, 851.0, 838.0, 860.0, 845.0, 829.0];
    const C: [f64; 6] = [814.0, 806.0, 823.0, 799.0, 811.0, 817.0];

    fn logs(values: &[f64]) -> Vec<f64> {
        values.iter().map(|value| value.ln()).collect()
    }

    fn ratio(one: &[f64], other: &[f64], confidence: f64) -> (f64, f64) {
        let interval = interval(&logs(one), &logs(other), confidence).unwrap();
        (interval.low.exp(), interval.high.exp())
    }

    fn near(seen: f64, wanted: f64, within: f64) {
        assert!((seen - wanted).abs() < within, "{seen}, wanted {wanted}");
    }

    /// Returns the p-value of samples of these sizes that do not overlap: the smallest possible
    /// one.
    fn p_apart(n: usize) -> f64 {
        let one: Vec<f64> = (0..n).map(|value| value as f64).collect();
        let other: Vec<f64> = one.iter().map(|value| value + 1_000.0).collect();
        p_value(&one, &other, 0.0).unwrap()
    }

    #[test]
    fn a_clear_shift_has_the_least_p_that_six_a_side_can_give() {
        near(p_value(&A, &B, 0.0).unwrap(), 0.002_164_5, 1e-7);
        near(p_apart(6), 0.002_164_5, 1e-7);
        near(hodges_lehmann(&A, &B).unwrap(), 33.0, 1e-9);
        let wide = interval(&A, &B, 0.95).unwrap();
        assert_eq!((wide.low, wide.high), (22.0, 47.0));
        near(wide.confidence, 0.958_874, 1e-6);
        let narrow = interval(&A, &B, 0.90).unwrap();
        assert_eq!((narrow.low, narrow.high), (24.0, 45.0));
        near(narrow.confidence, 0.906_926, 1e-6);
    }

    #[test]
    fn on_logarithms_the_shift_is_a_ratio() {
        near(hodges_lehmann(&logs(&A), &logs(&B)).unwrap().exp(), 1.040_89, 1e-5);
        let (low, high) = ratio(&A, &B, 0.95);
        near(low, 1.026_83, 1e-5);
        near(high, 1.058_90, 1e-5);
        let (low, high) = ratio(&A, &B, 0.90);
        near(low, 1.029_81, 1e-5);
        near(high, 1.055_21, 1e-5);
    }

    #[test]
    fn two_sides_of_one_kind_do_not_differ() {
        near(p_value(&A, &C, 0.0).unwrap(), 0.699_134, 1e-6);
        let wide = interval(&A, &C, 0.95).unwrap();
        assert_eq!((wide.low, wide.high), (-9.0, 13.0));
        let (low, high) = ratio(&A, &C, 0.90);
        near(low, 0.992_55, 1e-5);
        near(high, 1.013_55, 1e-5);
    }

    #[test]
    fn sides_of_different_size_have_the_interval_of_the_r_documentation() {
        let x = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let y = [1.15, 0.88, 0.90, 0.74, 1.21];
        near(hodges_lehmann(&y, &x).unwrap(), 0.305, 1e-9);
        let interval = interval(&y, &x, 0.95).unwrap();
        near(interval.low, -0.15, 1e-9);
        near(interval.high, 0.76, 1e-9);
        near(interval.confidence, 0.960_04, 1e-5);
        near(p_value(&y, &x, 0.0).unwrap(), 2.0 * 0.127_206_1, 1e-6);
    }

    #[test]
    fn three_a_side_cannot_reach_95_percent() {
        assert_eq!(interval(&A[..3], &B[..3], 0.95), None);
        assert!(interval(&A[..4], &B[..4], 0.95).is_some());
        for (n, p) in [(3, 0.1), (4, 0.028_57), (5, 0.007_937), (7, 0.000_583), (8, 0.000_155)] {
            near(p_apart(n), p, 1e-5);
        }
    }

    #[test]
    fn ties_never_make_a_difference_surer() {
        let same = [1.0; 6];
        assert_eq!(p_value(&same, &same, 0.0), Some(1.0));
        let (one, other) = ([1.0, 2.0, 3.0, 4.0], [4.0, 5.0, 6.0, 7.0]);
        assert!(p_value(&one, &other, 0.0).unwrap() > p_apart(4));
    }

    #[test]
    fn nothing_is_said_of_nothing_or_of_too_much() {
        assert_eq!(p_value(&[], &A, 0.0), None);
        assert_eq!(hodges_lehmann(&A, &[]), None);
        assert_eq!(interval(&vec![1.0; SIDE_MAX + 1], &A, 0.95), None);
        assert!(p_apart(SIDE_MAX) >= 0.0);
    }
}
