//! Writes for scripts what more streams at once gave on two sides.

use serde::Serialize;

use crate::analysis::{StreamLadder, StreamLevel};
use crate::compare::streams::{ComparedLevel, ComparedStreams};
use crate::stats::Estimate;

use super::{Sides, sides};

#[derive(Serialize)]
pub(super) struct ComparedStreamsJson<'a> {
    workload: &'a str,
    class: &'static str,
    depth: u64,
    prompt: u64,
    output: u64,
    behind_from: Option<u32>,
    ahead_from: Option<u32>,
    tpot_doubles_at: Sides<Option<u32>>,
    queues_from: Sides<Option<u32>>,
    levels: Vec<Level>,
}

/// Number of streams, with medians of both sides.
#[derive(Serialize)]
struct Level {
    streams: u32,
    throughput: Sides<Option<f64>>,
    tokens_per_s: Sides<Option<f64>>,
    ttft: Sides<Option<f64>>,
    tpot: Sides<Option<f64>>,
    ratio: f64,
}

pub(super) fn document(of: &ComparedStreams) -> ComparedStreamsJson<'_> {
    let place = &of.sides[0];
    ComparedStreamsJson {
        workload: &place.workload,
        class: place.class.word(),
        depth: place.depth,
        prompt: place.prompt,
        output: place.output,
        behind_from: of.behind_from,
        ahead_from: of.ahead_from,
        tpot_doubles_at: sides(&of.sides, StreamLadder::doubles_at),
        queues_from: sides(&of.sides, StreamLadder::queues_from),
        levels: of.levels.iter().map(level).collect(),
    }
}

fn level(of: &ComparedLevel) -> Level {
    let both = |value: fn(&StreamLevel) -> Option<Estimate>| {
        sides(&of.sides, |side| value(side).and_then(Estimate::known))
    };
    Level {
        streams: of.streams,
        throughput: both(|level| level.throughput),
        tokens_per_s: both(|level| level.tokens_per_s),
        ttft: both(|level| level.ttft),
        tpot: both(|level| level.tpot),
        ratio: of.ratio,
    }
}
