//! Finds the memory that the server's processes had taken when it ran out. Below eight hours a growth may
//! end by itself and is unresolved; one that used up the memory did not.

use super::SeriesTrend;
use crate::analysis::calendar::Lifetime;
use crate::analysis::trend::TrendWord;
use crate::incident::{Incident, IncidentKind};
use crate::stats::mann_kendall::mann_kendall;

/// Level of the test of a rise.
const LEVEL: f64 = 0.01;

/// Share of the machine's available memory, and of its own last level, that a growth must have taken
/// to be the reason.
const MOST: f64 = 0.5;

/// Growth of a series from the start of a lifetime until its memory ran out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct UntilOom {
    pub from: f64,
    pub to: f64,
    pub hours: f64,
    /// Whether it rose from block to block.
    pub rises: bool,
}

impl UntilOom {
    /// Returns the growth of a series with these blocks, where it is one.
    pub(super) fn of(blocks: &[f64], [from, to]: [f64; 2], hours: f64) -> Option<UntilOom> {
        let rises = mann_kendall(blocks).p_rising(1.0) < LEVEL;
        (to > from).then_some(UntilOom { from, to, hours, rises })
    }
}

/// Whether memory of the server ran out at the end of a lifetime.
pub(super) fn ends_in_oom(lifetime: Lifetime, incidents: &[Incident]) -> bool {
    incidents.iter().any(|incident| {
        incident.is(IncidentKind::OutOfMemory)
            && incident.segment == lifetime.segment
            && incident.from.max(lifetime.from) == lifetime.until
    })
}

/// Keeps the growths that took most of the memory, and calls those *growing* that rose all the time.
pub(super) fn judge(series: &mut [SeriesTrend]) {
    let available: Vec<(usize, f64)> = series
        .iter()
        .filter(|it| it.judged.is_available_memory())
        .filter_map(|it| Some((it.lifetime, it.began?)))
        .collect();
    for it in series.iter_mut() {
        let Some(growth) = it.until_oom.filter(|_| it.judged.is_process_memory()) else {
            it.until_oom = None;
            continue;
        };
        let left = available.iter().find(|(lifetime, _)| *lifetime == it.lifetime);
        let taken = growth.to - growth.from;
        let is_reason =
            taken > MOST * growth.to || left.is_some_and(|(_, left)| taken > MOST * left);
        it.until_oom = Some(growth).filter(|_| is_reason);
        let is_open = it.trend.word == TrendWord::Unresolved;
        if is_reason && growth.rises && is_open && taken > it.trend.threshold * growth.hours {
            it.trend.word = TrendWord::Growing;
            it.trend.why = String::new();
        }
    }
}
