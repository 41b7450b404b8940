//! Gathers the smallest part of a run that has its own statistics: one phase of one group. All
//! other statistics are sums of these.

mod values;

use std::collections::BTreeMap;

use crate::fact::{Batch, Ended, Group, Phase, Request, Seq, is_spoiled};
use crate::measure::{Quantity, RequestShare};
use crate::stats::Dist;
use crate::unit::At;

use super::Tally;
use super::chunks::ChunkCounts;
pub(super) use values::RequestValue;

/// Bound on the entries that an atom names for its bad endings.
const EVIDENCE_MAX: usize = 8;

/// First answer on which a check fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstFired {
    pub seq: Seq,
    /// Time at which its request was sent.
    pub sent: At,
}

/// Answer of fewer tokens than were requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShortAnswer {
    pub tokens: u64,
    pub asked: u64,
    pub seq: Seq,
}

impl ShortAnswer {
    /// Returns the one that has the smaller share of its tokens.
    pub(crate) fn shorter(self, other: ShortAnswer) -> ShortAnswer {
        if other.tokens * self.asked < self.tokens * other.asked { other } else { self }
    }
}

/// Requests of a selection by whether they gave a value of a quantity. Only those count that could
/// have given one: not those that failed otherwise, nor those that have none by their nature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Requests that gave one.
    pub part: u64,
    /// Whole answers of which the server does not report what is needed.
    pub unknown: u64,
    /// Requests whose value was spoiled by longhaul's own delay.
    pub delayed: u64,
}

impl Judged {
    /// Returns the number of all of them.
    pub(crate) fn of(self) -> u64 {
        self.part + self.unknown + self.delayed
    }
}

impl std::ops::AddAssign for Judged {
    fn add_assign(&mut self, other: Judged) {
        self.part += other.part;
        self.unknown += other.unknown;
        self.delayed += other.delayed;
    }
}

/// Statistics of the requests in one part of the run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupStatistics {
    pub phase: Phase,
    /// Workload, class and cell of its asks.
    pub group: Group,
    /// Count of requests by ending.
    pub ended: Tally<Ended>,
    /// Count of these that met an outage; their times are in no distribution, however they ended.
    pub in_outage: u64,
    /// Whole answers outside of outages.
    pub whole: u64,
    /// Count of these whose tokens arrived in one piece.
    pub at_once: u64,
    /// Times and rates outside of outages, in base units: of whole answers, and bounds of those that
    /// were given up.
    pub dists: BTreeMap<Quantity, Dist>,
    /// Requests that gave a value of a quantity, and whole answers that should have.
    pub judged: BTreeMap<Quantity, Judged>,
    /// Requests of which a time was spoiled by longhaul's own delay.
    pub delayed: u64,
    /// Longest of these delays, microseconds.
    pub delay_us_max: u64,
    /// Requests whose prompt tokens the server reported.
    pub counted: u64,
    /// Count of these that differ from the planned length by more than 1 % and 16 tokens.
    pub off_depth: u64,
    /// Count of these that differ by more than 10 % and 64 tokens.
    pub far_off_depth: u64,
    /// Counted and planned prompt tokens of the first that is off its length.
    pub off_depth_first: Option<(u64, u64)>,
    /// Count of requests whose cached share the server reported.
    pub cached_reported: u64,
    /// Prompt tokens of requests whose cached share the server reported.
    pub prompt_tokens: u64,
    /// Cached tokens among these; `None` where the server never reported them.
    pub cached_tokens: Option<u64>,
    /// Output tokens by the server's count.
    pub output_tokens: u64,
    /// Whole answers whose output tokens the server counted.
    pub output_counted: u64,
    /// Whole answers in which there was nothing to see.
    pub blank: u64,
    /// Whole answers of fewer tokens than were requested, but more than half of them.
    pub short: u64,
    /// Shortest of these.
    pub shortest: Option<ShortAnswer>,
    /// Chunks of answers against their tokens.
    pub chunks: ChunkCounts,
    /// Requests whose answer a parser damaged: lost or broken text, invalid protocol.
    pub damaged: u64,
    /// Checks that fired.
    pub checks: Tally<String>,
    /// First answer on which each of them fired.
    pub first_fired: BTreeMap<String, FirstFired>,
    /// Share of each whole round's time in which some of its streams had no token yet and others
    /// had, of rounds of several streams: prefills that go one after the other.
    pub stagger: Dist,
    /// First bad endings.
    pub evidence: Vec<Seq>,
}

impl GroupStatistics {
    /// Returns an atom without requests.
    pub(crate) fn new(phase: Phase, group: Group) -> GroupStatistics {
        GroupStatistics {
            phase,
            group,
            ended: Tally::new(),
            in_outage: 0,
            whole: 0,
            at_once: 0,
            dists: BTreeMap::new(),
            judged: BTreeMap::new(),
            delayed: 0,
            delay_us_max: 0,
            counted: 0,
            off_depth: 0,
            far_off_depth: 0,
            off_depth_first: None,
            cached_reported: 0,
            prompt_tokens: 0,
            cached_tokens: None,
            output_tokens: 0,
            output_counted: 0,
            blank: 0,
            short: 0,
            shortest: None,
            chunks: ChunkCounts::default(),
            damaged: 0,
            checks: Tally::new(),
            first_fired: BTreeMap::new(),
            stagger: Dist::new(),
            evidence: Vec::new(),
        }
    }

