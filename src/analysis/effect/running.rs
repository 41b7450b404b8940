//! Tells `max_num_seqs` by the most requests that ran at once. More than declared disproves it. Fewer
//! do only where others waited all the while, and neither the prefill of those nor the KV cache
//! explains it: an engine prefills one after the other, and a request whose answer is short is over
//! before the next one begins.

use std::collections::BTreeMap;

use super::{EffectWord, Shown, engines};
use crate::engine::Engine;
use crate::fact::{Batch, Entry, Load, Reading, Seq};
use crate::series::{KV_USAGE, KV_USAGE_MAX, METRICS_PROCESS, RUNNING_REQUESTS, WAITING_REQUESTS};
use crate::spec::recipe::DeclaredSettings;
use crate::unit::At;

/// Setting of the most requests at once.
const SETTING: &str = "max_num_seqs";
/// Least number of looks, and of rounds with one, at which the same number ran while others waited.
const LOOKS_MIN: u64 = 6;
const ROUNDS_MIN: u64 = 3;
/// Bound on the looks of a round; a round of hours has seen enough.
const LOOKS_MAX: usize = 4_096;
/// Part of a round, microseconds, before which a look may be of the round before.
const SETTLE_US: u64 = 5_000_000;
/// Tokens of a step where nothing is declared: the least of the engines' defaults.
const STEP_TOKENS: u64 = 2_048;
/// Most tokens that a step writes of one answer with speculative decoding.
const DRAFTED_MAX: u64 = 4;
/// Share of the KV cache that one more request would have had to exceed.
const KV_FULL: f64 = 0.95;

/// Look at an engine: least and largest numbers since the look before.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    at: At,
    running: Option<(f64, f64)>,
    waiting_min: f64,
    kv_max: Option<f64>,
    seq: Seq,
}

/// Looks at which a number of requests ran while others waited.
#[derive(Clone, Copy, Debug, Default)]
struct Stood {
    looks: u64,
    rounds: u64,
    kv_max: Option<f64>,
    first: Seq,
}

/// Requests that ran at once.
#[derive(Clone, Debug)]
pub(super) struct Running {
    step_tokens: u64,
    drafted: u64,
    looks: Vec<Look>,
    most: Option<(f64, Seq)>,
    stood: BTreeMap<u64, Stood>,
    /// Whether several processes gave the metrics: their numbers are sums.
    is_of_several: bool,
}

impl Running {
    pub(super) fn new(declared: &DeclaredSettings) -> Running {
        let settings = &declared.settings;
        let step_tokens = settings.get("max_num_batched_tokens").and_then(|n| n.parse().ok());
        let drafts = settings.keys().any(|name| super::is_speculative(name));
        Running {
            step_tokens: step_tokens.unwrap_or(STEP_TOKENS).max(1),
            drafted: if drafts { DRAFTED_MAX } else { 1 },
            looks: Vec::new(),
            most: None,
            stood: BTreeMap::new(),
            is_of_several: false,
        }
    }

    pub(super) fn fold_reading(&mut self, entry: &Entry, reading: &Reading) {
        if METRICS_PROCESS.is_of(reading) {
            self.is_of_several |= reading.min < reading.max || reading.last > 1.0;
        }
        let is_ours = [&RUNNING_REQUESTS, &WAITING_REQUESTS, &KV_USAGE, &KV_USAGE_MAX];
        if !is_ours.iter().any(|series| series.is_of(reading)) {
            return;
        }
        if self.looks.last().is_none_or(|last| last.at != entry.at) {
            if self.looks.len() == LOOKS_MAX {
                return;
            }
            self.looks.push(Look { at: entry.at, seq: entry.seq, ..Look::default() });
        }
        let Some(look) = self.looks.last_mut() else { return };
        if RUNNING_REQUESTS.is_of(reading) {
            look.running = Some((reading.min, reading.max));
            if self.most.is_none_or(|(most, _)| reading.max > most) {
                self.most = Some((reading.max, entry.seq));
            }
        } else if WAITING_REQUESTS.is_of(reading) {
            look.waiting_min = reading.min;
        } else {
            look.kv_max = Some(look.kv_max.map_or(reading.max, |kv| kv.max(reading.max)));
        }
    }

    /// Folds a round that ended: its looks tell if decoding its answers takes more steps than
    /// prefilling all of its prompts.
    pub(super) fn fold_batch(&mut self, entry: &Entry, batch: &Batch) {
        let looks = std::mem::take(&mut self.looks);
        let Some(cell) = batch.group.cell else { return };
        let Load::Streams(streams) = cell.load else { return };
        let prefill = (u64::from(streams) * cell.input()).div_ceil(self.step_tokens);
        if cell.output / self.drafted < prefill {
            return;
        }
        let from = At(batch.began.0.saturating_add(SETTLE_US));
        let mut seen: Vec<u64> = Vec::new();
        for look in looks.iter().filter(|look| look.at >= from && look.at <= entry.at) {
            let Some((least, most)) = look.running else { continue };
            if look.waiting_min < 1.0 || (most - least).abs() > 0.5 {
                continue;
            }
            let running = most as u64;
            let first = Stood { first: look.seq, ..Stood::default() };
            let stood = self.stood.entry(running).or_insert(first);
            stood.looks += 1;
            let most = [stood.kv_max, look.kv_max].into_iter().flatten().reduce(f64::max);
            stood.kv_max = most;
            if !seen.contains(&running) {
                seen.push(running);
                stood.rounds += 1;
            }
        }
    }

    /// Returns whether the declared number is in effect, where the load tells.
    pub(super) fn shown(&self, declared: &DeclaredSettings) -> Option<Shown> {
        let most_declared: u64 = declared.settings.get(SETTING)?.parse().ok()?;
        let most_declared = most_declared.saturating_mul(engines(&declared.settings));
        let (most, seq) = self.most?;
        if self.is_of_several {
            return None;
        }
        let ran = most as u64;
        if ran > most_declared {
            return Some(Shown::is(false, format!("{ran} requests ran at once"), seq));
        }
        let stood = self.stood.get(&ran)?;
        if stood.looks < LOOKS_MIN || stood.rounds < ROUNDS_MIN {
            return None;
        }
        let looks = stood.looks;
        if ran == most_declared {
            let why = format!("{ran} ran at once at {looks} looks while others waited, never more");
            return Some(Shown::new(EffectWord::InEffect, why, Some(stood.first)));
        }
        let one_more = |kv: f64| kv * (ran + 1) as f64 / ran.max(1) as f64;
        let has_room = match stood.kv_max {
            Some(kv) => one_more(kv) < KV_FULL,
            // A slot of llama.cpp has its part of the cache.
            None => declared.engine == Engine::LlamaCpp,
        };
        has_room.then(|| {
            let why = format!("at most {ran} ran at once, while others waited at {looks} looks");
            Shown::is(false, why, stood.first)
        })
    }

    /// Returns the most that ran.
    pub(super) fn hint(&self) -> Option<String> {
        let (most, _) = self.most?;
        Some(format!("at most {most} requests ran at once"))
    }
}
