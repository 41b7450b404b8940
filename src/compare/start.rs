//! One server start, as a comparison sees it: a value for each cell and
//! measure, what befell it, and what it was.

use std::collections::BTreeMap;

use crate::analysis::{Analysis, Notes, statistic};
use crate::fact::{ClosedBecause, Ended, Group};
use crate::measure::{Count, Measure, Portion, Quantity, Statistic};
use crate::spec::recipe::ReadRecipe;
use crate::spec::{Limit, Select};
use crate::stats::Dist;
use crate::verdict::{Verdict, Word};

use super::comparable::Alike;

/// What is compared in every cell: medians, and tails where there are values enough.
pub(crate) const MEASURES: [(Quantity, Statistic); 5] = [
    (Quantity::Ttft, Statistic::P50),
    (Quantity::Ttft, Statistic::P95),
    (Quantity::Tpot, Statistic::P50),
    (Quantity::Tpot, Statistic::P95),
    (Quantity::Throughput, Statistic::P50),
];

/// The events that policy looks at, in the order in which they are told.
pub(crate) const EVENTS: [Count; 5] =
    [Count::Crashes, Count::Ooms, Count::Hangs, Count::Restarts, Count::Outages];

/// Checks that fire on what a parser did to an answer.
const PARSER_CHECKS: [&str; 2] = ["swallowed", "replacement"];

/// What is compared: a measure of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MeasureKey {
    /// What was asked.
    pub group: Group,
    pub measure: Measure,
}

/// A start's value of something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StartValue {
    /// In the measure's base unit.
    pub value: f64,
    /// Samples behind it.
    pub n: u64,
}

/// How often something befell a start, and whether it would have been seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventCount {
    pub count: Count,
    pub seen: u64,
    /// Why it could not be seen for long enough, a word for each dark half; empty where it could.
    pub dark: Vec<String>,
    /// Whether the scenario's contract asks for it.
    pub asked: bool,
}

/// One server start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Start {
    /// Its name: the run folder.
    pub name: String,
    /// Fingerprint of the run itself: a copy has the same.
    pub run: String,
    /// The server's own start, where it is known: two runs against one living server have the same.
    pub born: Option<String>,
    /// Whether the server was longhaul's own model of one.
    pub simulated: bool,
    /// Hours of service under load that were judged.
    pub hours: f64,
    /// Values by cell and measure, of the steady state.
    pub values: BTreeMap<MeasureKey, StartValue>,
    /// What befell it.
    pub events: Vec<EventCount>,
    /// For how much of the time each source was looking, a share.
    pub sources: Vec<(&'static str, f64)>,
    /// Answers that a parser damaged.
    pub parser_faults: u64,
    /// Requests that ended badly, and all that ended by themselves.
    pub errors: (u64, u64),
    /// Starts of it that failed before one came up, or altogether.
    pub failed_starts: u64,
    /// Why it never became ready, where it did not.
    pub never_ready: Option<String>,
    /// Why it is not all of what was planned, where it was broken off.
    pub broken_off: Option<String>,
    /// Its own word.
    pub verdict: Word,
    /// The gates of its contract: each as text, its word, and why.
    pub gates: Vec<(String, Word, String)>,
    /// What must be the same for two runs to be comparable.
    pub alike: Alike,
    /// What was served, where the manifest's recipe can be read by itself.
    pub recipe: Option<ReadRecipe>,
    /// The container image and the command that the recipe came to.
    pub container: Option<String>,
    pub command: Option<String>,
    /// Where, by what, and with what else it ran: host, kernel, driver …
    pub surroundings: BTreeMap<String, String>,
    /// What the server said it is: version, image …
    pub identity: BTreeMap<String, String>,
}

/// What a start is beside what was understood of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct About {
    /// The run folder.
    pub name: String,
    /// Fingerprint of the run itself.
    pub run: String,
    /// What a simulated server's noise was made from; `None` where the server was none.
    pub server_seed: Option<u64>,
    /// What must be the same.
    pub alike: Alike,
    /// What was served.
    pub recipe: Option<ReadRecipe>,
    /// The container image.
    pub container: Option<String>,
    /// The rendered command.
    pub command: Option<String>,
    /// Host, kernel, driver …
    pub surroundings: BTreeMap<String, String>,
}

