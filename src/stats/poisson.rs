//! Estimates the mean time between events from their number in a given time.
//! Assumes a constant rate and independence, which a memory leak violates.

use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Returns the interval of the mean time between events after `seen` of them in `time`, in the
/// unit of `time`. With `a` for 1 − confidence and `k` for `seen` it is two-sided, `2T / χ²(1 −
/// a/2; 2k + 2)` to `2T / χ²(a/2; 2k)` (Garwood 1936; 2k + 2 degrees of freedom since the
/// observation ends by time and not with an event: NIST handbook 8.4.5.1). Without an event there
/// is only a lower bound, one-sided: `2T / χ²(1 − a; 2)`, which is `T / −ln a`.
pub(crate) fn mean_time_between(seen: u64, time: f64, confidence: f64) -> (f64, Option<f64>) {
    let doubt = 1.0 - confidence;
    if seen == 0 {
        return (time / -doubt.ln(), None);
    }
    let low = 2.0 * time / chi_square(1.0 - doubt / 2.0, 2 * seen + 2);
    let high = 2.0 * time / chi_square(doubt / 2.0, 2 * seen);
    (low, Some(high))
}

/// Returns the time without an event after which the lower bound of the mean time between events
/// is `mean`, in the unit of `mean`: `−ln(1 − confidence)` times `mean`.
pub(crate) fn time_to_show(mean: f64, confidence: f64) -> f64 {
    mean * -(1.0 - confidence).ln()
}

/// Returns the quantile of the chi-square distribution; `freedom` is its degrees of freedom, from
/// 1.
fn chi_square(share: f64, freedom: u64) -> f64 {
    ChiSquared::new(freedom as f64).map_or(f64::NAN, |dist| dist.inverse_cdf(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_in_the_records_hours_proves_less_than_two() {
        for (confidence, bound) in [(0.90, 2.526_146), (0.95, 1.941_651), (0.99, 1.263_073)] {
            let (low, high) = mean_time_between(0, 5.816_667, confidence);
            assert!((low - bound).abs() < 1e-6 && high.is_none(), "{low}");
            assert!((time_to_show(bound, confidence) - 5.816_667).abs() < 1e-5);
        }
    }

    #[test]
    fn the_interval_of_a_few_events_is_garwoods() {
        // Numbers of events that go with `seen`, two-sided at 95 %.
        for (seen, least, most) in [
            (1, 0.0253, 5.5716),
            (2, 0.2422, 7.2247),
            (3, 0.6187, 8.7673),
            (4, 1.0899, 10.2416),
            (5, 1.6235, 11.6683),
        ] {
            let (low, high) = mean_time_between(seen, 12.0, 0.95);
            let high = high.expect("something was seen");
            assert!((12.0 / low - most).abs() < 1e-4, "{seen}: {low}");
            assert!((12.0 / high - least).abs() < 1e-4, "{seen}: {high}");
        }
    }

    #[test]
    fn the_interval_of_many_events_holds_their_mean_and_is_narrow() {
        let (low, high) = mean_time_between(1_000_000, 1e6, 0.95);
        assert!(low > 0.99 && low < 1.0 && high.is_some_and(|high| high > 1.0 && high < 1.01));
    }
}
