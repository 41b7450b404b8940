//! Measures the noise floor of a machine: the difference between starts of the same recipe under
//! the same load. A single run per side shows nothing about the recipe without it, and allows a
//! suggestion with it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::Mistake;
use crate::measure::Measure;
use crate::stats::shift::{self, SIDE_MAX};

use super::start::{MeasureKey, Start};
use super::{LoadIdentity, Variable, comparable};

/// Version of the file format.
const SCHEMA: u32 = 1;

/// Least number of starts for a useful spread.
pub(crate) const STARTS_MIN: usize = 3;

/// Bound on a deviation of logarithms: beyond it, two starts in three differ by more than a factor
/// of seven, and no comparison is possible.
const DEVIATION_MAX: f64 = 2.0;

/// Spread of one measure at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CellSpread {
    /// Place: a cell and the class of the asks.
    pub place: String,
    pub measure: String,
    /// Number of starts that have a value.
    pub starts: u32,
    /// Median of the starts' values, in the measure's base unit.
    pub median: f64,
    /// Standard deviation of the logarithms of the starts' values.
    pub deviation: f64,
}

/// Noise floor of starts of one recipe. Keys may be added, never renamed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Floor {
    /// Version of the file format.
    pub schema: u32,
    /// Version of longhaul.
    pub longhaul: String,
    /// Whether the server was simulated.
    pub simulated: bool,
    /// Name of the recipe.
    pub recipe: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Fingerprint of the load: scenario text, flags, seed, corpus, plan, fit of prompt lengths.
    pub load: String,
    /// The same without the fit; empty in files of earlier versions.
    #[serde(default)]
    pub load_without_fit: String,
    /// Tokens of all texts, as the server counted them, where it did.
    #[serde(default)]
    pub counted: Option<u64>,
    /// Surroundings of the servers: host, kernel, driver … as far as they are known.
    pub surroundings: BTreeMap<String, String>,
    /// Number of starts.
    pub starts: u32,
    /// Run folders of the starts.
    pub runs: Vec<String>,
    pub cells: Vec<CellSpread>,
}

/// Spread in the form that a comparison needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FloorSpread {
    /// Standard deviation of the logarithms.
    pub deviation: f64,
    /// Degrees of freedom: one less than there were starts.
    pub freedom: u64,
}

/// Floor whose load matches the load that is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fitting<'a> {
    floor: &'a Floor,
    /// Number of starts of the floor.
    pub starts: u32,
}

impl Fitting<'_> {
    /// Returns the spread of a row.
    pub(crate) fn spread(&self, key: &MeasureKey) -> Option<FloorSpread> {
        let (place, measure) = (key.group.to_string(), key.measure.to_string());
        let mut cells = self.floor.cells.iter();
        let cell = cells.find(|cell| cell.place == place && cell.measure == measure)?;
        let freedom = u64::from(cell.starts.checked_sub(1)?);
        (freedom > 0).then_some(FloorSpread { deviation: cell.deviation, freedom })
    }

    /// Returns the surroundings of the base that differ from those of the floor.
    pub(crate) fn beside(&self, base: &[Start]) -> Vec<Variable> {
        let Some(start) = comparable::representative(base) else { return Vec::new() };
        let (there, here) = (&self.floor.surroundings, around(start));
        let names: BTreeSet<&String> = there.keys().chain(here.keys()).collect();
        let mut all: Vec<Variable> = Vec::new();
        let mut hold = |what: &str, base: Option<&String>, candidate: Option<&String>| {
            if base != candidate {
                let what = format!("noise floor's {what}");
                all.push(Variable { what, base: base.cloned(), candidate: candidate.cloned() });
            }
        };
        for name in names {
            hold(name, there.get(name), here.get(name));
        }
        hold("recipe", Some(&self.floor.recipe), Some(&recipe(start)));
        all
    }
}

