//! Describes one server start for a comparison: a value for each cell and measure, its events, and
//! its identity.

use std::collections::BTreeMap;

use crate::analysis::{Analysis, Notes, StreamLadder, Trends, interval, statistic, streams};
use crate::fact::{ClosedBecause, Group};
use crate::measure::{Better, Count, Measure, Quantity, RequestShare, Statistic};
use crate::spec::recipe::ReadRecipe;
use crate::spec::{Limit, Select};
use crate::stats::{Dist, Estimate, RankInterval};
use crate::verdict::{Exposure, Verdict, VerdictWord};

use super::comparable::LoadIdentity;

/// Measures that are compared in every cell: medians, and tails where there are enough values.
pub(crate) const MEASURES: [(Quantity, Statistic); 5] = [
    (Quantity::Ttft, Statistic::P50),
    (Quantity::Ttft, Statistic::P95),
    (Quantity::Tpot, Statistic::P50),
    (Quantity::Tpot, Statistic::P95),
    (Quantity::Throughput, Statistic::P50),
];

/// Events of the policies, in the order of reports.
pub(crate) const EVENTS: [Count; 5] =
    [Count::Crashes, Count::Ooms, Count::Hangs, Count::Restarts, Count::Outages];

/// Key of a compared value: a measure of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MeasureKey {
    /// Workload, class and cell.
    pub group: Group,
    pub measure: Measure,
}

/// Value of a start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StartValue {
    /// Value in the measure's base unit, or the bound that is known of it.
    pub value: Estimate,
    /// Number of samples.
    pub n: u64,
}

impl StartValue {
    /// Returns its logarithm, with the sign of `better` so that more is worse. A value of which only
    /// a bound is known is the worst of all: requests were given up.
    pub(crate) fn cost(&self, better: Better) -> f64 {
        let sign = if better == Better::Lower { 1.0 } else { -1.0 };
        self.value.known().map_or(f64::INFINITY, |value| sign * value.ln())
    }
}

/// Count of an event in a start, with its coverage.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventCount {
    pub count: Count,
    pub seen: u64,
    /// Sources with insufficient coverage, and their reasons; empty where all suffice.
    pub unseen: Vec<String>,
    /// Whether the scenario's contract has a gate on it.
    pub asked: bool,
}

/// Server start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Start {
    /// Name: the run folder.
    pub name: String,
    /// Fingerprint of the run itself: a copy has the same.
    pub run: String,
    /// Identity of the server's start, if known. Equal for two runs against one running server.
    pub server_start_id: Option<String>,
    /// Whether the server was simulated.
    pub simulated: bool,
    /// Hours of service under load that were judged.
    pub hours: f64,
    /// Values by cell and measure, of the steady state.
    pub values: BTreeMap<MeasureKey, StartValue>,
    /// Intervals of the percentiles among these values.
    pub intervals: BTreeMap<MeasureKey, RankInterval>,
    /// Distributions whose medians are among these values.
    pub dists: BTreeMap<MeasureKey, Dist>,
    /// Changes over the hours.
    pub trends: Trends,
    /// Exposure to failures, by kind.
    pub exposure: Exposure,
    /// Throughput and times by number of streams, for each depth.
    pub streams: Vec<StreamLadder>,
    /// Counts of events.
    pub events: Vec<EventCount>,
    /// Coverage of each source, a share of the time.
    pub sources: Vec<(&'static str, f64)>,
    /// Median share of a round's time in which streams waited for the prefill of others, by group.
    pub stagger: BTreeMap<Group, f64>,
    /// Share of the cold prompts that came from the cache, where that is more than a few.
    pub cold_from_cache: Option<f64>,
    /// Count of answers that a parser damaged.
    pub parser_faults: u64,
    /// Count of requests that ended badly, and of all that ended by themselves.
    pub errors: (u64, u64),
    /// Count of failed starts before one came up, or in total.
    pub failed_starts: u64,
    /// Reason why the server never became ready, where it did not.
    pub never_ready: Option<String>,
    /// Reason why the run is incomplete, where it is.
    pub broken_off: Option<String>,
    /// Verdict word of the run.
    pub verdict: VerdictWord,
    /// Gates of its contract: text, word and reason of each.
    pub gates: Vec<(String, VerdictWord, String)>,
    /// Properties that must be equal for two runs to be comparable.
    pub load_identity: LoadIdentity,
    /// Recipe, where the manifest's recipe can be read without its includes.
    pub recipe: Option<ReadRecipe>,
    /// Printable container image and command of the recipe.
    pub container: Option<String>,
    pub command: Option<String>,
    /// Surroundings: host, kernel, driver …
    pub surroundings: BTreeMap<String, String>,
    /// Identity as the server reported it: version, image …
    pub identity: BTreeMap<String, String>,
}

