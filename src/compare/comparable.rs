//! Checks that two runs are comparable, and finds what changed on purpose and what changed besides.
//! Different loads are refused; more than one changed setting is reported; another host, kernel or
//! driver is named.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Mistake;
use crate::spec::recipe::{ReadRecipe, diff};

use super::{CompareTerms, Start, Variable};

/// Properties of the load that must be equal, each a fingerprint or a word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LoadIdentity {
    /// Name of the scenario, for reports.
    pub scenario: String,
    /// Hash of the scenario's text with the changes by flags.
    pub scenario_sha256: String,
    /// Seed of the load.
    pub seed: u64,
    /// Corpus of texts from which prompts were cut.
    pub corpus: String,
    /// Plan, as it was adapted to the server.
    pub plan: String,
    /// Fingerprint of the fit of prompt lengths to the server's own count.
    pub fit: String,
    /// Tokens of all texts that prompts are made of, by that count, where there is one.
    pub counted: Option<u64>,
    /// Whether contexts were sent as the user's text, since the template refused a system message.
    pub no_system_role: bool,
}

impl LoadIdentity {
    /// Whether the same texts have the same length: by one fit, or within 1 % by both counts.
    fn is_as_long(&self, other: &LoadIdentity) -> bool {
        self.fit == other.fit || are_as_long(self.counted, other.counted)
    }

    /// Returns the names of the differences. Properties that only a server that came up has are
    /// compared only where both did.
    fn differences(&self, other: &LoadIdentity, both_ready: bool) -> Vec<&'static str> {
        let parts = [
            ("scenario", self.scenario_sha256 != other.scenario_sha256),
            ("seed", self.seed != other.seed),
            ("texts", both_ready && self.corpus != other.corpus),
            ("plan", both_ready && self.plan != other.plan),
            ("prompt lengths", both_ready && !self.is_as_long(other)),
            ("system role", both_ready && self.no_system_role != other.no_system_role),
        ];
        parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}

/// Whether two counts of the same texts agree within 1 %.
pub(super) fn are_as_long(one: Option<u64>, other: Option<u64>) -> bool {
    let counts = one.zip(other);
    counts.is_some_and(|(one, other)| one.abs_diff(other) * 100 <= one.max(other))
}

/// Differences between two sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunDifferences {
    /// Variables: settings of the servers, and the identity that they report.
    pub variables: Vec<Variable>,
    /// Sides without any record of recipe or command: base, candidate.
    pub unknown: [bool; 2],
    /// Surroundings that differ: host, kernel, driver, clocks, longhaul itself.
    pub surroundings: Vec<Variable>,
    /// Notes on how the starts are related, a sentence each.
    pub starts: Vec<String>,
    /// Parts of the load that differ and were compared by `force`.
    pub forced: Vec<&'static str>,
}

/// Identity that server and engine report and that a recipe may leave open.
const CONSEQUENCE_WORDS: [(&str, &str); 5] = [
    ("version", "runtime version"),
    (IMAGE_ID, IMAGE),
    (IMAGE_NAME, IMAGE),
    ("model_root", "model"),
    ("max_model_len", "max_model_len"),
];

/// Name of a change of the image, whichever identity shows it.
const IMAGE: &str = "container image";
const IMAGE_ID: &str = "container_image_id";
const IMAGE_NAME: &str = "container";

/// Finds the differences between two sides.
///
/// # Errors
/// A side without runs, a run or a start that counts twice, different loads without `force`, or a
/// side of several recipes.
pub(crate) fn differs(
    base: &[Start],
    candidate: &[Start],
    terms: &CompareTerms,
) -> Result<RunDifferences, Mistake> {
    let (Some(one), Some(other)) = (representative(base), representative(candidate)) else {
        return Err(Mistake::new("a comparison needs a run on each side")
            .hint("longhaul compare BASE CANDIDATE"));
    };
    for (side, word) in [(base, "base"), (candidate, "candidate")] {
        one_recipe(side, word)?;
        no_start_twice(side)?;
    }
    no_run_twice(base, candidate)?;
    let all = || base.iter().chain(candidate);
    let first = all().find(|start| is_ready(start)).unwrap_or(one);
    let mut forced = BTreeSet::new();
    for start in all() {
        let unlike = first
            .load_identity
            .differences(&start.load_identity, is_ready(first) && is_ready(start));
        if !unlike.is_empty() && !terms.force {
            return Err(refused(first, start, &unlike)
                .hint("--force compares where they overlap, and marks it"));
        }
        forced.extend(unlike);
    }
    Ok(RunDifferences {
        variables: variables(one, other),
        unknown: [one, other].map(is_unknown),
        surroundings: surroundings(base, candidate),
        starts: of_starts(base, candidate),
        forced: forced.into_iter().collect(),
    })
}

