//! The noise floor of a machine: by how much starts of one and the same recipe
//! differ under one and the same load. Without it a single run a side says
//! nothing of the recipe; with it, it may suggest something.

use serde::{Deserialize, Serialize};

use crate::error::Mistake;
use crate::stats::shift;

use super::start::{Key, Start};
use super::{Alike, held};

/// The version of the file.
const SCHEMA: u32 = 1;

/// Starts below which a spread is not worth writing down.
pub const STARTS_MIN: usize = 3;

/// The spread of one measure at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Where: a cell and the kind of ask.
    pub place: String,
    /// What.
    pub measure: String,
    /// Starts that have a value.
    pub starts: u32,
    /// The median of the starts' values, in the measure's base unit.
    pub median: f64,
    /// Standard deviation of the logarithms of the starts' values.
    pub deviation: f64,
}

/// What starts of one recipe differ by. Keys may be added, never renamed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// The version of the file.
    pub schema: u32,
    /// Version of longhaul.
    pub longhaul: String,
    /// Whether the server was simulated.
    pub simulated: bool,
    /// The recipe's name.
    pub recipe: String,
    /// The scenario's name.
    pub scenario: String,
    /// Fingerprint of what was asked: text, flags, seed, texts, plan.
    pub load: String,
    /// The machine of the server, as far as it is known.
    pub host: String,
    /// How many starts.
    pub starts: u32,
    /// Where they are.
    pub runs: Vec<String>,
    /// The spreads.
    pub cells: Vec<Cell>,
}

/// A spread, as a comparison needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Standard deviation of the logarithms.
    pub deviation: f64,
    /// Degrees of freedom: one less than there were starts.
    pub freedom: u64,
}

/// A floor that was found to be of the load that is compared.
#[derive(Clone, Copy, Debug)]
pub struct Fitting<'a> {
    cells: &'a [Cell],
    /// How many starts it is made of.
    pub starts: u32,
}

impl Fitting<'_> {
    /// The spread of a row.
    pub fn spread(&self, key: Key) -> Option<Spread> {
        let (place, measure) = (key.place.to_string(), key.measure.to_string());
        let cell = self.cells.iter().find(|cell| cell.place == place && cell.measure == measure)?;
        let freedom = u64::from(cell.starts.checked_sub(1)?);
        (freedom > 0 && cell.deviation.is_finite())
            .then_some(Spread { deviation: cell.deviation, freedom })
    }
}

/// Makes the floor of several starts of one recipe. `recipe` is its name.
///
/// # Errors
/// Too few starts, of several recipes, or not asked the same.
pub fn of(starts: &[Start], recipe: &str) -> Result<Floor, Mistake> {
    if starts.len() < STARTS_MIN {
        let what =
            format!("a noise floor needs {STARTS_MIN} starts, and these are {}", starts.len());
        return Err(Mistake::new(what).hint("six, each a run of its own server start"));
    }
    held::differs(&starts[..1], starts, &super::Wish::default()).and_then(|differs| {
        let Some(variable) = differs.variables.first() else { return Ok(()) };
        let what = format!("a noise floor is of one recipe, and {} differs", variable.what);
        Err(Mistake::new(what).hint("runs of one recipe"))
    })?;
    let first = &starts[0];
    let mut values: std::collections::BTreeMap<Key, Vec<f64>> = std::collections::BTreeMap::new();
    for (key, value) in starts.iter().flat_map(|start| &start.values) {
        values.entry(*key).or_default().push(value.value);
    }
    let cells = values.into_iter().filter_map(|(key, values)| cell(key, values)).collect();
    Ok(Floor {
        schema: SCHEMA,
        longhaul: env!("CARGO_PKG_VERSION").to_owned(),
        simulated: first.simulated,
        recipe: recipe.to_owned(),
        scenario: first.alike.scenario.clone(),
        load: load(&first.alike),
        host: host(first),
        starts: starts.len() as u32,
        runs: starts.iter().map(|start| start.name.clone()).collect(),
        cells,
    })
}

fn cell(key: Key, mut values: Vec<f64>) -> Option<Cell> {
    if values.len() < STARTS_MIN {
        return None;
    }
    let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    let squares: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
    values.sort_by(f64::total_cmp);
    Some(Cell {
        place: key.place.to_string(),
        measure: key.measure.to_string(),
        starts: values.len() as u32,
        median: shift::median(&values)?,
        deviation: (squares / (logs.len() - 1) as f64).sqrt(),
    })
}

/// Reads a floor's file.
///
/// # Errors
/// It is none, or of a newer longhaul.
pub fn read(text: &str, place: &str) -> Result<Floor, Mistake> {
    let floor: Floor = serde_json::from_str(text).map_err(|why| {
        Mistake::new(format!("this is no noise floor: {why}"))
            .at(place)
            .hint("longhaul floor RUN RUN RUN -o floor.json")
    })?;
    if floor.schema != SCHEMA {
        let what = format!("noise floor of schema {}; this longhaul reads {SCHEMA}", floor.schema);
        return Err(Mistake::new(what).at(place));
    }
    Ok(floor)
}

/// The floor, if it is of the load and the machine of these starts.
///
/// # Errors
/// It is of another one: its spread says nothing here.
pub fn fitting<'a>(
    floor: Option<&'a Floor>,
    starts: &[Start],
) -> Result<Option<Fitting<'a>>, Mistake> {
    let (Some(floor), Some(start)) = (floor, starts.first()) else { return Ok(None) };
    let made_for = |what: &str, there: &str, here: &str| {
        Mistake::new(format!("the noise floor is of another {what}: {there}, not {here}"))
            .hint("longhaul floor RUN RUN RUN, with runs of this load on this machine")
    };
    if floor.load != load(&start.alike) {
        return Err(made_for("load", &floor.scenario, &start.alike.scenario));
    }
    if floor.host != host(start) {
        return Err(made_for("machine", &floor.host, &host(start)));
    }
    Ok(Some(Fitting { cells: &floor.cells, starts: floor.starts }))
}

fn load(alike: &Alike) -> String {
    let whole = format!(
        "{} {} {} {} {}",
        alike.scenario_sha256, alike.seed, alike.corpus, alike.plan, alike.fit
    );
    crate::digest::sha256(whole.as_bytes())
}

fn host(start: &Start) -> String {
    start.surroundings.get("host").cloned().unwrap_or_default()
}
