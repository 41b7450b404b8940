//! Gathers the smallest part of a run that has its own statistics: one phase of one group. All
//! other statistics are sums of these.

use std::collections::BTreeMap;

use crate::fact::{Batch, Ended, Group, Phase, Request, Seq};
use crate::measure::Quantity;
use crate::stats::Dist;
use crate::unit::At;

use super::Tally;

/// Bound on the entries that an atom names for its bad endings.
const EVIDENCE_MAX: usize = 8;

/// First answer on which a check fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstFired {
    pub seq: Seq,
    /// Time at which its request was sent.
    pub sent: At,
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
    /// Whole answers outside of outages whose tokens arrived in one piece.
    pub at_once: u64,
    /// Times and rates of whole answers outside of outages, in base units.
    pub dists: BTreeMap<Quantity, Dist>,
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
            at_once: 0,
            dists: BTreeMap::new(),
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
            checks: Tally::new(),
            first_fired: BTreeMap::new(),
            stagger: Dist::new(),
            evidence: Vec::new(),
        }
    }

    /// Adds a request; `met_outage` says whether the server was down while it ran.
    pub(crate) fn add(&mut self, seq: Seq, request: &Request, met_outage: bool) {
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
        }
        self.output_tokens += request.output_tokens.unwrap_or(0);
        self.take_prompt(request);
        if met_outage {
            self.in_outage += 1;
        } else if request.ended.is_good() {
            self.fold_times(request);
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

    fn fold_times(&mut self, request: &Request) {
        let seconds = |micros: Option<u64>| micros.map(|micros| micros as f64 / 1e6);
        let (tpot, late_us) = (request.tpot(), request.late_us());
        let came_at_once = request.came_at_once();
        self.at_once += u64::from(came_at_once);
        let values = [
            (Quantity::Ttft, seconds(request.ttft_us)),
            (Quantity::TtftContent, seconds(request.ttft_content_us)),
            (Quantity::Tpot, tpot),
            (Quantity::TokensPerS, tpot.filter(|tpot| *tpot > 0.0).map(f64::recip)),
            (Quantity::MaxGap, seconds(request.max_gap_us.filter(|_| !came_at_once))),
            (Quantity::E2e, Some(request.e2e())),
            (Quantity::E2eDue, seconds(Some(request.done.since(request.due)))),
            (Quantity::TtftDue, seconds(request.ttft_us.map(|us| us.saturating_add(late_us)))),
            (Quantity::Lateness, seconds(Some(late_us))),
            (Quantity::PrefillPerS, request.prefill_per_s()),
        ];
        for (quantity, value) in values {
            if let Some(value) = value {
                self.dists.entry(quantity).or_default().record(value);
            }
        }
    }

    /// Adds a round in which every request was answered whole. Its throughput is the tokens after
    /// every stream's first chunk, over the time from the first token of any stream to the last
    /// token of any. For one stream that is 1 / TPOT.
    pub(crate) fn fold_batch(&mut self, batch: &Batch) {
        let throughput = || {
            let tokens = batch.tokens?.checked_sub(batch.first_tokens?)?;
            let span_us = batch.last?.since(batch.first?);
            (span_us > 0).then(|| tokens as f64 / (span_us as f64 / 1e6))
        };
        if let Some(throughput) = throughput() {
            self.dists.entry(Quantity::Throughput).or_default().record(throughput);
        }
    }

    /// Returns the number of requests that ended, in any way.
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