/// Description of a start besides its analysis.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StartDescription {
    /// Run folder.
    pub name: String,
    /// Fingerprint of the run itself.
    pub run: String,
    /// Whether the server was simulated.
    pub simulated: bool,
    /// Seed of the noise of a simulated server that longhaul started; `None` for any other.
    pub server_seed: Option<u64>,
    /// Properties that must be equal.
    pub alike: LoadIdentity,
    /// Recipe of the server.
    pub recipe: Option<ReadRecipe>,
    /// Container image.
    pub container: Option<String>,
    /// Printable command.
    pub command: Option<String>,
    /// Surroundings: host, kernel, driver …
    pub surroundings: BTreeMap<String, String>,
}

impl Start {
    /// Converts a run to a start.
    pub(crate) fn of(about: StartDescription, analysis: &Analysis, verdict: &Verdict) -> Start {
        let errors = analysis.portion(RequestShare::Errors, &Select::default());
        let never_ready = never_ready(verdict);
        let SteadyValues { values, intervals, dists } = values(analysis);
        Start {
            name: about.name,
            server_start_id: born(about.server_seed, &about.run, &analysis.notes),
            run: about.run,
            simulated: about.simulated,
            hours: analysis.calendar.load_us() as f64 / 3.6e9,
            values,
            intervals,
            dists,
            trends: analysis.trends.clone(),
            exposure: verdict.exposure.clone(),
            streams: streams::ladders(analysis),
            events: EVENTS.iter().map(|count| event(*count, analysis, verdict)).collect(),
            sources: analysis
                .coverage
                .sources
                .iter()
                .map(|source| (source.name, source.share))
                .collect(),
            stagger: stagger(analysis),
            cold_from_cache: super::cold::from_cache(analysis),
            parser_faults: parser_faults(analysis),
            errors: (errors.part, errors.of),
            failed_starts: analysis.notes.failed_starts.max(u64::from(never_ready.is_some())),
            never_ready,
            broken_off: broken_off(analysis, verdict),
            verdict: verdict.word,
            gates: gates(verdict),
            load_identity: about.alike,
            recipe: about.recipe,
            container: about.container,
            command: about.command,
            surroundings: about.surroundings,
            identity: analysis.notes.identity.clone(),
        }
    }

    /// Returns the count of an event.
    pub(crate) fn event(&self, count: Count) -> Option<&EventCount> {
        self.events.iter().find(|event| event.count == count)
    }
}

/// Returns the start of the server that answered last: as its engine or its container reports it,
/// or this run where longhaul started it.
fn born(server_seed: Option<u64>, run: &str, notes: &Notes) -> Option<String> {
    let said = |subject: &str| notes.identity.get(subject);
    if let Some(seed) = server_seed {
        return Some(format!("server seed {seed}"));
    }
    let container = || Some(format!("{} {}", said("container_id")?, said("container_started")?));
    let launched = || notes.launched.then(|| format!("started by run {run}"));
    let engine = notes.server_start_s.map(|seconds| format!("process start {seconds}"));
    engine.or_else(container).or_else(launched)
}

/// Returns why a run, or its record, is not all that its plan asked for.
fn broken_off(analysis: &Analysis, verdict: &Verdict) -> Option<String> {
    let reported = &analysis.reported;
    let rows = match reported.missing_seqs {
        0 => reported.torn.first().map(|_| "its files were torn".to_owned()),
        1 => Some("a row of it is missing".to_owned()),
        n => Some(format!("{n} rows of it are missing")),
    };
    let ended = match verdict.closed {
        Some(ClosedBecause::Done | ClosedBecause::NeverAnswered | ClosedBecause::NeverReady) => {
            None
        }
        Some(because) => Some(because.plain()),
        None => Some("killed, or not at its end yet"),
    };
    ended.map(str::to_owned).or(rows)
}

