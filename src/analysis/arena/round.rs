//! Computes the figures of one round by the definitions of llama-benchy 0.4.0, unchanged: a round
//! is its "run", a request is its "result".

use std::collections::BTreeMap;

use crate::fact::{Batch, Request};
use crate::unit::At;

use super::Column;
use super::spread::SpreadBuilder;

/// Largest relative deviation from the plan at which a count of prompt tokens is accepted.
const SPREAD_MAX: f64 = 0.2;

/// Microseconds of the window in which peak tokens are counted.
const WINDOW_US: u64 = 1_000_000;

/// Columns of a row that is being gathered.
pub(super) type RowColumns = BTreeMap<Column, SpreadBuilder>;

/// Rows of one visited cell: prefill and decode.
#[derive(Clone, Debug, Default)]
pub(super) struct Pair {
    pub(super) prefill: RowColumns,
    pub(super) decode: RowColumns,
}

impl Pair {
    /// Adds a round. `expected` replaces the server's count of prompt tokens where that is far off.
    pub(super) fn add(&mut self, requests: &[&Request], batch: &Batch, expected: u64) {
        for request in requests {
            self.take_prefill(request, batch.models_us, expected);
            self.take_decode(request);
        }
        // With one stream, llama-benchy gives the mean of requests in both columns.
        if batch.group.streams() > 1 {
            put(&mut self.prefill, Column::Ts, together_prefill(requests, expected));
            put(&mut self.decode, Column::Ts, together_decode(requests));
        }
        let span = batch.first.zip(batch.last).map(|(first, last)| last.since(first));
        put(&mut self.decode, Column::PeakTs, peak(batch.peak_tokens, span));
    }

    fn take_prefill(&mut self, request: &Request, models_us: Option<u64>, expected: u64) {
        let columns = &mut self.prefill;
        let ms = |us: u64| us as f64 / 1e3;
        put(columns, Column::Ttfr, request.first_byte_us.map(ms));
        put(columns, Column::E2eTtft, request.ttft_us.map(ms));
        if request.ttft_us.is_none() {
            return;
        }
        let spent = |ttfr_us: u64, models_us: u64| ttfr_us.saturating_sub(models_us);
        let spent_us =
            request.first_byte_us.zip(models_us).map(|(ttfr, models)| spent(ttfr, models));
        put(columns, Column::EstPpt, spent_us.map(ms));
        let prompt = prompt_tokens(request, expected);
        let rate = spent_us.and_then(|us| rate(prompt, us));
        put(columns, Column::TsReq, rate);
        if request.cell.streams() == 1 {
            put(columns, Column::Ts, rate);
        }
    }

    fn take_decode(&mut self, request: &Request) {
        let columns = &mut self.decode;
        // What arrived in one piece has no rate.
        let span_us = request.ttft_us.zip(request.last_us).filter(|_| !request.came_at_once());
        let span_us = span_us.map(|(first, last)| last.saturating_sub(first));
        let speed = after_first(request).zip(span_us).and_then(|(tokens, us)| rate(tokens, us));
        put(columns, Column::TsReq, speed);
        if request.cell.streams() == 1 {
            put(columns, Column::Ts, speed);
        }
        put(columns, Column::PeakTsReq, peak(request.peak_tokens, span_us));
    }
}

fn put(columns: &mut RowColumns, column: Column, value: Option<f64>) {
    if let Some(value) = value {
        columns.entry(column).or_default().push(value);
    }
}

/// Returns tokens per second; `None` without tokens or without time.
fn rate(tokens: u64, us: u64) -> Option<f64> {
    (tokens > 0 && us > 0).then(|| tokens as f64 / (us as f64 / 1e6))
}

/// Returns the server's count of a prompt where it is near the expected one, otherwise the expected
/// one. So a prompt behind a loaded context counts without the context, cached or not.
fn prompt_tokens(request: &Request, expected: u64) -> u64 {
    let near = |tokens: &u64| (tokens.abs_diff(expected) as f64) < expected as f64 * SPREAD_MAX;
    request.prompt_tokens.filter(near).unwrap_or(expected)
}

/// Returns the tokens after those of the first chunk. Without a count of the first chunk's tokens,
/// llama-benchy spreads all tokens evenly from the first chunk to the last, so that one token lies
/// at the start.
fn after_first(request: &Request) -> Option<u64> {
    let output = request.output_tokens?;
    output.checked_sub(request.first_tokens.unwrap_or(1))
}

/// Returns the prefill rate of all streams, from the first sending to the last first token.
fn together_prefill(requests: &[&Request], expected: u64) -> Option<f64> {
    let tokens = requests.iter().map(|request| prompt_tokens(request, expected)).sum();
    let began = requests.iter().map(|request| request.sent).min()?;
    let until = firsts(requests).max()?;
    rate(tokens, until.since(began))
}

/// Returns the decode rate of all streams after the first chunk of each, from the first token of
/// any to the last.
fn together_decode(requests: &[&Request]) -> Option<f64> {
    // One stream without a token count makes the sum wrong, so there is no sum.
    if requests.iter().any(|request| request.came_at_once()) {
        return None;
    }
    let tokens = requests.iter().map(|request| after_first(request)).sum::<Option<u64>>()?;
    let lasts = requests.iter().filter_map(|it| it.last_us.map(|us| At(it.sent.0 + us)));
    rate(tokens, lasts.max()?.since(firsts(requests).min()?))
}

fn firsts(requests: &[&Request]) -> impl Iterator<Item = At> {
    requests.iter().filter_map(|request| request.ttft_us.map(|us| At(request.sent.0 + us)))
}

/// Returns the peak tokens in any one second; for a shorter answer, its tokens over its time.
fn peak(tokens: Option<u64>, span_us: Option<u64>) -> Option<f64> {
    let (tokens, span_us) = (tokens?, span_us?);
    if span_us < WINDOW_US && span_us > 0 { rate(tokens, span_us) } else { Some(tokens as f64) }
}
