//! Adds up the exposures of several runs of one recipe. Runs that would count twice, or of another
//! server, are refused.

use std::collections::BTreeSet;

use crate::error::Mistake;
use crate::exit::Exit;
use crate::fact::ClosedBecause;
use crate::measure::{Count, Measure};
use crate::spec::Limit;

use super::{EventExposure, Exposure, Verdict, VerdictWord};

/// Digits of a recipe's hash that tell recipes apart for people.
const HASH_DIGITS: usize = 12;

/// Run, as far as several are added up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PooledRun {
    /// Run folder.
    pub folder: String,
    /// Fingerprint of the run itself: a copy has the same.
    pub fingerprint: String,
    /// Recipe's name, and the SHA-256 of its text.
    pub recipe: String,
    pub recipe_sha256: String,
    pub scenario: String,
    pub seed: u64,
    /// Whether the server was simulated.
    pub simulated: bool,
    /// Ailments of the simulated server.
    pub ailments: Vec<String>,
    /// Address of the server, and the machine that it was reached from.
    pub server: String,
    /// Version that the server reported.
    pub version: Option<String>,
    /// Periods of the run, microseconds since 1970: from, until.
    pub periods: Vec<(u64, u64)>,
    /// Whether rows of its journal are lost.
    pub has_lost_rows: bool,
    pub exposure: Exposure,
    pub word: VerdictWord,
    pub exit: Exit,
    /// Reasons why it is not PASS, the gravest first: of the run as a whole, then each gate that
    /// did not pass.
    pub why: Vec<String>,
    pub closed: Option<ClosedBecause>,
    /// Gates of its contract on the mean time between failures: text, and limit in seconds.
    pub gates: Vec<(String, f64)>,
}

/// Several runs of one recipe.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pool {
    /// Runs, in the order given; at least one.
    pub runs: Vec<PooledRun>,
    /// Sum of their exposures.
    pub total: Exposure,
    /// Worst word, and the exit code of the worst run.
    pub word: VerdictWord,
    pub exit: Exit,
    /// Gates on the mean time between failures, judged by the sum. They do not change `word`.
    pub gates: Vec<(String, VerdictWord)>,
    /// Notes on the sum, a sentence each.
    pub notes: Vec<String>,
}

impl Pool {
    /// Adds up runs.
    ///
    /// # Errors
    /// No run, runs of several recipes, of a simulated and a real server, a run given twice, or two
    /// that loaded one server at the same time.
    pub(crate) fn of(runs: Vec<PooledRun>) -> Result<Pool, Mistake> {
        let Some(worst) = runs.iter().max_by_key(|run| severity(run.exit)) else {
            return Err(Mistake::new("there is no run").hint("longhaul report RUN RUN"));
        };
        no_run_twice(&runs)?;
        one_kind(&runs)?;
        one_recipe(&runs)?;
        no_time_twice(&runs)?;
        let total = Exposure::total(runs.iter().map(|run| &run.exposure));
        Ok(Pool {
            word: runs.iter().map(|run| run.word).max().unwrap_or(VerdictWord::Inconclusive),
            exit: worst.exit,
            gates: gates(&runs, &total),
            notes: notes(&runs, &total),
            total,
            runs,
        })
    }
}

impl PooledRun {
    /// Returns the gates on the mean time between failures of a verdict.
    pub(crate) fn gates_of(verdict: &Verdict) -> Vec<(String, f64)> {
        let gates = verdict.gates.iter().filter(|gate| gate.measure == Measure::Mtbf);
        let limits = gates.filter_map(|gate| match gate.limit {
            Limit::AtLeast(limit) => Some((gate.text.clone(), limit)),
            _ => None,
        });
        limits.collect()
    }

    /// Returns the reasons why a run is not PASS.
    pub(crate) fn why_of(verdict: &Verdict) -> Vec<String> {
        let mut why = verdict.reasons.clone();
        for word in [VerdictWord::Fail, VerdictWord::Inconclusive] {
            let gates = verdict.gates.iter().filter(|gate| gate.word == word);
            let mut texts: Vec<String> =
                gates.map(|gate| format!("{} {}", word.word(), gate.text)).collect();
            // A gate of several depths has a result for each.
            texts.dedup();
            why.append(&mut texts);
        }
        why
    }

    fn recipe_named(&self) -> String {
        let hash: String = self.recipe_sha256.chars().take(HASH_DIGITS).collect();
        format!("{} {hash}", self.recipe)
    }
}

/// Returns the rank of an exit code: a broken gate is the worst.
fn severity(exit: Exit) -> u8 {
    match exit {
        Exit::Pass => 0,
        Exit::Inconclusive => 1,
        Exit::Interrupted => 2,
        Exit::Fault | Exit::Mistake => 3,
        Exit::Fail => 4,
    }
}

/// Returns the first two runs of which `clash` holds.
fn pair(
    runs: &[PooledRun],
    clash: impl Fn(&PooledRun, &PooledRun) -> bool,
) -> Option<(&PooledRun, &PooledRun)> {
    runs.iter().enumerate().find_map(|(index, one)| {
        let before = runs[..index].iter().find(|other| clash(other, one))?;
        Some((before, one))
    })
}

fn no_run_twice(runs: &[PooledRun]) -> Result<(), Mistake> {
    let Some((one, other)) = pair(runs, |one, other| one.fingerprint == other.fingerprint) else {
        return Ok(());
    };
    Err(Mistake::new("the same run is given twice")
        .at(format!("{} · {}", one.folder, other.folder))
        .hint("every run once; a copy of one, or the link `latest` to it, counts as the same"))
}