/// Checks that several starts can be pooled: one recipe, one load, and none of them twice.
///
/// # Errors
/// Starts that cannot be pooled.
pub(crate) fn check_same_load(side: &[Start]) -> Result<(), Mistake> {
    no_start_twice(side)?;
    one_recipe(side, "noise floor")?;
    let Some(first) = representative(side) else { return Ok(()) };
    for start in side {
        let unlike = first
            .load_identity
            .differences(&start.load_identity, is_ready(first) && is_ready(start));
        if !unlike.is_empty() {
            return Err(refused(first, start, &unlike));
        }
    }
    Ok(())
}

fn is_ready(start: &Start) -> bool {
    start.never_ready.is_none()
}

/// Counts the starts of a side that came up.
pub(crate) fn ready(side: &[Start]) -> usize {
    side.iter().filter(|start| is_ready(start)).count()
}

/// Returns the start of a side with the most information: one that came up, where any did.
pub(crate) fn representative(side: &[Start]) -> Option<&Start> {
    side.iter().find(|start| is_ready(start)).or(side.first())
}

/// Whether neither recipe nor command of a server is known.
fn is_unknown(start: &Start) -> bool {
    start.recipe.is_none() && start.command.is_none()
}

/// Refuses a run that is given twice, itself or as a copy, since it would count for two.
fn no_run_twice(base: &[Start], candidate: &[Start]) -> Result<(), Mistake> {
    let twice = base.iter().find_map(|one| {
        let same = candidate.iter().find(|other| other.run == one.run)?;
        Some((one, same))
    });
    let Some((one, other)) = twice else { return Ok(()) };
    Err(Mistake::new(format!("`{}` stands on both sides", one.name))
        .at(format!("{} · {}", one.name, other.name))
        .hint("a run compared with itself is always equivalent, and says nothing"))
}

/// Returns notes on related starts: one running server on both sides gives no independent starts,
/// and runs without a known server start may belong to one.
fn of_starts(base: &[Start], candidate: &[Start]) -> Vec<String> {
    let mut reported = Vec::new();
    let is_shared = |one: &&Start| {
        let same = |other: &Start| {
            one.server_start_id.is_some() && one.server_start_id == other.server_start_id
        };
        !one.simulated && candidate.iter().any(same)
    };
    if base.iter().any(|one| is_shared(&one)) {
        reported.push("one and the same server start on both sides".to_owned());
    }
    for (side, word) in [(base, "base"), (candidate, "candidate")] {
        let whys = side.iter().filter_map(|start| Some((&start.name, start.broken_off.as_ref()?)));
        reported.extend(whys.map(|(name, why)| format!("NOT WHOLE, {word} {name}: {why}")));
        let unknown =
            side.iter().filter(|start| is_ready(start) && start.server_start_id.is_none()).count();
        if side.len() > 1 && unknown > 1 {
            reported.push(format!(
                "whether {unknown} runs of the {word} are of {unknown} server starts is not known"
            ));
        }
    }
    reported
}

/// Refuses runs of the same server start on one side, since they are not independent.
fn no_start_twice(side: &[Start]) -> Result<(), Mistake> {
    for (index, one) in side.iter().enumerate() {
        let before = &side[..index];
        let at = |other: &Start| format!("{} · {}", other.name, one.name);
        if let Some(other) = before.iter().find(|other| other.run == one.run) {
            return Err(Mistake::new("the same run is given twice")
                .at(at(other))
                .hint("every run once; copies of one count as one"));
        }
        let same = |other: &&Start| {
            other.server_start_id.is_some() && other.server_start_id == one.server_start_id
        };
        if let Some(other) = before.iter().find(same) {
            let born = one.server_start_id.as_deref().unwrap_or_default();
            return Err(Mistake::new(format!("two runs are of one server start: {born}"))
                .at(at(other))
                .hint("one of them: what is compared are starts, and these two share one's luck")
                .hint("the server started anew before each run, as `longhaul sweep` does")
                .hint("--server-seed N, another for each run, where it is simulated"));
        }
    }
    Ok(())
}

