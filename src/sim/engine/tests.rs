//! Tests of the engine as a whole, run step by step in virtual time.

mod life;
mod memory;
mod requests;
mod speed;

use super::*;
use crate::sim::job::{Finish, ProcessExit};
use crate::sim::setup::tests::record;

const SECOND: u64 = 1_000_000;

fn engine(setup: Setup, seed: u64, ailments: &[&str]) -> SimEngine {
    let ailments = ailments.iter().map(|text| Ailment::parse(text).expect(text)).collect();
    SimEngine::new(setup, seed, ailments, At::ZERO)
}

/// The record's machine without noise: times equal those of the profile.
fn quiet() -> Setup {
    let mut setup = record(1.0);
    setup.profile.noise_between_starts = 0.0;
    setup.profile.noise_within = 0.0;
    setup.speculative_tokens = 0;
    setup
}

/// A job with a distinct prompt for each `tag`.
fn job(tag: u32, prompt: u32, max_tokens: u64) -> SimJob {
    let prompt = (0..prompt).map(|index| 100 + (tag * 7919 + index) % 100_000).collect();
    SimJob { prompt, max_tokens, ignore_eos: true, ..SimJob::default() }
}

/// All events until none is left, or until `limit`.
fn play(engine: &mut SimEngine, limit: At) -> Vec<(At, EngineEvent)> {
    let mut all = Vec::new();
    while let Some(at) = engine.next_event().filter(|at| *at <= limit) {
        all.extend(engine.advance(at));
    }
    all.extend(engine.advance(limit));
    all
}

/// Times of a job's outputs, with their number of tokens.
fn outputs(story: &[(At, EngineEvent)], id: JobId) -> Vec<(At, u64, Option<Finish>)> {
    let of = |(at, happening): &(At, EngineEvent)| match happening {
        EngineEvent::Output { job, tokens, finish, .. } if *job == id => {
            Some((*at, tokens.len() as u64, *finish))
        }
        _ => None,
    };
    story.iter().filter_map(of).collect()
}

fn tokens(story: &[(At, EngineEvent)], id: JobId) -> u64 {
    outputs(story, id).iter().map(|(_, tokens, _)| tokens).sum()
}

fn exits(story: &[(At, EngineEvent)]) -> Vec<(At, ProcessExit)> {
    let exit = |(at, happening): &(At, EngineEvent)| match happening {
        EngineEvent::Exited(exit) => Some((*at, *exit)),
        _ => None,
    };
    story.iter().filter_map(exit).collect()
}

const LATER: At = At(3600 * SECOND);
