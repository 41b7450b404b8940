//! Finds the end of a warm-up: the cut after which the mean of the rest is known best.
//!
//! MSER-5: White, Cobb, Spratt 2000.

/// Number of values in a batch.
const BATCH: usize = 5;

/// Returns how many values to leave out at the start. `None` where the method did not converge: the
/// best cut is the last one allowed, as in a series that grows all the time. `None` also for fewer
/// than four batches.
pub(crate) fn mser5(values: &[f64]) -> Option<usize> {
    let means: Vec<f64> =
        values.chunks_exact(BATCH).map(|batch| batch.iter().sum::<f64>() / BATCH as f64).collect();
    let last = means.len() / 2;
    let statistics: Vec<f64> = (0..=last).map(|cut| statistic(&means[cut..])).collect();
    let least = (0..statistics.len())
        .min_by(|one, other| statistics[*one].total_cmp(&statistics[*other]))?;
    (means.len() >= 4 && least < last).then_some(least * BATCH)
}

/// Returns the squared standard error of the mean, but for a constant.
fn statistic(rest: &[f64]) -> f64 {
    let n = rest.len() as f64;
    let mean = rest.iter().sum::<f64>() / n;
    rest.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n.powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::vectors::near;

    const WARM_UP: [i32; 40] = [
        120, 112, 105, 101, 98, 94, 92, 90, 89, 88, 86, 87, 85, 86, 84, 85, 86, 84, 85, 85, 86, 84,
        85, 86, 85, 84, 85, 86, 85, 84, 85, 84, 86, 85, 85, 84, 86, 85, 84, 85,
    ];

    #[test]
    fn the_warm_up_of_forty_values_is_fifteen() {
        let values = WARM_UP.map(f64::from);
        let means: Vec<f64> =
            values.chunks(BATCH).map(|batch| batch.iter().sum::<f64>() / 5.0).collect();
        let wanted = [6.644_92, 0.544_84, 0.012_59, 0.004_48, 0.006_88];
        for (cut, wanted) in wanted.into_iter().enumerate() {
            near(statistic(&means[cut..]), wanted, 1e-5);
        }
        assert_eq!(mser5(&values), Some(15));
    }

    #[test]
    fn a_series_that_grows_all_the_time_has_no_warm_up_that_ends() {
        assert_eq!(mser5(&(0..60).map(f64::from).collect::<Vec<_>>()), None);
        assert_eq!(mser5(&[1.0; 19]), None, "too few batches");
        assert_eq!(mser5(&[]), None);
    }

    #[test]
    fn a_constant_series_has_no_warm_up() {
        assert_eq!(mser5(&[1.0; 40]), Some(0));
    }
}
