//! Writes for scripts what more streams at once gave, and what speculative decoding accepted.

use serde::Serialize;

use crate::analysis::{Acceptance, StreamLadder, StreamLevel};
use crate::stats::Estimate;

/// Numbers of streams at one depth.
#[derive(Serialize)]
pub(super) struct StreamsJson<'a> {
    workload: &'a str,
    class: &'static str,
    depth: u64,
    prompt: u64,
    output: u64,
    tpot_doubles_at: Option<u32>,
    queues_from: Option<u32>,
    levels: Vec<Level>,
}

/// Medians with one number of streams.
#[derive(Serialize)]
struct Level {
    streams: u32,
    rounds: u64,
    throughput: Option<f64>,
    tokens_per_s: Option<f64>,
    ttft: Option<f64>,
    tpot: Option<f64>,
}

/// Acceptance of drafted tokens at one depth.
#[derive(Serialize)]
pub(super) struct AcceptanceJson {
    /// `None` for all depths together.
    depth: Option<u64>,
    drafted: f64,
    accepted: f64,
    share: Option<f64>,
    first_third: Option<f64>,
    last_third: Option<f64>,
}

pub(super) fn streams(ladder: &StreamLadder) -> StreamsJson<'_> {
    StreamsJson {
        workload: &ladder.workload,
        class: ladder.class.word(),
        depth: ladder.depth,
        prompt: ladder.prompt,
        output: ladder.output,
        tpot_doubles_at: ladder.doubles_at(),
        queues_from: ladder.queues_from(),
        levels: ladder.levels.iter().map(level).collect(),
    }
}

fn level(level: &StreamLevel) -> Level {
    let known = |value: Option<Estimate>| value.and_then(Estimate::known);
    Level {
        streams: level.streams,
        rounds: level.rounds,
        throughput: known(level.throughput),
        tokens_per_s: known(level.tokens_per_s),
        ttft: known(level.ttft),
        tpot: known(level.tpot),
    }
}

pub(super) fn acceptance(of: &Acceptance) -> AcceptanceJson {
    AcceptanceJson {
        depth: of.depth,
        drafted: of.drafted,
        accepted: of.accepted,
        share: of.share(),
        first_third: of.first_third,
        last_third: of.last_third,
    }
}
