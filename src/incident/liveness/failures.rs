//! Decides whether requests fail one after the other, so that an answered health probe shows no
//! server that serves.

use std::collections::BTreeSet;

use crate::fact::{Cell, Ended, Load, Request};
use crate::unit::At;

/// Failures one after the other from which on the server does not serve. One request of twenty may
/// fail at random.
const FAILURES_MIN: u32 = 5;

/// Least time from the first of these failures to the last, microseconds.
const LASTED_US: u64 = 5_000_000;

/// Depth and load of a cell, in an order in which the lightest is the first.
type Weight = (u64, u64);

/// Failures since the last answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    /// Lightest cell that was asked for.
    lightest: Option<Weight>,
    /// Cells whose requests were answered when they were last asked for.
    answered: BTreeSet<Weight>,
    row: Option<Row>,
    /// Whether the server was found not to serve.
    decided: bool,
}

/// Requests that failed one after the other, the first of them in the lightest cell.
#[derive(Clone, Debug)]
struct Row {
    /// Last good sign of the server before the first failure.
    since: At,
    first: At,
    last: At,
    /// Failures that were sent after the one before them.
    one_by_one: u32,
    requests: u32,
    cells: BTreeSet<Weight>,
    /// Whether any of them was more than a refusal of the request.
    broken: bool,
}

/// Server that does not serve.
pub(super) struct NotServing {
    /// Last good sign before the first failure.
    pub since: At,
    pub requests: u32,
}

impl Failures {
    /// Whether the server was found not to serve, and no answer came since.
    pub(super) fn is_decided(&self) -> bool {
        self.decided
    }

    /// Returns when the first of so many requests failed one after the other, of which none was
    /// answered since, that the server does not serve. An answer to a probe changes nothing.
    pub(super) fn since(&self) -> Option<At> {
        self.row.as_ref().filter(|row| row.is_found()).map(|row| row.first)
    }

    /// Takes in a request, with the last good sign of the server, and whether an earlier request is
    /// still being served. Returns that the server does not serve, when that is found.
    pub(super) fn fold(
        &mut self,
        request: &Request,
        good: Option<At>,
        serving: bool,
    ) -> Option<NotServing> {
        let weight = weight(request.cell);
        let lightest = self.lightest.map_or(weight, |known| known.min(weight));
        self.lightest = Some(lightest);
        if let Some(at) = answered_at(request) {
            if self.row.as_ref().is_none_or(|row| row.first < at) {
                self.end();
            }
            self.answered.insert(weight);
            return None;
        }
        if !is_failure(request) || serving {
            return None;
        }
        let counts = weight == lightest || self.row.is_some() && self.answered.contains(&weight);
        if !counts {
            if self.row.is_none() {
                self.answered.remove(&weight);
            }
            return None;
        }
        let done = request.done;
        let row =
            self.row.get_or_insert_with(|| Row::new(good.map_or(done, |at| at.min(done)), done));
        row.fold(request, weight);
        let found = !self.decided && row.is_found();
        self.decided |= found;
        found.then_some(NotServing { since: row.since, requests: row.requests })
    }

    /// Takes in that a request of a probe was answered at an instant. A further failure shows again
    /// that the server does not serve.
    pub(super) fn probe_answered(&mut self, at: At) {
        self.decided = false;
        if let Some(row) = &mut self.row {
            row.since = at;
        }
    }

    fn end(&mut self) {
        self.decided = false;
        if let Some(row) = self.row.take() {
            self.answered.retain(|weight| !row.cells.contains(weight));
        }
    }
}

impl Row {
    fn new(since: At, first: At) -> Row {
        Row {
            since,
            first,
            last: At::ZERO,
            one_by_one: 0,
            requests: 0,
            cells: BTreeSet::new(),
            broken: false,
        }
    }

    fn fold(&mut self, request: &Request, weight: Weight) {
        self.requests += 1;
        self.cells.insert(weight);
        self.broken |= !is_refusal(request);
        // Requests that were in flight together may have failed together.
        if request.sent >= self.last {
            self.one_by_one += 1;
            self.last = request.done;
        }
    }

    /// Whether the server does not serve. Refusals at a single depth may come from its length.
    fn is_found(&self) -> bool {
        let depth = |weight: Option<&Weight>| weight.map(|(depth, _)| *depth);
        self.one_by_one >= FAILURES_MIN
            && self.last.since(self.first) >= LASTED_US
            && (self.broken || depth(self.cells.first()) != depth(self.cells.last()))
    }
}

fn weight(cell: Cell) -> Weight {
    let load = match cell.load {
        Load::Streams(streams) => u64::from(streams) * 1_000_000,
        Load::PerSecond(rate) => (rate * 1e6) as u64,
    };
    (cell.depth, load)
}

/// Returns when the server last answered with a token, if it did. A whole answer may come without
/// any.
fn answered_at(request: &Request) -> Option<At> {
    if request.ended.is_good() || request.ended == Ended::NoUsage {
        return Some(request.done);
    }
    let last_us = request.last_us.or(request.ttft_us)?;
    Some(At(request.sent.0.saturating_add(last_us)).min(request.done))
}

/// Whether a request came to nothing by a failure of the server. A server that is silent may be
/// slow, and one that has too much to do says so.
pub(super) fn is_failure(request: &Request) -> bool {
    request.ended.is_bad()
        && answered_at(request).is_none()
        && !matches!(request.ended, Ended::TimedOut | Ended::Stalled)
        && request.http_status != Some(429)
}

fn is_refusal(request: &Request) -> bool {
    request.ended == Ended::HttpError && request.http_status.is_some_and(|status| status < 500)
}