/// Returns the differences between the recipe of a published table and a run.
pub(crate) fn from_published(recipe: Option<&ReadRecipe>, candidate: &Start) -> RunDifferences {
    let variables = match (recipe, &candidate.recipe) {
        (Some(one), Some(other)) => changed(one, other),
        _ => Vec::new(),
    };
    RunDifferences {
        variables,
        unknown: [recipe.is_none(), is_unknown(candidate)],
        starts: of_starts(&[], std::slice::from_ref(candidate)),
        ..RunDifferences::default()
    }
}

fn changed(one: &ReadRecipe, other: &ReadRecipe) -> Vec<Variable> {
    let found = diff::between(one, other).serving.into_iter();
    found
        .map(|found| Variable { what: found.what, base: found.one, candidate: found.other })
        .collect()
}

fn refused(one: &Start, other: &Start, unlike: &[&str]) -> Mistake {
    let what = format!("the two runs did not get the same requests: {}", unlike.join(", "));
    let at = |start: &Start| {
        format!(
            "{}: {}, seed {}",
            start.name, start.load_identity.scenario, start.load_identity.seed
        )
    };
    Mistake::new(what)
        .at(format!("{} · {}", at(one), at(other)))
        .hint("run both with the same scenario, flags and seed")
}

/// Refuses a side with starts of several recipes.
fn one_recipe(side: &[Start], word: &str) -> Result<(), Mistake> {
    let Some(first) = representative(side) else { return Ok(()) };
    for start in side {
        if let Some(variable) = variables(first, start).first() {
            let what = format!("the {word} mixes recipes: {} differs", variable.what);
            return Err(Mistake::new(what)
                .at(format!("{} · {}", first.name, start.name))
                .hint("starts of one and the same recipe"));
        }
    }
    Ok(())
}

fn variables(one: &Start, other: &Start) -> Vec<Variable> {
    let mut variables = Vec::new();
    if let (Some(one), Some(other)) = (&one.recipe, &other.recipe) {
        variables.extend(changed(one, other));
    } else {
        // A recipe with includes cannot be read again without them; its rendered parts are known.
        let parts = [
            ("container", &one.container, &other.container),
            ("command", &one.command, &other.command),
        ];
        let parts = parts.into_iter().filter(|(_, base, candidate)| base != candidate);
        variables.extend(
            parts.map(|(what, base, candidate)| variable(what, base.as_ref(), candidate.as_ref())),
        );
    }
    let has_moved = |name: &str| variables.iter().any(|variable| variable.what == name);
    // A new container brings a new version: that is one change, not two.
    if has_moved("container") {
        return variables;
    }
    let mut said: Vec<Variable> = Vec::new();
    // The image ID identifies an image; its names are ambiguous.
    let by_id = [one, other].iter().all(|start| start.identity.contains_key(IMAGE_ID));
    let counts = |subject: &str| !(by_id && subject == IMAGE_NAME);
    for (subject, name) in CONSEQUENCE_WORDS.iter().filter(|it| counts(it.0) && !has_moved(it.1)) {
        let (base, candidate) = (one.identity.get(*subject), other.identity.get(*subject));
        let differ = base.is_some() && candidate.is_some() && base != candidate;
        if differ && said.iter().all(|known| known.what != *name) {
            said.push(variable(name, base, candidate));
        }
    }
    // A changed image name or digest implies the changed version.
    let image = said.iter().any(|variable| variable.what == IMAGE);
    variables.extend(said.into_iter().filter(|it| !(image && it.what == "runtime version")));
    variables
}

fn variable(what: &str, base: Option<&String>, candidate: Option<&String>) -> Variable {
    Variable { what: what.to_owned(), base: base.cloned(), candidate: candidate.cloned() }
}

/// Compares the surroundings of the servers, with the values of all starts of a side.
fn surroundings(base: &[Start], candidate: &[Start]) -> Vec<Variable> {
    let of = |side: &[Start]| {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, value) in side.iter().flat_map(|start| &start.surroundings) {
            all.entry(name.clone()).or_default().insert(value.clone());
        }
        all
    };
    let (base, candidate) = (of(base), of(candidate));
    let names: BTreeSet<&String> = base.keys().chain(candidate.keys()).collect();
    let words = |values: Option<&BTreeSet<String>>| {
        values.map(|values| values.iter().cloned().collect::<Vec<_>>().join(" or "))
    };
    names
        .into_iter()
        .filter(|name| {
            let is_mixed = [&base, &candidate]
                .iter()
                .any(|side| side.get(*name).is_some_and(|it| it.len() > 1));
            is_mixed || base.get(*name) != candidate.get(*name)
        })
        .map(|name| Variable {
            what: name.clone(),
            base: words(base.get(name)),
            candidate: words(candidate.get(name)),
        })
        .collect()
}