/// Builds the floor of several starts of one recipe.
///
/// # Errors
/// Too few starts, several recipes, different loads, a start given twice, or an incomplete one.
pub(crate) fn of(starts: &[Start]) -> Result<Floor, Mistake> {
    if starts.len() < STARTS_MIN {
        let what =
            format!("a noise floor needs {STARTS_MIN} starts, and these are {}", starts.len());
        return Err(Mistake::new(what).hint("six, each a run of its own server start"));
    }
    comparable::check_same_load(starts)?;
    for start in starts {
        let is_other =
            |name: &&str| start.surroundings.get(*name) != starts[0].surroundings.get(*name);
        let kind = (start.simulated != starts[0].simulated).then_some("kind of server");
        if let Some(name) = kind.or_else(|| REQUIRED.into_iter().find(is_other)) {
            let what = format!("a noise floor is of one machine, and one run is of another {name}");
            return Err(Mistake::new(what).at(&start.name));
        }
        let why = start.never_ready.as_ref().map(|_| "its server never came up".to_owned());
        let befell = || {
            let event = start.events.iter().find(|event| event.seen > 0)?;
            Some(format!("{} {}", Measure::Count(event.count), event.seen))
        };
        if let Some(why) = why.or_else(|| start.broken_off.clone()).or_else(befell) {
            let what = format!("a noise floor is of whole and healthy runs, and one is not: {why}");
            return Err(Mistake::new(what).at(&start.name).hint("the others, without it"));
        }
    }
    let first = &starts[0];
    let mut values: BTreeMap<MeasureKey, Option<Vec<f64>>> = BTreeMap::new();
    for (key, value) in starts.iter().flat_map(|start| &start.values) {
        // A cell in which requests were given up has no spread.
        let all = values.entry(key.clone()).or_insert_with(|| Some(Vec::new()));
        *all = all.take().zip(value.value.known()).map(|(mut all, value)| {
            all.push(value);
            all
        });
    }
    let cells: Vec<CellSpread> =
        values.into_iter().filter_map(|(key, values)| cell(&key, values?)).collect();
    if cells.is_empty() {
        let what = format!("no cell has a value in {STARTS_MIN} of the starts");
        return Err(Mistake::new(what).hint("runs that were driven long enough"));
    }
    Ok(Floor {
        schema: SCHEMA,
        longhaul: env!("CARGO_PKG_VERSION").to_owned(),
        simulated: first.simulated,
        recipe: recipe(first),
        scenario: first.load_identity.scenario.clone(),
        load: load(&first.load_identity),
        load_without_fit: load_without_fit(&first.load_identity),
        counted: first.load_identity.counted,
        surroundings: around(first),
        starts: starts.len() as u32,
        runs: starts.iter().map(|start| start.name.clone()).collect(),
        cells,
    })
}

fn cell(key: &MeasureKey, mut values: Vec<f64>) -> Option<CellSpread> {
    if values.len() < STARTS_MIN {
        return None;
    }
    let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    let squares: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
    let deviation = (squares / (logs.len() - 1) as f64).sqrt();
    if deviation > DEVIATION_MAX {
        return None;
    }
    values.sort_by(f64::total_cmp);
    Some(CellSpread {
        place: key.group.to_string(),
        measure: key.measure.to_string(),
        starts: values.len() as u32,
        median: shift::median(&values)?,
        deviation,
    })
}