impl Start {
    /// A run, as a start.
    pub(crate) fn of(about: About, analysis: &Analysis, verdict: &Verdict) -> Start {
        let errors = analysis.portion(Portion::Errors, &Select::default());
        let never_ready = never_ready(verdict);
        Start {
            name: about.name,
            born: born(about.server_seed, &about.run, &analysis.notes),
            run: about.run,
            simulated: about.server_seed.is_some(),
            hours: analysis.calendar.load_us() as f64 / 3.6e9,
            values: values(analysis),
            events: EVENTS.iter().map(|count| event(*count, analysis, verdict)).collect(),
            sources: analysis.coverage.sources.iter().map(|half| (half.name, half.share)).collect(),
            parser_faults: parser_faults(analysis),
            errors: (errors.part, errors.of),
            failed_starts: analysis.notes.failed_starts.max(u64::from(never_ready.is_some())),
            never_ready,
            broken_off: broken_off(analysis, verdict),
            verdict: verdict.word,
            gates: gates(verdict),
            alike: about.alike,
            recipe: about.recipe,
            container: about.container,
            command: about.command,
            surroundings: about.surroundings,
            identity: analysis.notes.identity.clone(),
        }
    }

    /// What befell it of a kind.
    pub(crate) fn event(&self, count: Count) -> Option<&EventCount> {
        self.events.iter().find(|event| event.count == count)
    }
}

/// The start of the server that answered last: by what its engine or its container says, or
/// because longhaul started it in this very run.
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

/// Why a run, or what there is of it, is not all that its plan asked for.
fn broken_off(analysis: &Analysis, verdict: &Verdict) -> Option<String> {
    let told = &analysis.told;
    let rows = match told.missing_seqs {
        0 => told.torn.first().map(|_| "its files were torn".to_owned()),
        1 => Some("a row of it is missing".to_owned()),
        n => Some(format!("{n} rows of it are missing")),
    };
    let ended = match verdict.closed {
        Some(ClosedBecause::Interrupted | ClosedBecause::InterruptedTwice) => Some("interrupted"),
        Some(ClosedBecause::StopOnFail) => Some("stopped at its first broken gate"),
        Some(ClosedBecause::Fault) => Some("ended by a failure of longhaul's own"),
        Some(ClosedBecause::Away) => Some("its server was away for too long"),
        Some(ClosedBecause::Gone) => Some("its server was gone"),
        Some(ClosedBecause::OutOfTime) => Some("outages used up its time"),
        None => Some("killed, or not at its end yet"),
        Some(_) => None,
    };
    ended.map(str::to_owned).or(rows)
}

/// Values of the steady state.
fn values(analysis: &Analysis) -> BTreeMap<MeasureKey, StartValue> {
    let mut dists: BTreeMap<(&Group, Quantity), Dist> = BTreeMap::new();
    for atom in analysis.atoms.iter().filter(|atom| atom.phase.is_steady()) {
        for (quantity, dist) in &atom.dists {
            dists.entry((&atom.group, *quantity)).or_default().merge(dist);
        }
    }
    let mut values = BTreeMap::new();
    for ((group, quantity), dist) in &dists {
        // One stream alone has no throughput of its own: it is 1 / TPOT.
        if *quantity == Quantity::Throughput && group.streams() == 1 {
            continue;
        }
        for (_, wanted) in MEASURES.iter().filter(|(of, _)| of == quantity) {
            if let Some(value) = statistic(dist, *wanted).filter(|value| *value > 0.0) {
                let (group, measure) = ((*group).clone(), Measure::Of(*quantity, *wanted));
                values.insert(MeasureKey { group, measure }, StartValue { value, n: dist.n() });
            }
        }
    }
    values
}

fn event(count: Count, analysis: &Analysis, verdict: &Verdict) -> EventCount {
    let mut dark: Vec<String> = match analysis.coverage.of(count) {
        Some(covered) => covered.dark().map(crate::analysis::Half::in_words).collect(),
        None => vec!["not watched".to_owned()],
    };
    // Nobody knows what a row said that is not there.
    if analysis.told.missing_seqs > 0 {
        dark.push("rows are missing".to_owned());
    }
    let asked = verdict.gates.iter().any(|gate| {
        gate.measure == Measure::Count(count) && matches!(gate.limit, Limit::AtMost(_))
    });
    EventCount { count, seen: analysis.incidents_of(count, None).len() as u64, dark, asked }
}

/// Answers that a parser damaged: text that was swallowed or broken, bytes that are no protocol.
fn parser_faults(analysis: &Analysis) -> u64 {
    let atoms = analysis.atoms.iter();
    atoms
        .map(|atom| {
            let checks = PARSER_CHECKS.iter().filter_map(|check| atom.checks.get(*check));
            checks.sum::<u64>() + atom.count(|ended| ended == Ended::Malformed)
        })
        .sum()
}

fn never_ready(verdict: &Verdict) -> Option<String> {
    let never = [ClosedBecause::NeverReady, ClosedBecause::NeverAnswered];
    let is_never = verdict.closed.is_some_and(|closed| never.contains(&closed));
    is_never.then(|| verdict.reasons.first().cloned().unwrap_or_default())
}

fn gates(verdict: &Verdict) -> Vec<(String, Word, String)> {
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
