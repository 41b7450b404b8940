//! Compares the memory that the machine has left at the start of a lifetime with that at the start of
//! the lifetime before: what a process that ended did not give back.

use super::SeriesTrend;
use crate::analysis::trend::evidence::Point;
use crate::fact::Source;
use crate::stats::robust::median;

/// Number of blocks whose median is the level at the start.
const FIRST: usize = 3;

/// Returns the median of the first blocks from an hour on.
pub(super) fn first(points: &[Point], from_h: f64) -> Option<f64> {
    let judged = points.iter().filter(|point| point.hours >= from_h);
    let values: Vec<f64> = judged.take(FIRST).map(|point| point.value).collect();
    (values.len() == FIRST).then(|| median(&values))?
}

/// Adds the change since the lifetime before. Series of a process begin anew with it.
pub(super) fn add(series: &mut [SeriesTrend]) {
    let firsts: Vec<_> =
        series.iter().map(|it| (it.judged, it.instance.clone(), it.lifetime, it.first)).collect();
    for it in series.iter_mut().filter(|it| it.judged.series.source == Source::Host) {
        let before = firsts.iter().find(|(judged, instance, lifetime, _)| {
            *judged == it.judged && *instance == it.instance && lifetime + 1 == it.lifetime
        });
        let before = before.and_then(|(.., first)| *first);
        it.since_restart = it.first.zip(before).map(|(now, before)| now - before);
    }
}
