//! Writes the numbers of every cell for scripts.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::page::{CellNumbers, Numbers};
use crate::stats::Estimate;

#[derive(Serialize)]
pub(super) struct Row<'a> {
    phase: &'static str,
    workload: &'a str,
    class: &'static str,
    /// `None` where the depth grows from ask to ask.
    cell: Option<String>,
    endings: BTreeMap<&'static str, u64>,
    in_outage: u64,
    at_once: u64,
    delayed: u64,
    off_depth: u64,
    /// Median share of a round's time in which streams waited for the prefill of others.
    stagger: Option<f64>,
    cached_share: Option<f64>,
    checks: &'a BTreeMap<String, u64>,
    measures: BTreeMap<&'static str, Statistics>,
}

/// Statistics of a quantity. One of which only a bound is known is null, and the bound is in `above`
/// or `below`.
#[derive(Serialize)]
struct Statistics {
    n: u64,
    mean: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    /// Ends of each percentile's interval; `None` for one that is not known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    intervals: BTreeMap<&'static str, [Option<f64>; 2]>,
    saturated: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    above: BTreeMap<&'static str, f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    below: BTreeMap<&'static str, f64>,
}

pub(super) fn row<'a>(cell: &'a CellNumbers<'_>) -> Row<'a> {
    let measures = cell.measures.iter();
    Row {
        phase: cell.phase.word(),
        workload: &cell.group.workload,
        class: cell.group.class.word(),
        cell: cell.group.cell.map(|cell| cell.to_string()),
        endings: super::words(cell.endings),
        in_outage: cell.in_outage,
        at_once: cell.at_once,
        delayed: cell.delayed,
        off_depth: cell.off_depth,
        stagger: cell.stagger,
        cached_share: cell.cached_share,
        checks: cell.checks,
        measures: measures.map(|(quantity, of)| (quantity.word(), statistics(of))).collect(),
    }
}

fn statistics(of: &Numbers) -> Statistics {
    let all = [
        ("mean", of.mean),
        ("min", of.min),
        ("max", of.max),
        ("p50", of.p50),
        ("p95", of.p95),
        ("p99", of.p99),
    ];
    let bounds = |bound: fn(Estimate) -> Option<f64>| {
        all.iter().filter_map(|(name, value)| Some((*name, bound((*value)?)?))).collect()
    };
    let known = |value: Option<Estimate>| value.and_then(Estimate::known);
    let intervals =
        [("p50", of.intervals.p50), ("p95", of.intervals.p95), ("p99", of.intervals.p99)];
    let intervals = intervals.into_iter();
    Statistics {
        n: of.n,
        mean: known(of.mean),
        min: known(of.min),
        max: known(of.max),
        p50: known(of.p50),
        p95: known(of.p95),
        p99: known(of.p99),
        intervals: intervals.filter_map(|(name, it)| Some((name, it?.ends()))).collect(),
        saturated: of.saturated,
        above: bounds(Estimate::above),
        below: bounds(Estimate::below),
    }
}
