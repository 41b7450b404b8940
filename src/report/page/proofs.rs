//! States the coverage of a run, what the run proves, and what it does not.

use crate::analysis::cache::CacheState;
use crate::analysis::{Analysis, RunDescription};
use crate::fact::{Cell, Load};
use crate::report::words::counted;
use crate::unit::grouped;
use crate::verdict::Verdict;
use crate::verdict::gate::event_name;

/// Proofs of a run, and their limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proofs {
    /// Sources by coverage: `100 %: requests, probes`.
    pub seen: Vec<String>,
    /// Classes of requests, and whether the server's cache was to them what their names say.
    pub cache: Vec<String>,
    /// Mean time between failures; `None` where nothing is proven, or a crash may have happened
    /// unobserved.
    pub mtbf: Option<String>,
    /// Limits of the proof, the most important first.
    pub not: String,
}

impl Proofs {
    /// Returns the proofs of a run.
    pub(crate) fn of(asked: &RunDescription, analysis: &Analysis, verdict: &Verdict) -> Proofs {
        let (seen, cache) = (seen(analysis), cache(analysis));
        Proofs { seen, cache, mtbf: mtbf(verdict), not: not(asked) }
    }
}

fn seen(analysis: &Analysis) -> Vec<String> {
    if !analysis.calendar.load_began_at_all() {
        return vec!["the start only".to_owned()];
    }
    let mut by_share: Vec<(u64, Vec<&str>)> = Vec::new();
    for source in &analysis.coverage.sources {
        let share = (source.share * 100.0).floor() as u64;
        match by_share.iter_mut().find(|(known, _)| *known == share) {
            Some((_, names)) => names.push(source.name),
            None => by_share.push((share, vec![source.name])),
        }
    }
    by_share.sort_by_key(|(share, _)| std::cmp::Reverse(*share));
    let item = |(share, names): (u64, Vec<&str>)| match share {
        0 => format!("none: {}", names.join(", ")),
        share => format!("{share} %: {}", names.join(", ")),
    };
    by_share.into_iter().map(item).collect()
}

fn cache(analysis: &Analysis) -> Vec<String> {
    let item = |state: CacheState| {
        let word = state.word.word().replace('_', " ");
        let by = state.by.map_or(String::new(), |by| format!(" by {}", by.word()));
        format!("{} {word}{by}", state.class.word())
    };
    analysis.cache_states().into_iter().map(item).collect()
}

fn mtbf(verdict: &Verdict) -> Option<String> {
    let proof = verdict.proof.as_ref().filter(|proof| !proof.is_blind())?;
    let unseen: Vec<&str> = proof.unseen.iter().map(|count| event_name(*count)).collect();
    if unseen.is_empty() {
        return Some(proof.to_string());
    }
    Some(format!("{proof}; not observed: {}", unseen.join(", ")))
}

fn not(asked: &RunDescription) -> String {
    let cells = &asked.cells;
    let streams = cells.iter().map(Cell::streams).max().unwrap_or(0);
    let tokens = cells.iter().map(|cell| cell.input() + cell.output).max().unwrap_or(0);
    let mut parts = Vec::new();
    if asked.simulated {
        parts.push("anything about a real server".to_owned());
    }
    parts.push("other images or drivers".to_owned());
    if streams > 0 {
        parts.push(format!("more than {}", counted(u64::from(streams), "stream", "streams")));
    }
    let rates = cells.iter().filter_map(|cell| match cell.load {
        Load::PerSecond(rate) => Some(rate),
        Load::Streams(_) => None,
    });
    if let Some(rate) = rates.max_by(f64::total_cmp) {
        parts.push(format!("over {rate} requests/s"));
    }
    if tokens > 0 {
        parts.push(format!("over {} tokens", grouped(tokens as f64)));
    }
    parts.join(", ")
}
