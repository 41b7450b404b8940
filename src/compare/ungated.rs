//! Collects measures that have no gate: restarts, outages, the share of bad endings, and the
//! coverage of each source.

use crate::fact::Group;
use crate::measure::{Count, Measure};
use crate::verdict::slots::STAGGER_MIN;

use super::Start;

/// Measure of both sides, for reading side by side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UngatedMeasure {
    pub name: String,
    /// Value of the base: a number, or a share; `None` where it is unknown.
    pub base: Option<f64>,
    /// Value of the candidate.
    pub candidate: Option<f64>,
    /// Whether the values are shares, 0 to 1.
    pub is_share: bool,
}

/// Events that are reported without a gate.
const EVENTS: [Count; 2] = [Count::Restarts, Count::Outages];

/// Returns the measures of two sides that have no gate.
pub(crate) fn noted(base: &[Start], candidate: &[Start]) -> Vec<UngatedMeasure> {
    let mut noted: Vec<UngatedMeasure> = EVENTS
        .iter()
        .map(|count| UngatedMeasure {
            name: Measure::Count(*count).to_string(),
            base: event(*count, base),
            candidate: event(*count, candidate),
            is_share: false,
        })
        .collect();
    noted.push(UngatedMeasure {
        name: "errors".to_owned(),
        base: errors(base),
        candidate: errors(candidate),
        is_share: true,
    });
    noted.extend(stagger(base, candidate));
    noted
}

/// Returns the share of a round in which streams waited for the prefill of others, of the group with
/// the most streams in which it is largest: the throughput of these rounds is no decode rate.
fn stagger(base: &[Start], candidate: &[Start]) -> Option<UngatedMeasure> {
    let mean = |side: &[Start], group: &Group| {
        let shares: Vec<f64> =
            side.iter().filter_map(|start| start.stagger.get(group).copied()).collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    };
    let groups = base.iter().chain(candidate).flat_map(|start| start.stagger.keys());
    let largest = |group: &&Group| {
        let shares = [base, candidate].map(|side| mean(side, group).unwrap_or(0.0));
        (group.streams(), shares[0].max(shares[1]))
    };
    let group = groups.max_by(|a, b| {
        let (a, b) = (largest(a), largest(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    })?;
    let is_told = largest(&group).1 >= STAGGER_MIN;
    is_told.then(|| UngatedMeasure {
        name: format!("waiting for prefill in {}", group.among(std::iter::once(group))),
        base: mean(base, group),
        candidate: mean(candidate, group),
        is_share: true,
    })
}

/// Returns the coverage of each source, in the start of a side with the least.
pub(crate) fn coverage(base: &[Start], candidate: &[Start]) -> Vec<UngatedMeasure> {
    let least = |side: &[Start], name: &str| {
        let of = side.iter().flat_map(|start| &start.sources).filter(|(known, _)| *known == name);
        of.map(|(_, share)| *share).reduce(f64::min)
    };
    let names = candidate.first().into_iter().flat_map(|start| &start.sources);
    names
        .map(|(name, _)| UngatedMeasure {
            name: (*name).to_owned(),
            base: least(base, name),
            candidate: least(candidate, name),
            is_share: true,
        })
        .collect()
}

/// Returns the count of an event. A zero is known only with sufficient coverage.
fn event(count: Count, side: &[Start]) -> Option<f64> {
    let events = || side.iter().filter_map(move |start| start.event(count));
    let seen: u64 = events().map(|event| event.seen).sum();
    let is_unread = events().any(|event| !event.unseen.is_empty());
    (seen > 0 || !side.is_empty() && !is_unread).then_some(seen as f64)
}

fn errors(side: &[Start]) -> Option<f64> {
    let (bad, of) =
        side.iter().fold((0, 0), |sum, start| (sum.0 + start.errors.0, sum.1 + start.errors.1));
    (of > 0).then(|| bad as f64 / of as f64)
}
