//! Returns the values of the quantities of one request.

use crate::fact::{Ended, Request, is_spoiled};
use crate::measure::Quantity;

/// Value of a quantity that a request has or should have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RequestValue {
    Exact(f64),
    /// A bound that it exceeded: the request was given up.
    Above(f64),
    /// A bound that it did not reach.
    Below(f64),
    /// It is in the histograms of gaps.
    InGaps,
    /// The server does not report what is needed.
    Unknown,
    /// longhaul's own delay spoiled it.
    Delayed,
}

/// Quantities that an answer does not have whose tokens came at once.
const BETWEEN_TOKENS: [Quantity; 6] = [
    Quantity::Tpot,
    Quantity::TokensPerS,
    Quantity::MaxGap,
    Quantity::Itl,
    Quantity::Gap,
    Quantity::PrefillPerS,
];

impl RequestValue {
    /// Returns the values of a request, by quantity. A quantity that it does not have by its nature
    /// is not among them, such as the time between the tokens of an answer of one token.
    pub(crate) fn all_of(request: &Request) -> Vec<(Quantity, RequestValue)> {
        match request.ended {
            ended if ended.is_good() => whole(request),
            Ended::TimedOut | Ended::Stalled => given_up(request),
            _ => Vec::new(),
        }
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// Returns the values of a whole answer.
fn whole(request: &Request) -> Vec<(Quantity, RequestValue)> {
    let late_us = request.late_us();
    let delays = [request.first_delay_us, request.last_delay_us, request.gap_delay_us];
    let [first_us, last_us, gap_us] = delays.map(Option::unwrap_or_default);
    let ends_us = first_us.saturating_add(last_us);
    let e2e_us = request.e2e_us();
    // A time from due contains what longhaul was late by.
    let since_due = |micros: u64| micros.saturating_add(late_us);
    let time = |micros: Option<u64>, delay_us: u64| match micros {
        Some(micros) if is_spoiled(delay_us, micros) => RequestValue::Delayed,
        Some(micros) => RequestValue::Exact(seconds(micros)),
        None => RequestValue::Unknown,
    };
    let mut values = vec![
        (Quantity::Ttft, time(request.ttft_us, first_us)),
        (Quantity::TtftDue, time(request.ttft_us.map(since_due), first_us)),
        (Quantity::TtftContent, time(request.ttft_content_us, content_delay(request))),
        (Quantity::E2e, time(Some(e2e_us), ends_us)),
        (Quantity::E2eDue, time(Some(since_due(e2e_us)), ends_us)),
        (Quantity::Lateness, RequestValue::Exact(seconds(late_us))),
    ];
    if request.came_at_once() {
        let spoiled = BETWEEN_TOKENS.into_iter().filter(|_| request.was_read_at_once());
        values.extend(spoiled.map(|quantity| (quantity, RequestValue::Delayed)));
        return values;
    }
    if request.has_gaps() {
        let span_us =
            request.last_us.zip(request.ttft_us).map(|(last, first)| last.saturating_sub(first));
        let of_span = |value: Option<f64>| match value {
            Some(_) if span_us.is_some_and(|us| is_spoiled(ends_us, us)) => RequestValue::Delayed,
            Some(value) => RequestValue::Exact(value),
            None => RequestValue::Unknown,
        };
        let tpot = request.tpot();
        let rate = tpot.filter(|tpot| *tpot > 0.0).map(f64::recip);
        values.push((Quantity::Tpot, of_span(tpot)));
        values.push((Quantity::TokensPerS, of_span(rate)));
        values.push((Quantity::MaxGap, time(request.max_gap_us, gap_us)));
        values.extend(gaps(request));
    }
    if request.has_prefill() {
        let rate = match request.prefill_per_s() {
            Some(_) if request.ttft_us.is_some_and(|us| is_spoiled(first_us, us)) => {
                RequestValue::Delayed
            }
            Some(rate) => RequestValue::Exact(rate),
            None => RequestValue::Unknown,
        };
        values.push((Quantity::PrefillPerS, rate));
    }
    values
}

/// Returns longhaul's own delay in the first token of visible content.
fn content_delay(request: &Request) -> u64 {
    let is_first = request.ttft_content_us == request.ttft_us;
    let gap_us = request.gap_delay_us.filter(|_| !is_first).unwrap_or(0);
    request.first_delay_us.unwrap_or(0).saturating_add(gap_us)
}

/// Returns what the histograms have of a whole answer.
fn gaps(request: &Request) -> [(Quantity, RequestValue); 2] {
    let known = |is_known: bool| match is_known {
        _ if request.has_spoiled_gaps() => RequestValue::Delayed,
        true => RequestValue::InGaps,
        false => RequestValue::Unknown,
    };
    [
        (Quantity::Itl, known(request.first_tokens.is_some())),
        (Quantity::Gap, known(request.max_gap_us.is_some())),
    ]
}

/// Returns the bounds of a request that was given up: it would have taken longer.
fn given_up(request: &Request) -> Vec<(Quantity, RequestValue)> {
    let waited_us = request.e2e_us();
    if is_spoiled(request.delay_us(), waited_us) {
        let times = [Quantity::Ttft, Quantity::TtftDue, Quantity::E2e, Quantity::E2eDue];
        return times.map(|quantity| (quantity, RequestValue::Delayed)).to_vec();
    }
    let above = |micros: u64| RequestValue::Above(seconds(micros));
    let since_due_us = request.done.since(request.due);
    let mut values =
        vec![(Quantity::E2e, above(waited_us)), (Quantity::E2eDue, above(since_due_us))];
    let Some(first_us) = request.ttft_us else {
        values.push((Quantity::Ttft, above(waited_us)));
        values.push((Quantity::TtftDue, above(since_due_us)));
        values.push((Quantity::TtftContent, above(waited_us)));
        if waited_us > 0 {
            let rate = request.cell.input() as f64 / seconds(waited_us);
            values.push((Quantity::PrefillPerS, RequestValue::Below(rate)));
        }
        return values;
    };
    let last_us = request.last_us.unwrap_or(first_us);
    let gap_us = waited_us.saturating_sub(last_us);
    values.push((Quantity::MaxGap, above(gap_us.max(request.max_gap_us.unwrap_or(0)))));
    values.push((Quantity::Gap, above(gap_us)));
    // The rest would have come after this at the earliest, all of it at once.
    let after_first = request.cell.output.saturating_sub(request.first_tokens.unwrap_or(1)).max(1);
    let tpot = seconds(waited_us.saturating_sub(first_us)) / after_first as f64;
    values.push((Quantity::Tpot, RequestValue::Above(tpot)));
    if tpot > 0.0 {
        values.push((Quantity::TokensPerS, RequestValue::Below(tpot.recip())));
    }
    values
}
