//! One round by the definitions of llama-benchy 0.4.0, taken as they are: a
//! round is what it calls a run, a request what it calls a result.

use std::collections::BTreeMap;

use crate::fact::{Batch, Request};
use crate::unit::At;

use super::Column;
use super::spread::Gather;

/// A count of prompt tokens that is further off the plan than this is not believed.
const BELIEVED: f64 = 0.2;

/// A second, in which the most tokens are counted, microseconds.
const WINDOW_US: u64 = 1_000_000;

/// The columns of a row in the making.
pub(super) type RowColumns = BTreeMap<Column, Gather>;

/// What one visited cell gives: the row of its prompt and that of its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Pair {
    pub(super) prefill: RowColumns,
    pub(super) decode: RowColumns,
}

impl Pair {
    /// Takes a round. `expected` is how many prompt tokens are counted where the server's own
    /// count is far from it.
    pub(super) fn add(&mut self, requests: &[&Request], batch: &Batch, expected: u64) {
        for request in requests {
            self.take_prefill(request, batch.models_us, expected);
            self.take_decode(request);
        }
        // With one stream the tool gives the mean of requests in both columns.
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
        let span_us = request.ttft_us.zip(request.last_us);
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

/// Tokens per second; none where nothing took no time.
fn rate(tokens: u64, us: u64) -> Option<f64> {
    (tokens > 0 && us > 0).then(|| tokens as f64 / (us as f64 / 1e6))
}

/// The server's count of a prompt where it is near what was expected, else that. So a prompt
/// behind a loaded context counts without the context, cached or not.
fn prompt_tokens(request: &Request, expected: u64) -> u64 {
    let near = |tokens: &u64| (tokens.abs_diff(expected) as f64) < expected as f64 * BELIEVED;
    request.prompt_tokens.filter(near).unwrap_or(expected)
}

/// Tokens after those of the first chunk. Where nobody counted these, the tool spreads all
/// tokens evenly from the first chunk to the last, so that one is at its beginning.
fn after_first(request: &Request) -> Option<u64> {
    let output = request.output_tokens?;
    output.checked_sub(request.first_tokens.unwrap_or(1))
}

/// Prompt tokens of all streams, from the first sending to the last first token.
fn together_prefill(requests: &[&Request], expected: u64) -> Option<f64> {
    let tokens = requests.iter().map(|request| prompt_tokens(request, expected)).sum();
    let began = requests.iter().map(|request| request.sent).min()?;
    let until = firsts(requests).max()?;
    rate(tokens, until.since(began))
}

/// Tokens of all streams after the first of each, from the first token of any to the last.
fn together_decode(requests: &[&Request]) -> Option<f64> {
    // A stream whose tokens nobody counted: the sum would be a wrong number.
    let tokens = requests.iter().map(|request| after_first(request)).sum::<Option<u64>>()?;
    let lasts = requests.iter().filter_map(|it| it.last_us.map(|us| At(it.sent.0 + us)));
    rate(tokens, lasts.max()?.since(firsts(requests).min()?))
}

fn firsts(requests: &[&Request]) -> impl Iterator<Item = At> {
    requests.iter().filter_map(|request| request.ttft_us.map(|us| At(request.sent.0 + us)))
}

/// The most tokens in any one second; of what took less, tokens by the time that it took.
fn peak(tokens: Option<u64>, span_us: Option<u64>) -> Option<f64> {
    let (tokens, span_us) = (tokens?, span_us?);
    if span_us < WINDOW_US && span_us > 0 { rate(tokens, span_us) } else { Some(tokens as f64) }
}
