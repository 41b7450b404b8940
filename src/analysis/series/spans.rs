//! Cuts a run into the spans of its blocks: each lies in one process lifetime and one phase.

use crate::analysis::calendar::Lifetime;
use crate::analysis::laps::BLOCK_US;
use crate::analysis::{Calendar, calendar::PhaseSpan};
use crate::fact::Phase;
use crate::unit::At;

/// Number of ten-minute blocks in a run, at most: 83 hours. A longer run has longer blocks.
const BLOCKS_OF_A_RUN: u64 = 500;

/// Span of time of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Lifetime that contains the span.
    pub lifetime: Lifetime,
    /// Phase that contains the span.
    pub phase: Phase,
    /// Start of the span.
    pub from: At,
    /// End of the span, and start of the next.
    pub until: At,
}

/// Returns all spans, in order.
pub(super) fn spans(calendar: &Calendar) -> Vec<Span> {
    let all_us: u64 = calendar.phases.iter().map(|phase| phase.until.since(phase.from)).sum();
    let least_us = BLOCK_US.max(all_us / BLOCKS_OF_A_RUN);
    let mut spans = Vec::new();
    for lifetime in calendar.lifetimes() {
        let phases = calendar.phases.iter().filter(|phase| phase.segment == lifetime.segment);
        for phase in phases {
            cut(calendar, lifetime, phase, least_us, &mut spans);
        }
    }
    spans
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
