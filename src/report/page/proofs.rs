//! States the coverage of a run, what the run proves, and what it does not.

use crate::analysis::cache::CacheState;
use crate::analysis::{Analysis, RunDescription};
use crate::fact::{Cell, Ended, Load};
use crate::measure::{Count, RequestShare};
use crate::report::words::{at_least_so_long, counted, percent};
use crate::spec::Select;
use crate::unit::grouped;
use crate::verdict::gate::event_name;
use crate::verdict::{Proof, Verdict};

use super::bounds;

/// Least outage that may have been missed that is told with the proof, seconds.
const HIDDEN_MIN_S: f64 = 1.0;

/// Proofs of a run, and their limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proofs {
    /// Sources by coverage: `100 %: requests, probes`.
    pub seen: Vec<String>,
    /// Classes of requests, and whether the server's cache was to them what their names say.
    pub cache: Vec<String>,
    /// Mean time between failures; `None` where nothing is proven: without a failure, if a crash may
    /// have happened unobserved, or if the last requests all ended badly.
    pub mtbf: Option<String>,
    /// Chance that a failing server passes, and the share of parser faults: a sentence each.
    pub also: Vec<String>,
    /// Limits of the proof, the most important first.
    pub not: String,
}

impl Proofs {
    /// Returns the proofs of a run.
    pub(crate) fn of(asked: &RunDescription, analysis: &Analysis, verdict: &Verdict) -> Proofs {
        let (seen, cache) = (seen(analysis), cache(analysis));
        let mtbf = mtbf(analysis, verdict);
        let also = also(verdict);
        Proofs { seen, cache, mtbf, also, not: not(asked, analysis) }
    }
}

fn also(verdict: &Verdict) -> Vec<String> {
    let of = &verdict.exposure;
    if of.failures.load_s <= 0.0 {
        return Vec::new();
    }
    bounds::chance(of, 1).into_iter().chain(bounds::parser_faults(of)).collect()
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

/// Returns the time between failures, with what is no failure beside it: bad endings, and restarts
/// that somebody ordered.
fn mtbf(analysis: &Analysis, verdict: &Verdict) -> Option<String> {
    let shows = |proof: &&Proof| proof.failures > 0 || !proof.is_blind();
    let proof = verdict.proof.as_ref().filter(shows)?;
    // A server that may have been dead at the end shows no time without a failure.
    if proof.failures == 0 && analysis.unanswered.is_dead() {
        return None;
    }
    let mut words = proof.to_string();
    let bad = analysis.portion(RequestShare::Errors, &Select::default());
    let restarts = analysis.incidents_of(Count::Restarts, None).into_iter();
    let restarts = restarts.filter(|incident| !incident.is_failure()).count() as u64;
    if let Some(rest) = words.strip_prefix("no failure").filter(|_| bad.part + restarts > 0) {
        words = format!("no crash, OOM, hang or outage{rest}");
    }
    if restarts > 0 {
        let restarts = counted(restarts, "restart", "restarts");
        words = format!("{words}; {restarts} by somebody's order");
    }
    if let Some(share) = bad.value().filter(|share| *share > 0.0) {
        words = format!("{words}; {} of the requests ended badly", percent(share));
    }
    // Of what was seen, there may be more.
    let (more, unseen): (Vec<Count>, Vec<Count>) =
        proof.unseen.iter().partition(|it| !analysis.incidents_of(**it, None).is_empty());
    let names = |counts: Vec<Count>| counts.into_iter().map(|it| event_name(it).to_owned());
    let (more, mut unseen): (Vec<String>, Vec<String>) =
        (names(more).collect(), names(unseen).collect());
    if !more.is_empty() {
        words = format!("{words}; not all observed: {}", more.join(", "));
    }
    let outages = analysis.coverage.of(Count::Outages);
    if let Some(hidden_s) = outages.and_then(|it| it.hidden_s).filter(|it| *it >= HIDDEN_MIN_S)
        && !proof.unseen.contains(&Count::Outages)
    {
        unseen.push(format!("outages under {}", at_least_so_long(hidden_s)));
    }
    if unseen.is_empty() {
        return Some(words);
    }
    Some(format!("{words}; not observed: {}", unseen.join(", ")))
}

/// Returns the limits of the proof: it speaks of cells of which a request was answered.
fn not(asked: &RunDescription, analysis: &Analysis) -> String {
    let every = Select::default();
    let answered = analysis.atoms_of(&every).filter(|atom| atom.count(Ended::is_good) > 0);
    let cells: Vec<Cell> = answered.filter_map(|atom| atom.group.cell).collect();
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