/// Values of the steady state.
#[derive(Default)]
struct SteadyValues {
    values: BTreeMap<MeasureKey, StartValue>,
    /// Intervals of the percentiles.
    intervals: BTreeMap<MeasureKey, RankInterval>,
    /// Distributions of the medians.
    dists: BTreeMap<MeasureKey, Dist>,
}

/// Returns the values of the steady state.
fn values(analysis: &Analysis) -> SteadyValues {
    let mut dists: BTreeMap<(&Group, Quantity), Dist> = BTreeMap::new();
    for atom in analysis.atoms.iter().filter(|atom| atom.phase.is_steady()) {
        for (quantity, dist) in &atom.dists {
            dists.entry((&atom.group, *quantity)).or_default().merge(dist);
        }
    }
    let mut all = SteadyValues::default();
    for ((group, quantity), dist) in &dists {
        // One stream alone has no throughput of its own: it is 1 / TPOT.
        if *quantity == Quantity::Throughput && group.streams() == 1 {
            continue;
        }
        for (_, wanted) in MEASURES.iter().filter(|(of, _)| of == quantity) {
            if let Some(value) = statistic(dist, *wanted).filter(|value| value.number() > 0.0) {
                let (group, measure) = ((*group).clone(), Measure::Of(*quantity, *wanted));
                let key = MeasureKey { group, measure };
                if *wanted == Statistic::P50 {
                    all.dists.insert(key.clone(), dist.clone());
                }
                if let Some(interval) = interval(dist, *wanted) {
                    all.intervals.insert(key.clone(), interval);
                }
                all.values.insert(key, StartValue { value, n: dist.n() });
            }
        }
    }
    all
}

/// Returns for each group of several streams how long they waited for the prefill of others.
fn stagger(analysis: &Analysis) -> BTreeMap<Group, f64> {
    let mut dists: BTreeMap<&Group, Dist> = BTreeMap::new();
    for atom in analysis.atoms.iter().filter(|atom| atom.phase.is_steady()) {
        dists.entry(&atom.group).or_default().merge(&atom.stagger);
    }
    let median =
        |(group, dist): (&Group, Dist)| Some((group.clone(), dist.percentile(0.5)?.known()?));
    dists.into_iter().filter_map(median).collect()
}

fn event(count: Count, analysis: &Analysis, verdict: &Verdict) -> EventCount {
    let mut unseen: Vec<String> = match analysis.coverage.of(count) {
        Some(covered) => covered.gaps(),
        None => vec!["not watched".to_owned()],
    };
    // A lost row may have recorded an event.
    if analysis.reported.lost.all > 0 {
        unseen.push("rows are missing".to_owned());
    }
    let asked = verdict.gates.iter().any(|gate| {
        gate.measure == Measure::Count(count) && matches!(gate.limit, Limit::AtMost(_))
    });
    EventCount { count, seen: analysis.incidents_of(count, None).len() as u64, unseen, asked }
}

/// Counts the answers that a parser damaged, those of the warm-up too.
fn parser_faults(analysis: &Analysis) -> u64 {
    analysis.atoms.iter().map(|atom| atom.damaged).sum()
}

fn never_ready(verdict: &Verdict) -> Option<String> {
    let never = [ClosedBecause::NeverReady, ClosedBecause::NeverAnswered];
    let is_never = verdict.closed.is_some_and(|closed| never.contains(&closed));
    is_never.then(|| verdict.reasons.first().cloned().unwrap_or_default())
}

fn gates(verdict: &Verdict) -> Vec<(String, VerdictWord, String)> {
    let named = verdict.gates.iter().map(|gate| {
        let depth = gate.select.depth.filter(|_| gate.expanded);
        let text = match depth {
            Some(depth) => format!("{} at d{depth}", gate.text),
            None => gate.text.clone(),
        };
        (text, gate.word, gate.why.clone())
    });
    named.collect()
}
