//! UNDERSTOOD: what the entries of a run mean, in two passes. The first makes
//! the calendar (phases, outages, what counts); the second folds requests and
//! readings with the calendar in hand, because an outage is often recognised
//! a minute after it began.
//!
//! Pure and synchronous. Memory grows with cells and hours, never with
//! requests. Knows no journal, no run, and nothing of how it will be told.

pub(crate) mod arena;
pub(crate) mod asked;
pub(crate) mod atom;
pub(crate) mod calendar;
pub(crate) mod coverage;
pub(crate) mod fold;
pub(crate) mod laps;
pub(crate) mod notes;
pub(crate) mod query;
pub(crate) mod series;
#[cfg(test)]
pub(crate) mod story;

pub(crate) use asked::{JournalGaps, RunQuestion};
pub(crate) use atom::Atom;
pub(crate) use calendar::{Calendar, Pass1};
pub(crate) use coverage::{Coverage, Half};
pub(crate) use fold::Fold;
pub(crate) use notes::Notes;
pub(crate) use query::{Share, statistic};
pub(crate) use series::OverTime;

use std::collections::BTreeMap;

use crate::fact::{Cell, GapKind, Group, Phase};
use crate::stats::Dist;

/// Everything that was understood of a run, or of a run so far.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Analysis {
    /// When was what.
    pub calendar: Calendar,
    /// Cells that were planned, in the plan's order.
    pub planned: Vec<Cell>,
    /// What the journal's reader had to tell.
    pub told: JournalGaps,
    /// Requests by phase and group, in that order.
    pub atoms: Vec<Atom>,
    /// Times between tokens and chunks.
    pub gaps: Vec<GapAtom>,
    /// What could have been seen, for how much of the run.
    pub coverage: Coverage,
    /// What else was noted: identity, faults, words of errors.
    pub notes: Notes,
    /// Requests that were sent and of whose end nothing is known.
    pub fate_unknown: u64,
    /// Readings over time; empty where the fold was not asked for them.
    pub over_time: OverTime,
}

/// Times between tokens or chunks, of one part of the run. Seconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GapAtom {
    pub kind: GapKind,
    pub phase: Phase,
    /// What was asked.
    pub group: Group,
    pub dist: Dist,
}

/// Both passes at once, over entries that can be walked twice.
#[cfg(test)]
pub(crate) fn analyse<'a>(
    asked: &RunQuestion,
    entries: impl Iterator<Item = &'a crate::fact::Entry> + Clone,
) -> Analysis {
    let mut pass = Pass1::new();
    entries.clone().for_each(|entry| pass.fold(entry));
    let mut fold = Fold::new(asked, pass.finish());
    entries.for_each(|entry| fold.fold(entry));
    fold.finish()
}

/// A count of things by name, in the order of the names.
pub(crate) type Tally<K> = BTreeMap<K, u64>;