/// Reads a floor's file.
///
/// # Errors
/// A text that is not a floor, or one of a newer longhaul.
pub(crate) fn read(text: &str, place: &str) -> Result<Floor, Mistake> {
    let floor: Floor = serde_json::from_str(text).map_err(|why| {
        Mistake::new(format!("this is not a noise floor: {why}"))
            .at(place)
            .hint("longhaul floor RUN RUN RUN -o floor.json")
    })?;
    if floor.schema != SCHEMA {
        let what = format!("noise floor of schema {}; this longhaul reads {SCHEMA}", floor.schema);
        return Err(Mistake::new(what).at(place));
    }
    let is_sound = |cell: &CellSpread| {
        (0.0..=DEVIATION_MAX).contains(&cell.deviation)
            && (STARTS_MIN..=SIDE_MAX).contains(&(cell.starts as usize))
            && cell.starts <= floor.starts
    };
    if let Some(cell) = floor.cells.iter().find(|cell| !is_sound(cell)) {
        let what =
            format!("a deviation of {:e} over {} starts is none", cell.deviation, cell.starts);
        return Err(Mistake::new(what)
            .at(format!("{place}: {} {}", cell.place, cell.measure))
            .hint("longhaul floor RUN RUN RUN -o floor.json, made anew"));
    }
    Ok(floor)
}

/// Returns the floor, if its load and machine are those of these starts.
///
/// # Errors
/// A floor of another load or machine, whose spread does not apply here.
pub(crate) fn fitting<'a>(
    floor: Option<&'a Floor>,
    starts: &[Start],
) -> Result<Option<Fitting<'a>>, Mistake> {
    let (Some(floor), Some(start)) = (floor, comparable::representative(starts)) else {
        return Ok(None);
    };
    let made_for = |what: &str, there: &str, here: &str| {
        Mistake::new(format!("the noise floor is of another {what}: {there}, not {here}"))
            .hint("longhaul floor RUN RUN RUN, with runs of this load on this machine")
    };
    if !is_of(floor, &start.load_identity) {
        let (there, here) = (&floor.scenario, &start.load_identity.scenario);
        if there == here {
            let what = format!(
                "the noise floor is of another load: {there} too, of another text, seed or plan"
            );
            return Err(Mistake::new(what)
                .hint("longhaul floor RUN RUN RUN, with runs of this load on this machine"));
        }
        return Err(made_for("load", there, here));
    }
    let kind = |simulated: bool| if simulated { "simulated" } else { "real" };
    if floor.simulated != start.simulated {
        return Err(made_for("kind of server", kind(floor.simulated), kind(start.simulated)));
    }
    let here = around(start);
    for name in REQUIRED {
        let (there, here) = (floor.surroundings.get(name), here.get(name));
        let word = |value: Option<&String>| value.map_or_else(|| "none".to_owned(), Clone::clone);
        if there != here {
            return Err(made_for(name, &word(there), &word(here)));
        }
    }
    Ok(Some(Fitting { floor, starts: floor.starts }))
}

/// Whether a floor is of this load, whose texts may be as long only within the same tolerance as
/// those of two runs.
fn is_of(floor: &Floor, alike: &LoadIdentity) -> bool {
    floor.load == load(alike)
        || floor.load_without_fit == load_without_fit(alike)
            && comparable::are_as_long(floor.counted, alike.counted)
}

fn load(alike: &LoadIdentity) -> String {
    let whole = format!("{} {}", words(alike), alike.fit);
    crate::digest::sha256(whole.as_bytes())
}

fn load_without_fit(alike: &LoadIdentity) -> String {
    crate::digest::sha256(words(alike).as_bytes())
}

fn words(alike: &LoadIdentity) -> String {
    format!("{} {} {} {}", alike.scenario_sha256, alike.seed, alike.corpus, alike.plan)
}

/// Surroundings in which a floor must match: those of the machine and of the GPU's settings.
const REQUIRED: [&str; 3] = ["host", "driver", "machine profile"];

/// Returns the surroundings of a start, without its ailments and longhaul's version, which belong
/// to the run.
fn around(start: &Start) -> BTreeMap<String, String> {
    let counts = |name: &str| !["longhaul", "ailments"].contains(&name);
    let all = start.surroundings.iter().filter(|(name, _)| counts(name));
    all.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn recipe(start: &Start) -> String {
    start.recipe.as_ref().map_or_else(String::new, |it| it.recipe.source.name.clone())
}