    /// Adds a request and its values; it has none if the server was down while it ran.
    pub(super) fn add(
        &mut self,
        seq: Seq,
        request: &Request,
        values: Option<&[(Quantity, RequestValue)]>,
    ) {
        *self.ended.entry(request.ended).or_default() += 1;
        if request.ended.is_bad() && self.evidence.len() < EVIDENCE_MAX {
            self.evidence.push(seq);
        }
        for check in request.fired() {
            self.fired(check, seq, request);
        }
        if request.ended.is_good() {
            self.output_counted += u64::from(request.output_tokens.is_some());
            self.blank += u64::from(request.answer.is_none());
            self.chunks.fold(seq, request);
        }
        if let Some(tokens) = request.tokens_if_short() {
            let answer = ShortAnswer { tokens, asked: request.cell.output, seq };
            self.short += 1;
            self.shortest = Some(self.shortest.map_or(answer, |least| least.shorter(answer)));
        }
        self.damaged += u64::from(is_damaged(request));
        self.output_tokens += request.output_tokens.unwrap_or(0);
        self.take_prompt(request);
        match values {
            Some(values) => self.fold_values(request, values),
            None => self.in_outage += 1,
        }
    }

    /// Adds a check that fired on a request.
    pub(crate) fn fired(&mut self, check: &str, seq: Seq, request: &Request) {
        *self.checks.entry(check.to_owned()).or_default() += 1;
        let first = FirstFired { seq, sent: request.sent };
        self.first_fired.entry(check.to_owned()).or_insert(first);
    }

    fn take_prompt(&mut self, request: &Request) {
        let Some(prompt_tokens) = request.prompt_tokens else { return };
        self.counted += 1;
        self.far_off_depth += u64::from(request.cell.is_far_off_depth(prompt_tokens));
        if request.cell.is_off_depth(prompt_tokens) {
            self.off_depth += 1;
            self.off_depth_first.get_or_insert((prompt_tokens, request.cell.input()));
        }
        if let Some(cached_tokens) = request.cached_tokens {
            self.cached_reported += 1;
            self.prompt_tokens += prompt_tokens;
            *self.cached_tokens.get_or_insert(0) += cached_tokens;
        }
    }

    fn fold_values(&mut self, request: &Request, values: &[(Quantity, RequestValue)]) {
        let is_whole = request.ended.is_good();
        self.whole += u64::from(is_whole);
        self.at_once +=
            u64::from(is_whole && request.came_at_once() && !request.was_read_at_once());
        let mut is_delayed = false;
        for (quantity, value) in values.iter().copied() {
            match value {
                RequestValue::Exact(value) => self.dist(quantity).record(value),
                RequestValue::Above(bound) => self.dist(quantity).record_above(bound),
                RequestValue::Below(bound) => self.dist(quantity).record_below(bound),
                RequestValue::InGaps => {}
                RequestValue::Unknown => {
                    self.judged.entry(quantity).or_default().unknown += 1;
                    continue;
                }
                RequestValue::Delayed => {
                    is_delayed = true;
                    self.judged.entry(quantity).or_default().delayed += 1;
                    continue;
                }
            }
            self.judged.entry(quantity).or_default().part += 1;
        }
        if is_delayed {
            self.delayed += 1;
            self.delay_us_max = self.delay_us_max.max(request.delay_us());
        }
    }

    fn dist(&mut self, quantity: Quantity) -> &mut Dist {
        self.dists.entry(quantity).or_default()
    }

    /// Adds a round in which every request was answered whole. Its throughput is the tokens after
    /// every stream's first chunk, over the time from the first token of any stream to the last
    /// token of any. For one stream that is 1 / TPOT. `delay_us` is longhaul's own delay in it.
    /// Returns the throughput, tokens per second; `None` where there is none, or a spoiled one.
    pub(crate) fn fold_batch(&mut self, batch: &Batch, delay_us: u64) -> Option<f64> {
        let span_us = batch.last.zip(batch.first).map_or(0, |(last, first)| last.since(first));
        let tokens = batch.tokens.zip(batch.first_tokens);
        let tokens = tokens.and_then(|(all, first)| all.checked_sub(first));
        let judged = self.judged.entry(Quantity::Throughput).or_default();
        match tokens {
            _ if is_spoiled(delay_us, span_us) => judged.delayed += 1,
            None => judged.unknown += 1,
            Some(tokens) if span_us > 0 => {
                judged.part += 1;
                let throughput = tokens as f64 / (span_us as f64 / 1e6);
                self.dists.entry(Quantity::Throughput).or_default().record(throughput);
                return Some(throughput);
            }
            Some(_) => {}
        }
        None
    }

    /// Returns the number of requests that ended, in any way.
    #[cfg(test)]
    pub(crate) fn requests(&self) -> u64 {
        self.ended.values().sum()
    }

    /// Returns the number of requests whose ending `counts` accepts.
    pub(crate) fn count(&self, counts: impl Fn(Ended) -> bool) -> u64 {
        self.ended.iter().filter(|(ended, _)| counts(**ended)).map(|(_, n)| n).sum()
    }

    /// Returns the share of prompt tokens that came from the cache; `None` where the server never
    /// reported it.
    pub(crate) fn cached_share(&self) -> Option<f64> {
        let cached = self.cached_tokens?;
        (self.prompt_tokens > 0).then(|| cached as f64 / self.prompt_tokens as f64)
    }
}

/// Whether a parser damaged an answer.
fn is_damaged(request: &Request) -> bool {
    let is_parsers = |check: &str| RequestShare::PARSER_FAULTS.iter().any(|of| of.word() == check);
    request.ended == Ended::Malformed || request.fired().any(is_parsers)
}
