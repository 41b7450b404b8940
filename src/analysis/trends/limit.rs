//! Computes when the memory of the machine is used up if it goes on as observed.

use super::SeriesTrend;
use crate::stats::time_to_limit::time_to_limit;

/// Available memory below which a machine is no longer safe, bytes: watchdogs of machines with
/// unified memory end a server at 8 to 16 GiB.
const RESERVE: f64 = 8.0 * 1_073_741_824.0;

/// Hours within which a limit counts: a week.
pub(crate) const HORIZON_H: f64 = 7.0 * 24.0;

/// Largest factor between the growth of the processes and the loss of available memory at which
/// they are the same.
const AGREES: f64 = 2.0;

/// Adds the time to the limit to every series that grows into it.
pub(super) fn add(series: &mut [SeriesTrend]) {
    let left: Vec<(usize, f64)> = series
        .iter()
        .filter(|it| it.judged.is_available_memory())
        .filter_map(|it| Some((it.lifetime, left(it)?)))
        .collect();
    for trend in series.iter_mut().filter(|it| it.trend.grows) {
        let Some((_, left)) = left.iter().find(|(lifetime, _)| *lifetime == trend.lifetime) else {
            continue;
        };
        let Some((last, slope)) = trend.trend.last.zip(trend.trend.slope) else { continue };
        if trend.judged.is_available_memory() {
            trend.to_limit = time_to_limit(last, slope, last - left);
        } else if trend.judged.is_process_memory() {
            trend.to_limit = time_to_limit(last, slope, last + left);
        }
    }
}

/// Returns the bytes that can be lost: all above the reserve, or above half where that is less.
fn left(available: &SeriesTrend) -> Option<f64> {
    let last = available.trend.last?;
    Some(last - RESERVE.min(last / 2.0))
}

/// Whether the processes of a lifetime grow as fast as the machine's available memory falls;
/// `None` where one of the two was not read.
pub(crate) fn agrees_with_available(series: &[SeriesTrend], lifetime: usize) -> Option<bool> {
    let here = || series.iter().filter(|it| it.lifetime == lifetime);
    let worse = |it: &SeriesTrend| it.worse().map(|slope| slope.value);
    let all = here().filter(|it| it.judged.is_process_memory() && it.instance.is_empty());
    let grown: Vec<f64> = all.filter_map(worse).collect();
    let lost = here().filter(|it| it.judged.is_available_memory()).find_map(worse)?;
    let grown = (!grown.is_empty()).then(|| grown.iter().sum::<f64>())?;
    Some(grown > 0.0 && lost > 0.0 && grown <= AGREES * lost && lost <= AGREES * grown)
}
