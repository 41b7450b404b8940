//! UNDERSTOOD: what the entries of a run mean, in two passes. The first makes
//! the calendar (phases, outages, what counts); the second folds requests and
//! readings with the calendar in hand, because an outage is often recognised
//! a minute after it began.
//!
//! Pure and synchronous. Memory grows with cells and hours, never with
//! requests. Knows no journal, no run, and nothing of how it will be told.

pub mod arena;
pub mod asked;
pub mod atom;
pub mod calendar;
pub mod coverage;
pub mod fold;
pub mod laps;
pub mod notes;
pub mod query;
pub mod series;
#[cfg(test)]
pub mod story;

pub use asked::{JournalGaps, RunQuestion};
pub use atom::Atom;
pub use calendar::{Calendar, Pass1};
pub use coverage::{Coverage, Half};
pub use fold::Fold;
pub use notes::Notes;
pub use query::{Share, statistic};
pub use series::OverTime;

use std::collections::BTreeMap;

use crate::fact::{Cell, GapKind, Group, Phase};
use crate::stats::Dist;

/// Everything that was understood of a run, or of a run so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
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
pub struct GapAtom {
    pub kind: GapKind,
    pub phase: Phase,
    /// What was asked.
    pub group: Group,
    pub dist: Dist,
}

/// Both passes at once, over entries that can be walked twice.
#[cfg(test)]
pub fn analyse<'a>(
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
pub type Tally<K> = BTreeMap<K, u64>;
