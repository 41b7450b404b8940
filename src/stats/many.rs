//! Adjusts p-values for the number of tests.

/// Returns Holm's adjusted p-values, in the order given: the probability of any false positive
/// among all tests stays below the level (Holm 1979).
pub(crate) fn holm(p_values: &[f64]) -> Vec<f64> {
    let order = rising(p_values);
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (rank, index) in order.iter().enumerate() {
        let weight = (p_values.len() - rank) as f64;
        least = least.max((p_values[*index] * weight).min(1.0));
        adjusted[*index] = least;
    }
    adjusted
}

/// Returns Benjamini–Hochberg's adjusted p-values, in the order given: the expected share of false
/// positives among the reported differences stays below the level (Benjamini & Hochberg 1995).
pub(crate) fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let order = rising(p_values);
    let mut adjusted = vec![0.0; p_values.len()];
    let mut most: f64 = 1.0;
    for (rank, index) in order.iter().enumerate().rev() {
        let weight = p_values.len() as f64 / (rank + 1) as f64;
        most = most.min(p_values[*index] * weight);
        adjusted[*index] = most;
    }
    adjusted
}

/// Returns the indices of the values, from the smallest to the largest.
fn rising(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|one, other| p_values[*one].total_cmp(&p_values[*other]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(seen: &[f64], wanted: &[f64]) {
        let is_near = |(seen, wanted): (&f64, &f64)| (seen - wanted).abs() < 1e-9;
        assert!(seen.len() == wanted.len() && seen.iter().zip(wanted).all(is_near), "{seen:?}");
    }

    #[test]
    fn holm_weighs_the_least_by_all_and_never_falls() {
        near(&holm(&[0.01, 0.04, 0.03, 0.005]), &[0.03, 0.06, 0.06, 0.02]);
        near(&holm(&[0.6, 0.9]), &[1.0, 1.0]);
    }

    #[test]
    fn benjamini_and_hochberg_weigh_by_rank() {
        near(&benjamini_hochberg(&[0.01, 0.04, 0.03, 0.005]), &[0.02, 0.04, 0.04, 0.02]);
    }

    #[test]
    fn six_tests_are_adjusted_as_in_the_table() {
        let p_values = [0.001, 0.008, 0.012, 0.03, 0.04, 0.2];
        near(&holm(&p_values), &[0.006, 0.04, 0.048, 0.09, 0.09, 0.2]);
        near(&benjamini_hochberg(&p_values), &[0.006, 0.024, 0.024, 0.045, 0.048, 0.2]);
    }

    #[test]
    fn one_test_alone_keeps_its_value_and_none_gives_none() {
        near(&holm(&[0.04]), &[0.04]);
        near(&benjamini_hochberg(&[0.04]), &[0.04]);
        assert!(holm(&[]).is_empty() && benjamini_hochberg(&[]).is_empty());
    }

    #[test]
    fn six_starts_a_side_cannot_carry_thirty_two_cells() {
        let mut p_values = vec![0.002_165];
        p_values.resize(32, 1.0);
        assert!(holm(&p_values)[0] > 0.05);
        p_values.truncate(4);
        assert!(holm(&p_values)[0] < 0.05);
    }
}
