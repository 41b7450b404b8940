//! Estimates by how much the dependence of neighbouring values inflates the variance of the
//! Mann–Kendall test.
//!
//! Hamed & Rao 1998, with the lags of the initial positive sequence (Geyer 1992) in place of all
//! significant ones, and never below 1: a sum over significant lags can come out near 0, which
//! makes noise significant.

use super::robust::ranks;

/// Resolution of a residual, as a share of the largest value. A finer difference is a rounding
/// error, and would make or break ties.
const RESOLUTION: f64 = 1e-9;

/// Returns the factor for the variance, from 1: by the autocorrelations of the ranks that remain
/// without the slope, from lag 1 to the first that is not positive, or to a quarter of the series.
pub(crate) fn inflation(times: &[f64], values: &[f64], slope: f64) -> f64 {
    let n = values.len() as f64;
    if values.len() < 4 {
        return 1.0;
    }
    let correlations = autocorrelations(&ranks(&residuals(times, values, slope)));
    let sum: f64 = (1..=values.len() / 4)
        .map(|lag| (lag as f64, correlations(lag)))
        .take_while(|(_, correlation)| *correlation > 0.0)
        .map(|(lag, correlation)| (n - lag) * (n - lag - 1.0) * (n - lag - 2.0) * correlation)
        .sum();
    (1.0 + 2.0 * sum / (n * (n - 1.0) * (n - 2.0))).max(1.0)
}

/// Returns the values without the slope, rounded.
fn residuals(times: &[f64], values: &[f64], slope: f64) -> Vec<f64> {
    let scale = values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let unit = if scale > 0.0 { scale * RESOLUTION } else { 1.0 };
    let first = times.first().copied().unwrap_or(0.0);
    let residual = |(time, value): (&f64, &f64)| ((value - slope * (time - first)) / unit).round();
    times.iter().zip(values).map(residual).collect()
}

/// Returns the autocorrelation as a function of the lag; 0 for a constant series.
fn autocorrelations(values: &[f64]) -> impl Fn(usize) -> f64 + use<> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let power: f64 = centred.iter().map(|value| value * value).sum();
    move |lag| {
        let product = |(one, other): (&f64, &f64)| one * other;
        let shifted: f64 = centred.iter().zip(&centred[lag..]).map(product).sum();
        if power > 0.0 { shifted / power } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::vectors::{WAVE, WAVE_SLOPE, hours, near};

    #[test]
    fn the_autocorrelations_of_the_ranks_are_the_tables() {
        let times = hours(WAVE.len(), 1.0);
        let found = autocorrelations(&ranks(&residuals(&times, &WAVE, WAVE_SLOPE)));
        let wanted = [0.781_522, 0.317_391, -0.216_739, -0.616_957, -0.762_391, -0.657_391];
        for (lag, wanted) in wanted.into_iter().enumerate() {
            near(found(lag + 1), wanted, 1e-6);
        }
    }

    #[test]
    fn only_the_first_positive_lags_count() {
        near(inflation(&hours(WAVE.len(), 1.0), &WAVE, WAVE_SLOPE), 2.850_650, 1e-6);
    }

    #[test]
    fn values_that_alternate_do_not_make_the_variance_smaller() {
        let values: Vec<f64> = (0..20).map(|n| f64::from(n % 2)).collect();
        near(inflation(&hours(20, 1.0), &values, 0.0), 1.0, 1e-12);
    }

    #[test]
    fn a_straight_line_with_rounding_errors_has_no_dependence() {
        let times = hours(40, 0.1);
        let values: Vec<f64> = times.iter().map(|time| 1e10 + 0.3 * time).collect();
        near(inflation(&times, &values, 0.3), 1.0, 1e-12);
        near(inflation(&times[..3], &values[..3], 0.3), 1.0, 1e-12);
        near(inflation(&times, &[0.0; 40], 0.0), 1.0, 1e-12);
    }
}
