//! Computes the confidence interval of a share: the exact interval of Clopper
//! and Pearson 1934. Assumes that trials are independent of each other.

use statrs::distribution::{Beta, ContinuousCDF};

/// Number of trials beyond which [`trials_to_show`] does not search.
const TRIALS_MAX: u64 = 1 << 40;

/// Returns the two-sided interval of the share behind `seen` of `of`, as fractions; 0 to 1 if `of`
/// is 0.
pub(crate) fn clopper_pearson(seen: u64, of: u64, confidence: f64) -> (f64, f64) {
    let tail = (1.0 - confidence) / 2.0;
    let (hits, misses) = (seen.min(of) as f64, of.saturating_sub(seen) as f64);
    let low = quantile(hits, misses + 1.0, tail).filter(|_| seen > 0);
    (low.unwrap_or(0.0), at_most(seen, of, 1.0 - tail))
}

/// Returns the interval of the share behind `seen` of `of`, as [`clopper_pearson`] has it; where
/// none was seen, from 0 to the one-sided upper bound.
pub(crate) fn share_between(seen: u64, of: u64, confidence: f64) -> (f64, f64) {
    if seen == 0 {
        (0.0, at_most(0, of, confidence))
    } else {
        clopper_pearson(seen, of, confidence)
    }
}

/// Returns the one-sided upper bound of the share behind `seen` of `of`; 1 if all were. For none of
/// `n` it is `1 − (1 − confidence)^(1/n)`.
pub(crate) fn at_most(seen: u64, of: u64, confidence: f64) -> f64 {
    let (hits, misses) = (seen.min(of) as f64, of.saturating_sub(seen) as f64);
    quantile(hits + 1.0, misses, confidence).filter(|_| seen < of).unwrap_or(1.0)
}

/// Returns the number of trials of which `seen` events, and no more, show a share of at most
/// `share`, a fraction between 0 and 1.
pub(crate) fn trials_to_show(seen: u64, share: f64, confidence: f64) -> u64 {
    let shows = |trials: u64| share_between(seen, trials, confidence).1 <= share;
    let mut most = seen.max(1);
    while !shows(most) && most < TRIALS_MAX {
        most *= 2;
    }
    let mut least = most / 2;
    while least + 1 < most {
        let middle = least.midpoint(most);
        if shows(middle) { most = middle } else { least = middle }
    }
    most
}

/// Returns the quantile of the beta distribution; `None` without a trial on one side.
fn quantile(one: f64, other: f64, p: f64) -> Option<f64> {
    Beta::new(one, other).ok().map(|dist| dist.inverse_cdf(p))
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

    #[test]
    fn one_failure_of_104_bounds_the_share_as_the_table_has_it() {
        // Confidence, upper bound where none of 104 was seen.
        for (confidence, bound) in [(0.90, 0.021_897), (0.95, 0.028_394), (0.99, 0.043_314)] {
            let found = at_most(0, 104, confidence);
            assert!((found - bound).abs() < 1e-6, "{confidence}: {found}");
            assert!((found - share_between(0, 104, confidence).1).abs() < 1e-12);
        }
        for (seen, bound) in [(1, 0.044_801), (2, 0.059_298), (3, 0.072_866)] {
            let found = at_most(seen, 104, 0.95);
            assert!((found - bound).abs() < 1e-6, "{seen}: {found}");
        }
        let (low, high) = share_between(1, 104, 0.95);
        assert!((low - 0.000_243).abs() < 1e-6 && (high - 0.052_411).abs() < 1e-6, "{low} {high}");
    }

    #[test]
    fn more_requests_bound_the_share_closer() {
        for (requests, bound) in [(702, 0.004_258), (936, 0.003_195)] {
            let found = at_most(0, requests, 0.95);
            assert!((found - bound).abs() < 1e-6, "{requests}: {found}");
        }
        assert!((at_most(0, 0, 0.95) - 1.0).abs() < 1e-12, "nothing was tried");
        assert!((at_most(5, 5, 0.95) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_small_share_needs_many_trials_without_one() {
        for (share, trials) in [
            (0.10, 29),
            (0.05, 59),
            (0.03, 99),
            (0.02, 149),
            (0.01, 299),
            (0.005, 598),
            (0.001, 2995),
        ] {
            assert_eq!(trials_to_show(0, share, 0.95), trials, "{share}");
        }
        assert!(trials_to_show(1, 0.01, 0.95) > 473, "two-sided, where one was seen");
    }

    #[test]
    fn each_failure_that_is_allowed_takes_more_trials() {
        for (seen, trials) in [(0, 299), (1, 473), (2, 628), (3, 773)] {
            assert!(at_most(seen, trials, 0.95) <= 0.01, "{seen} of {trials}");
            assert!(at_most(seen, trials - 1, 0.95) > 0.01, "{seen} of one fewer");
        }
    }
}
