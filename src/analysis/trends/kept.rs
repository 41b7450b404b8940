//! Compares the memory that the machine has left at the start of a lifetime with that at the start of
//! the lifetime before, and of the first: what processes that ended did not give back.

use super::SeriesTrend;
use crate::analysis::trend::evidence::Point;
use crate::fact::Source;
use crate::stats::robust::median;

/// Largest number of blocks whose median is the level at the start.
const FIRST: usize = 3;
/// Least number of them.
const FIRST_MIN: usize = 2;

/// Returns the median of the first blocks from an hour on.
pub(super) fn first(points: &[Point], from_h: f64) -> Option<f64> {
    let judged = points.iter().filter(|point| point.hours >= from_h);
    let values: Vec<f64> = judged.take(FIRST).map(|point| point.value).collect();
    (values.len() >= FIRST_MIN).then(|| median(&values))?
}

/// Adds the change since the lifetime before, and since the first. Series of a process begin anew
/// with it.
pub(super) fn add(series: &mut [SeriesTrend]) {
    let firsts: Vec<_> = series
        .iter()
        .filter_map(|it| Some((it.judged, it.instance.clone(), it.lifetime, it.first?)))
        .collect();
    for it in series.iter_mut().filter(|it| it.judged.series.source == Source::Host) {
        let mut before = firsts.iter().filter(|(judged, instance, lifetime, _)| {
            *judged == it.judged && *instance == it.instance && *lifetime < it.lifetime
        });
        let since = |first: f64| it.first.map(|now| now - first);
        let next = |lifetime: usize| lifetime + 1 == it.lifetime;
        let all = before.clone().find(|(_, _, lifetime, _)| next(*lifetime));
        let (restart, start) = (all.map(|it| it.3), before.next());
        let start = start.filter(|(_, _, lifetime, _)| !next(*lifetime)).map(|it| it.3);
        (it.since_restart, it.since_first) = (restart.and_then(since), start.and_then(since));
    }
}