fn one_kind(runs: &[PooledRun]) -> Result<(), Mistake> {
    let Some((one, other)) = pair(runs, |one, other| one.simulated != other.simulated) else {
        return Ok(());
    };
    let (simulated, real) = if one.simulated { (one, other) } else { (other, one) };
    Err(Mistake::new("runs of a simulated and of a real server do not add up")
        .at(format!("{} is simulated · {} is not", simulated.folder, real.folder)))
}

fn one_recipe(runs: &[PooledRun]) -> Result<(), Mistake> {
    let mut recipes: Vec<(&PooledRun, Vec<&str>)> = Vec::new();
    for run in runs {
        let known = recipes.iter_mut().find(|(of, _)| of.recipe_sha256 == run.recipe_sha256);
        match known {
            Some((_, folders)) => folders.push(&run.folder),
            None => recipes.push((run, vec![&run.folder])),
        }
    }
    if recipes.len() < 2 {
        return Ok(());
    }
    let named = recipes.iter().map(|(of, all)| format!("{}: {}", of.recipe_named(), all.join(" ")));
    let what = format!("{} recipes: only runs of one recipe add up", recipes.len());
    let mistake = Mistake::new(what).at(named.collect::<Vec<_>>().join(" · "));
    Err(recipes.iter().fold(mistake, |mistake, (_, folders)| {
        mistake.hint(format!("longhaul report {}", folders.join(" ")))
    }))
}

/// Refuses real runs that loaded one server at the same time. Rehearsals begin at one instant, and
/// share nothing.
fn no_time_twice(runs: &[PooledRun]) -> Result<(), Mistake> {
    let meets =
        |(from, until): &(u64, u64), other: &(u64, u64)| from < &other.1 && &other.0 < until;
    let clash = |one: &PooledRun, other: &PooledRun| {
        let is_one_server = !one.simulated && one.server == other.server;
        is_one_server
            && one.periods.iter().any(|it| other.periods.iter().any(|other| meets(it, other)))
    };
    let Some((one, other)) = pair(runs, clash) else { return Ok(()) };
    Err(Mistake::new("two runs loaded one server at the same time, which would count twice")
        .at(format!("{} · {}", one.folder, other.folder))
        .hint("one of them"))
}

/// Judges each gate on the mean time between failures by the sum. Only time counts in which every
/// kind of failure would have been observed.
fn gates(runs: &[PooledRun], total: &Exposure) -> Vec<(String, VerdictWord)> {
    let EventExposure { seen, load_s, watched_s } = total.failures;
    let watched_s = total.kinds.iter().map(|(_, of)| of.watched_s).fold(watched_s, f64::min);
    let of = EventExposure { seen, load_s, watched_s };
    let mut judged: Vec<(String, VerdictWord)> = Vec::new();
    for (text, limit_s) in runs.iter().flat_map(|run| &run.gates) {
        if judged.iter().any(|(known, _)| known == text) {
            continue;
        }
        let word = if of.high_s().is_some_and(|high_s| high_s < *limit_s) {
            VerdictWord::Fail
        } else if of.low_s().is_some_and(|low_s| low_s >= *limit_s)
            && runs.iter().all(|run| !run.has_lost_rows)
        {
            VerdictWord::Pass
        } else {
            VerdictWord::Inconclusive
        };
        judged.push((text.clone(), word));
    }
    judged
}

fn notes(runs: &[PooledRun], total: &Exposure) -> Vec<String> {
    let several = |of: fn(&PooledRun) -> String| {
        let values: BTreeSet<String> = runs.iter().map(of).collect();
        (values.len() > 1).then(|| values.into_iter().collect::<Vec<_>>().join(", "))
    };
    let mut notes = Vec::new();
    if let Some(versions) = several(|run| run.version.clone().unwrap_or("unknown".to_owned())) {
        notes.push(format!("the server's version was not always the same: {versions}"));
    }
    if let Some(ailments) = several(|run| match run.ailments.join(" + ") {
        none if none.is_empty() => "none".to_owned(),
        ailments => ailments,
    }) {
        notes.push(format!("the ailments were not always the same: {ailments}"));
    }
    if let Some(scenarios) = several(|run| run.scenario.clone()) {
        notes.push(format!("time under load adds up whatever the load was: {scenarios}"));
    }
    notes.extend(unwatched(total));
    let lost = runs.iter().filter(|run| run.has_lost_rows).map(|run| run.folder.as_str());
    let lost: Vec<&str> = lost.collect();
    if !lost.is_empty() {
        notes.push(format!("lost rows could have shown a failure: {}", lost.join(", ")));
    }
    notes
}

/// Returns a sentence on each kind of failure that part of the time could not have shown.
fn unwatched(total: &Exposure) -> Vec<String> {
    let load_s = total.failures.load_s;
    let kinds = total.kinds.iter().filter(|(_, of)| of.watched_s < load_s);
    let told = kinds.map(|(count, of): &(Count, EventExposure)| {
        let name = Measure::Count(*count);
        if of.watched_s <= 0.0 {
            return format!("{name} were not observed in any of the runs");
        }
        let watched = crate::unit::span(of.watched_s);
        format!("{name} were observed in {watched} only")
    });
    told.collect()
}

#[cfg(test)]
pub(crate) mod tests;
