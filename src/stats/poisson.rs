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
    let (least, most) = garwood(seen, confidence);
    (time / most, Some(time / least))
}

/// Returns Garwood's two-sided interval of the number of events that are expected in a time in which
/// `seen` came.
fn garwood(seen: u64, confidence: f64) -> (f64, f64) {
    let tail = (1.0 - confidence) / 2.0;
    let least = if seen == 0 { 0.0 } else { chi_square(tail, 2 * seen) / 2.0 };
    (least, chi_square(1.0 - tail, 2 * seen + 2) / 2.0)
}

/// Returns the time after which `seen` events, and no more, show a mean time between events of at
/// least `mean`, in the unit of `mean`: the time at which the lower bound of [`mean_time_between`]
/// reaches it. Without an event that is `−ln(1 − confidence)` times `mean`.
pub(crate) fn time_to_show(seen: u64, mean: f64, confidence: f64) -> f64 {
    mean / mean_time_between(seen, 1.0, confidence).0
}

/// Returns the chance that a time passes without an event, where events have a mean time between
/// them: `exp(−T / mean)`.
pub(crate) fn chance_of_none(mean: f64, time: f64) -> f64 {
    (-time / mean).exp()
}

/// Returns the quantile of the chi-square distribution; `freedom` is its degrees of freedom, from
/// 1.
fn chi_square(share: f64, freedom: u64) -> f64 {
    ChiSquared::new(freedom as f64).map_or(f64::NAN, |dist| dist.inverse_cdf(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hours under load of a published run without a crash.
    const HOURS: f64 = 5.816_667;

    #[test]
    fn no_failure_in_six_hours_proves_less_than_two() {
        // Confidence, upper bound of the rate, lower bound of the mean.
        for (confidence, rate, mean) in [
            (0.90, 0.395_860, 2.526_146),
            (0.95, 0.515_026, 1.941_651),
            (0.99, 0.791_720, 1.263_073),
        ] {
            let (low, high) = mean_time_between(0, HOURS, confidence);
            assert!((low - mean).abs() < 1e-6 && high.is_none(), "{low}");
            assert!((1.0 / low - rate).abs() < 1e-6, "{low}");
            assert!((time_to_show(0, mean, confidence) - HOURS).abs() < 1e-5);
        }
    }

    #[test]
    fn a_server_that_fails_twice_a_day_passes_six_hours_more_often_than_not() {
        for (mean, chance) in
            [(24.0, 0.785), (12.0, 0.616), (8.0, 0.483), (4.0, 0.234), (2.0, 0.055)]
        {
            let found = chance_of_none(mean, HOURS);
            assert!((found - chance).abs() < 5e-4, "{mean}: {found}");
        }
    }

    #[test]
    fn to_show_a_mean_takes_three_times_as_long_and_without_much_confidence_less() {
        for (mean, hours) in [(8.0, 24.0), (24.0, 71.9), (72.0, 215.7), (168.0, 503.3)] {
            let found = time_to_show(0, mean, 0.95);
            assert!((found - hours).abs() < 0.05, "{mean}: {found}");
        }
        for (confidence, factor) in [(0.90, 10f64.ln()), (0.80, 5f64.ln()), (0.60, 2.5f64.ln())] {
            let found = time_to_show(0, 1.0, confidence);
            assert!((found - factor).abs() < 1e-4, "{confidence}: {found}");
        }
    }

    #[test]
    fn a_mean_is_shown_with_failures_when_the_interval_begins_at_it() {
        for seen in [1, 2, 7] {
            let time = time_to_show(seen, 8.0, 0.95);
            let (low, _) = mean_time_between(seen, time, 0.95);
            assert!((low - 8.0).abs() < 1e-9 && time > 8.0 * 5.5, "{seen}: {time}");
        }
    }

    #[test]
    fn the_interval_of_a_few_events_is_garwoods() {
        // Numbers of events that go with `seen`, two-sided at 95 %, and one-sided.
        for (seen, least, most, one_sided) in [
            (0, 0.0, 3.6889, 2.9957),
            (1, 0.0253, 5.5716, 4.7439),
            (2, 0.2422, 7.2247, 6.2958),
            (3, 0.6187, 8.7673, 7.7537),
            (4, 1.0899, 10.2416, 9.1535),
            (5, 1.6235, 11.6683, 10.5130),
        ] {
            let (found_least, found_most) = garwood(seen, 0.95);
            assert!((found_least - least).abs() < 1e-4, "{seen}: {found_least}");
            assert!((found_most - most).abs() < 1e-4, "{seen}: {found_most}");
            // The upper end of an interval at 90 % is the one-sided bound at 95 %.
            assert!((garwood(seen, 0.90).1 - one_sided).abs() < 1e-4, "{seen}");
            if seen > 0 {
                let (low, high) = mean_time_between(seen, 12.0, 0.95);
                let high = high.expect("something was seen");
                assert!((12.0 / low - most).abs() < 1e-4, "{seen}: {low}");
                assert!((12.0 / high - least).abs() < 1e-4, "{seen}: {high}");
            }
        }
        assert!((mean_time_between(0, 12.0, 0.95).0 - 12.0 / 2.9957).abs() < 1e-4);
    }

    #[test]
    fn the_interval_of_many_events_holds_their_mean_and_is_narrow() {
        let (low, high) = mean_time_between(1_000_000, 1e6, 0.95);
        assert!(low > 0.99 && low < 1.0 && high.is_some_and(|high| high > 1.0 && high < 1.01));
    }
}
