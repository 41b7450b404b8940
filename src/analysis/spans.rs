//! Cuts a run into the spans of its blocks: each lies in one process lifetime and one phase.

use super::Calendar;
use super::calendar::{Lifetime, PhaseSpan};
use crate::fact::{Phase, Segment};
use crate::unit::At;

/// Bound on the blocks of a run: 83 hours of ten-minute blocks. A longer run has longer blocks.
const BLOCKS_OF_A_RUN: u64 = 500;
/// Share of the usual length below which a block holds no whole laps.
const WHOLE_SHARE: f64 = 0.9;

/// Span of time of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Lifetime that contains the span.
    pub lifetime: Lifetime,
    /// Phase that contains the span.
    pub phase: Phase,
    /// Start of the span.
    pub from: At,
    /// End of the span, and start of the next.
    pub until: At,
}

/// Spans of a run, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spans {
    spans: Vec<Span>,
}

impl Spans {
    /// Cuts the phases of a run.
    pub(crate) fn new(calendar: &Calendar) -> Spans {
        let all_us: u64 = calendar.phases.iter().map(|phase| phase.until.since(phase.from)).sum();
        let least_us = calendar.block_us.max(all_us / BLOCKS_OF_A_RUN);
        let mut spans = Vec::new();
        for lifetime in calendar.lifetimes() {
            let phases = calendar.phases.iter().filter(|phase| phase.segment == lifetime.segment);
            for phase in phases {
                cut(calendar, lifetime, phase, least_us, &mut spans);
            }
        }
        Spans { spans }
    }

    /// Returns the span of an index from [`Spans::index`].
    pub(crate) fn get(&self, index: usize) -> Span {
        self.spans[index]
    }

    /// Returns all spans, in order.
    pub(crate) fn all(&self) -> &[Span] {
        &self.spans
    }

    /// Returns the index of the span that contains an instant. A row covers the time before its
    /// stamp: at a border it belongs to the block that ends.
    pub(crate) fn index(&self, segment: Segment, at: At) -> Option<usize> {
        let next =
            self.spans.partition_point(|span| (span.lifetime.segment, span.from) < (segment, at));
        let holds = |index: &usize| {
            self.spans.get(*index).is_some_and(|span| {
                span.lifetime.segment == segment && span.from <= at && at <= span.until
            })
        };
        next.checked_sub(1).filter(holds).or(Some(next).filter(holds))
    }

    /// Returns the least length of a block that holds whole laps, microseconds: nine tenths of the
    /// usual one. The remainder of a phase is often a part of a lap.
    pub(crate) fn whole_us(&self) -> u64 {
        let steady = self.spans.iter().filter(|span| span.phase.is_steady());
        let mut lengths: Vec<u64> = steady.map(|span| span.until.since(span.from)).collect();
        lengths.sort_unstable();
        let usual_us = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
        (usual_us as f64 * WHOLE_SHARE) as u64
    }
}

/// Cuts the part of a phase that lies in a lifetime: at ends of laps, or at a fixed length where no
/// lap ended in it. The remainder is a block too.
fn cut(
    calendar: &Calendar,
    lifetime: Lifetime,
    phase: &PhaseSpan,
    least_us: u64,
    spans: &mut Vec<Span>,
) {
    let (mut from, end) = (phase.from.max(lifetime.from), phase.until.min(lifetime.until));
    let ends: Vec<At> = calendar
        .lap_ends
        .iter()
        .filter(|(segment, at)| *segment == lifetime.segment && from < *at && *at < end)
        .map(|(_, at)| *at)
        .collect();
    let mut laps = ends.iter().copied();
    while from < end {
        let least = At(from.0.saturating_add(least_us));
        let next = if ends.is_empty() { Some(least) } else { laps.find(|at| *at >= least) };
        let until = next.filter(|at| *at < end).unwrap_or(end);
        spans.push(Span { lifetime, phase: phase.phase, from, until });
        from = until;
    }
}
