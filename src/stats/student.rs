//! Computes Student's t, for a standard deviation that is estimated from a few
//! values.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Returns the bound of |t| at this confidence and number of degrees of freedom. `None` without a
/// degree of freedom, or for a confidence that is not between 0 and 1.
pub(crate) fn two_sided(confidence: f64, freedom: u64) -> Option<f64> {
    let t = distribution(freedom)?;
    (0.0 < confidence && confidence < 1.0).then(|| t.inverse_cdf(f64::midpoint(1.0, confidence)))
}

/// Returns the two-sided p-value of a t.
pub(crate) fn p_value(t: f64, freedom: u64) -> Option<f64> {
    let of = distribution(freedom)?;
    t.is_finite().then(|| (2.0 * of.sf(t.abs())).min(1.0))
}

fn distribution(freedom: u64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, freedom as f64).ok().filter(|_| freedom > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_half_widths_of_few_values_are_the_tables() {
        // In standard deviations of one value: t(n − 1) / √n.
        for (n, half) in [(3u64, 2.484), (5, 1.242), (7, 0.925), (10, 0.715)] {
            let seen = two_sided(0.95, n - 1).unwrap() / (n as f64).sqrt();
            assert!((seen - half).abs() < 1e-3, "{seen} for {n}");
        }
    }

    #[test]
    fn a_p_value_is_the_other_way_round() {
        let t = two_sided(0.95, 5).unwrap();
        assert!((p_value(t, 5).unwrap() - 0.05).abs() < 1e-6);
        assert!((p_value(-t, 5).unwrap() - 0.05).abs() < 1e-6);
        assert_eq!((two_sided(0.95, 0), p_value(1.0, 0), two_sided(1.0, 3)), (None, None, None));
    }
}
