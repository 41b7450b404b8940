//! Analyses the entries of a run in two passes. The first builds the calendar (phases, outages,
//! what counts). The second folds requests and readings with that calendar, because an outage is
//! often recognised only a minute after it began.
//!
//! Pure and synchronous. Memory grows with cells and hours, never with requests. Knows neither the
//! journal, nor how a run is driven, nor how results are reported.

pub(crate) mod acceptance;
pub(crate) mod ailments;
pub(crate) mod answers;
pub(crate) mod arena;
pub(crate) mod atom;
pub(crate) mod cache;
pub(crate) mod calendar;
pub(crate) mod chunks;
pub(crate) mod coverage;
pub(crate) mod effect;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod fold;
pub(crate) mod kills;
pub(crate) mod laps;
pub(crate) mod model_list;
pub(crate) mod notes;
mod parallel;
pub(crate) mod query;
pub(crate) mod run_description;
mod same_text;
pub(crate) mod series;
pub(crate) mod slots;
pub(crate) mod spans;
pub(crate) mod streams;
mod thinned;
pub(crate) mod trend;
pub(crate) mod trends;
mod unanswered;

pub(crate) use acceptance::Acceptance;
pub(crate) use atom::{FirstFired, GroupStatistics, Judged, ShortAnswer};
pub(crate) use cache::CacheCounters;
pub(crate) use calendar::{Calendar, CalendarFold};
pub(crate) use coverage::{Coverage, SourceCoverage};
pub(crate) use effect::{EffectWord, SettingEffect};
pub(crate) use fold::Fold;
pub(crate) use notes::Notes;
pub(crate) use query::{Share, interval, statistic, statistic_with};
pub(crate) use run_description::{JournalGaps, LostRows, Provenance, RunDescription};
pub(crate) use series::OverTime;
pub(crate) use slots::Slots;
pub(crate) use streams::{StreamLadder, StreamLevel};
pub(crate) use trends::Trends;
pub(crate) use unanswered::Unanswered;

use std::collections::BTreeMap;

use crate::fact::{Cell, GapKind, Group, Phase};
use crate::stats::Dist;

/// Analysis of a finished run, or of a run so far.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Analysis {
    /// Phases, segments, incidents and laps with their times.
    pub calendar: Calendar,
    /// Planned cells, in the plan's order.
    pub planned: Vec<Cell>,
    /// Gaps that the journal's reader reported.
    pub reported: JournalGaps,
    /// Request statistics by phase and group, in that order.
    pub atoms: Vec<GroupStatistics>,
    /// Times between tokens and chunks.
    pub gaps: Vec<GapAtom>,
    /// Coverage: the share of the run in which each kind of event could be observed.
    pub coverage: Coverage,
    /// Counts of the ailments of a simulated server.
    pub ailments: ailments::AilmentCounts,
    /// Other notes: identity, faults, error messages.
    pub notes: Notes,
    /// Count of requests that were sent and have no recorded end.
    pub fate_unknown: u64,
    /// Streams that the server worked on at once.
    pub slots: Slots,
    /// Whether each answer was asked to have its whole length.
    pub exact_output: bool,
    /// Count of these in the last segment: no resume sends them again.
    pub fate_lost: u64,
    /// Requests since the last one that was answered.
    pub unanswered: Unanswered,
    /// Settings of the recipe, and whether they are in effect; none where the run kept none.
    pub settings: Vec<SettingEffect>,
    /// The engine's counters of its prefix cache.
    pub cache_counters: CacheCounters,
    /// Changes of series and answers over the hours; none where the fold keeps neither.
    pub trends: Trends,
    /// Acceptance of drafted tokens: of all depths, then of each; empty without speculative decoding.
    pub acceptance: Vec<Acceptance>,
    /// Readings over time; empty where the fold does not keep them.
    pub over_time: OverTime,
}

/// Times between tokens or chunks in one part of the run, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GapAtom {
    pub kind: GapKind,
    pub phase: Phase,
    /// Workload, class and cell of the requests.
    pub group: Group,
    pub dist: Dist,
}

/// Runs both passes over entries that can be iterated twice.
#[cfg(test)]
pub(crate) fn analyse<'a>(
    asked: &RunDescription,
    entries: impl Iterator<Item = &'a crate::fact::Entry> + Clone,
) -> Analysis {
    let mut pass = CalendarFold::new(&asked.trend);
    entries.clone().for_each(|entry| pass.fold(entry));
    let mut fold = Fold::new(asked, pass.finish());
    entries.for_each(|entry| fold.fold(entry));
    fold.finish()
}

/// Count by name, in the order of the names.
pub(crate) type Tally<K> = BTreeMap<K, u64>;
