//! Computes when the memory of the machine is used up if it goes on as observed.

use super::SeriesTrend;
use crate::stats::theil_sen::Slope;
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

/// Loss of the machine's available memory beside the growth of the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MachineLoss {
    /// One of the two was not read.
    Unread,
    /// The interval of one of the two excludes no standstill.
    NotShown,
    /// Less than half of the growth.
    Less,
    /// As much, within a factor of two.
    Same,
    /// More than twice the growth.
    More,
}

/// Compares what the machine loses with what all processes of a lifetime take.
pub(crate) fn machine_loss(series: &[SeriesTrend], lifetime: usize) -> MachineLoss {
    let here = || series.iter().filter(|it| it.lifetime == lifetime);
    let all = here().filter(|it| it.judged.is_process_memory() && it.instance.is_empty());
    let grown: Vec<Slope> = all.filter_map(SeriesTrend::worse).collect();
    let lost = here().filter(|it| it.judged.is_available_memory()).find_map(SeriesTrend::worse);
    let Some(lost) = lost.filter(|_| !grown.is_empty()) else { return MachineLoss::Unread };
    let sum = |of: fn(&Slope) -> f64| grown.iter().map(of).sum::<f64>();
    let taken = sum(|slope| slope.value);
    if lost.low <= 0.0 || sum(|slope| slope.low) <= 0.0 {
        MachineLoss::NotShown
    } else if taken > AGREES * lost.value {
        MachineLoss::Less
    } else if lost.value > AGREES * taken {
        MachineLoss::More
    } else {
        MachineLoss::Same
    }
}
