//! What must be the same for two runs to be comparable, what was changed on
//! purpose, and what changed beside it. Different loads are refused; more than
//! one changed setting is said; another host, kernel or driver is named.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Mistake;
use crate::spec::recipe::diff;

use super::{Start, Wish};

/// What must be the same: the load, by its parts, each a fingerprint or a word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alike {
    /// The scenario's name, for people.
    pub scenario: String,
    /// The scenario's text and what flags changed of it.
    pub scenario_sha256: String,
    /// What the load was made from.
    pub seed: u64,
    /// The texts that prompts were cut from.
    pub corpus: String,
    /// The plan, as it was laid out for the server.
    pub plan: String,
    /// How prompt lengths were fitted to the server's own count.
    pub fit: String,
}

impl Alike {
    /// The names of what differs.
    fn unlike(&self, other: &Alike) -> Vec<&'static str> {
        let parts = [
            ("scenario", self.scenario_sha256 != other.scenario_sha256),
            ("seed", self.seed != other.seed),
            ("texts", self.corpus != other.corpus),
            ("plan", self.plan != other.plan),
            ("prompt lengths", self.fit != other.fit),
        ];
        parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}

/// A setting of the server that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub what: String,
    /// In the base, where it is there.
    pub base: Option<String>,
    /// In the candidate.
    pub candidate: Option<String>,
}

/// What differs between two sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differs {
    /// What the servers were told to be, and what they say they are.
    pub variables: Vec<Variable>,
    /// What is around them: host, kernel, driver, clocks, longhaul itself.
    pub surroundings: Vec<Variable>,
    /// Parts of the load that are not the same, compared all the same by `force`.
    pub forced: Vec<&'static str>,
}

/// What server and engine say of themselves that a recipe may leave open.
const SAID: [(&str, &str); 4] = [
    ("version", "runtime version"),
    ("image", "container image"),
    ("model_root", "model"),
    ("max_model_len", "max_model_len"),
];

/// What differs.
///
/// # Errors
/// No run on a side, the loads are not the same and nobody forces it, or a side is of several
/// recipes.
pub fn differs(base: &[Start], candidate: &[Start], wish: &Wish) -> Result<Differs, Mistake> {
    let (Some(one), Some(other)) = (base.first(), candidate.first()) else {
        return Err(Mistake::new("a comparison needs a run on each side")
            .hint("longhaul compare BASE CANDIDATE"));
    };
    for (side, word) in [(base, "base"), (candidate, "candidate")] {
        one_recipe(side, word)?;
    }
    let mut forced = BTreeSet::new();
    for start in base.iter().chain(candidate) {
        let unlike = one.alike.unlike(&start.alike);
        if !unlike.is_empty() && !wish.force {
            return Err(refused(one, start, &unlike));
        }
        forced.extend(unlike);
    }
    Ok(Differs {
        variables: variables(one, other),
        surroundings: surroundings(base, candidate),
        forced: forced.into_iter().collect(),
    })
}

fn refused(one: &Start, other: &Start, unlike: &[&str]) -> Mistake {
    let what = format!("the two were not asked the same: {} differ", unlike.join(", "));
    let at = |start: &Start| {
        format!("{}: {}, seed {}", start.name, start.alike.scenario, start.alike.seed)
    };
    Mistake::new(what)
        .at(format!("{} · {}", at(one), at(other)))
        .hint("run both with the same scenario, flags and seed")
        .hint("--force compares where they overlap, and marks it")
}

/// Starts of one side must be of one recipe, or nobody knows what they are starts of.
fn one_recipe(side: &[Start], word: &str) -> Result<(), Mistake> {
    let Some(first) = side.first() else { return Ok(()) };
    for start in side {
        if let Some(variable) = variables(first, start).first() {
            let what = format!("the {word} mixes recipes: {} differs", variable.what);
            return Err(Mistake::new(what)
                .at(format!("{} · {}", first.name, start.name))
                .hint("starts of one and the same recipe on each side"));
        }
    }
    Ok(())
}

fn variables(one: &Start, other: &Start) -> Vec<Variable> {
    let mut variables = Vec::new();
    match (&one.recipe, &other.recipe) {
        (Some(one), Some(other)) => {
            let found = diff::between(one, other).serving;
            variables.extend(found.into_iter().map(|found| Variable {
                what: found.what,
                base: found.one,
                candidate: found.other,
            }));
        }
        // A recipe that included others cannot be read again by itself; what it came to is known.
        _ => {
            let parts: [(&str, fn(&Start) -> Option<String>); 2] =
                [("container", |it| it.container.clone()), ("command", |it| it.command.clone())];
            let parts = parts.map(|(what, of)| Variable {
                what: what.to_owned(),
                base: of(one),
                candidate: of(other),
            });
            variables.extend(parts.into_iter().filter(|it| it.base != it.candidate));
        }
    }
    let has_moved = |name: &str| variables.iter().any(|variable| variable.what == name);
    // Another container brings another version: that is one change, not two.
    if has_moved("container") {
        return variables;
    }
    let said: Vec<Variable> = SAID
        .iter()
        .filter(|(_, name)| !has_moved(name))
        .filter_map(|(subject, name)| {
            let (base, candidate) = (one.identity.get(*subject)?, other.identity.get(*subject)?);
            (base != candidate).then(|| variable(name, Some(base), Some(candidate)))
        })
        .collect();
    // The image's name and digest say what the version only follows from.
    let image = said.iter().any(|variable| variable.what == "container image");
    variables.extend(said.into_iter().filter(|it| !(image && it.what == "runtime version")));
    variables
}

fn variable(what: &str, base: Option<&String>, candidate: Option<&String>) -> Variable {
    Variable { what: what.to_owned(), base: base.cloned(), candidate: candidate.cloned() }
}

/// What is around the servers: all that any start of a side says of it, held side against side.
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
        .filter(|name| base.get(*name) != candidate.get(*name))
        .map(|name| Variable {
            what: name.clone(),
            base: words(base.get(name)),
            candidate: words(candidate.get(name)),
        })
        .collect()
}
