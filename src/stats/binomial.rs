//! Computes the confidence interval of a share: the exact interval of Clopper
//! and Pearson 1934.

use statrs::distribution::{Beta, ContinuousCDF};

/// Returns the two-sided interval of the share behind `seen` of `of`, as fractions; 0 to 1 if `of`
/// is 0.
pub(crate) fn clopper_pearson(seen: u64, of: u64, confidence: f64) -> (f64, f64) {
    let tail = (1.0 - confidence) / 2.0;
    let (hits, misses) = (seen.min(of) as f64, of.saturating_sub(seen) as f64);
    let at = |one: f64, other: f64, p: f64| Beta::new(one, other).ok().map(|it| it.inverse_cdf(p));
    let low = at(hits, misses + 1.0, tail).filter(|_| seen > 0);
    let high = at(hits + 1.0, misses, 1.0 - tail).filter(|_| seen < of);
    (low.unwrap_or(0.0), high.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_share_is_the_tables() {
        for (seen, of, low, high) in [
            (0, 10, 0.0, 0.308_50),
            (10, 10, 0.691_50, 1.0),
            (3, 20, 0.032_07, 0.378_93),
            (0, 1000, 0.0, 0.003_68),
        ] {
            let found = clopper_pearson(seen, of, 0.95);
            assert!((found.0 - low).abs() < 1e-5, "{seen} of {of}: {found:?}");
            assert!((found.1 - high).abs() < 1e-5, "{seen} of {of}: {found:?}");
        }
        assert_eq!(clopper_pearson(0, 0, 0.95), (0.0, 1.0));
    }
}
