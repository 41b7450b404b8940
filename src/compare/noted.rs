//! What is not gated and worth knowing all the same: restarts, outages, the
//! share of bad endings, and for how much of the time each source was looking.

use crate::measure::{Count, Measure};

use super::Start;

/// Something of both sides, for people to read side by side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Noted {
    pub name: String,
    /// In the base: a number, or a share; `None` where it cannot be known.
    pub base: Option<f64>,
    /// In the candidate.
    pub candidate: Option<f64>,
    /// Whether the values are shares, 0 to 1.
    pub is_share: bool,
}

/// Events that are told and not gated.
const EVENTS: [Count; 2] = [Count::Restarts, Count::Outages];

/// What befell the sides beside what is gated.
pub(crate) fn noted(base: &[Start], candidate: &[Start]) -> Vec<Noted> {
    let mut noted: Vec<Noted> = EVENTS
        .iter()
        .map(|count| Noted {
            name: Measure::Count(*count).to_string(),
            base: event(*count, base),
            candidate: event(*count, candidate),
            is_share: false,
        })
        .collect();
    noted.push(Noted {
        name: "errors".to_owned(),
        base: errors(base),
        candidate: errors(candidate),
        is_share: true,
    });
    noted
}

/// For how much of the time each source was looking, in the start of a side that saw least.
pub(crate) fn coverage(base: &[Start], candidate: &[Start]) -> Vec<Noted> {
    let least = |side: &[Start], name: &str| {
        let of = side.iter().flat_map(|start| &start.sources).filter(|(known, _)| *known == name);
        of.map(|(_, share)| *share).reduce(f64::min)
    };
    let names = candidate.first().into_iter().flat_map(|start| &start.sources);
    names
        .map(|(name, _)| Noted {
            name: (*name).to_owned(),
            base: least(base, name),
            candidate: least(candidate, name),
            is_share: true,
        })
        .collect()
}

/// A zero is only known where somebody looked.
fn event(count: Count, side: &[Start]) -> Option<f64> {
    let events = || side.iter().filter_map(move |start| start.event(count));
    let seen: u64 = events().map(|event| event.seen).sum();
    let is_dark = events().any(|event| !event.dark.is_empty());
    (seen > 0 || !side.is_empty() && !is_dark).then_some(seen as f64)
}

fn errors(side: &[Start]) -> Option<f64> {
    let (bad, of) =
        side.iter().fold((0, 0), |sum, start| (sum.0 + start.errors.0, sum.1 + start.errors.1));
    (of > 0).then(|| bad as f64 / of as f64)
}
