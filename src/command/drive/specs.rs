//! Defines the specs of a run: its texts, found and read, and the plan made from them. Every
//! mistake in them is found here, before anything is started.

use std::path::Path;

use super::DriveOptions;
use crate::command::inputs;
use crate::error::Mistake;
use crate::fact::{Cell, Load};
use crate::incident::hang::Hangs;
use crate::journal;
use crate::measure::{Measure, Quantity};
use crate::plan::forecast::{Forecast, forecast};
use crate::plan::{Bounds, Plan, Rates};
use crate::secret::Secrets;
use crate::sim::ailment::outlook::{HangPatience, PredictionInputs};
use crate::sim::{Ailment, Setup};
use crate::spec::{Gate, Profile, Recipe, Scenario};
use crate::unit::micros;

/// Specs of a run.
pub(crate) struct Specs {
    /// Options that later steps need.
    pub options: DriveOptions,
    /// Recipe that is served, where the user named one.
    pub recipe: Option<Recipe>,
    /// Scenario of the run.
    pub scenario: Scenario,
    /// Profile of the machine to simulate.
    pub profile: Option<Profile>,
    /// Whether the server is longhaul's simulated server.
    pub simulated: bool,
    /// Ailments of the simulated server and of its machine.
    pub ailments: Vec<Ailment>,
    /// Plan of the load, for a server with the recipe's context length.
    pub plan: Plan,
    /// Forecast length of the load on the profile's machine, in microseconds.
    pub load_us: Option<u64>,
    /// Forecast length of its warm-up, in microseconds.
    pub warmup_us: Option<u64>,
}

impl Specs {
    /// Plans the load.
    ///
    /// # Errors
    /// A depth exceeds the recipe's context length, or an ailment does not exist.
    pub(crate) fn new(
        options: DriveOptions,
        recipe: Option<Recipe>,
        scenario: Scenario,
        profile: Option<Profile>,
        simulated: bool,
    ) -> Result<Specs, Mistake> {
        let declared = |name: &str| recipe.as_ref().and_then(|recipe| recipe.whole(name));
        let bounds = Bounds { max_model_len: declared("max_model_len"), ..Bounds::default() };
        let plan = Plan::new(&scenario, options.inputs.seed, bounds)?;
        let forecast = forecast_of(&plan, profile.as_ref(), recipe.as_ref());
        let (load_us, warmup_us) = lengths_us(&forecast, &plan);
        let ailments = ailments(&options.ailments)?;
        Ok(Specs {
            options,
            recipe,
            scenario,
            profile,
            simulated,
            ailments,
            plan,
            load_us,
            warmup_us,
        })
    }

    /// Forecasts the plan on the profile's machine, as far as it is fitted by now.
    pub(crate) fn forecast(&self) -> Forecast {
        forecast_of(&self.plan, self.profile.as_ref(), self.recipe.as_ref())
    }

    /// Collects the keys among the recipe's variables.
    pub(crate) fn secrets(&self) -> Secrets {
        self.recipe.as_ref().map(inputs::secrets).unwrap_or_default()
    }

    /// Returns the setup of the simulated server, if any.
    pub(crate) fn setup(&self) -> Option<Setup> {
        let (recipe, profile) = self.recipe.as_ref().zip(self.profile.as_ref())?;
        Some(Setup::of(recipe, profile))
    }

    /// Lists ailments that the run will not observe, each with the reason.
    pub(crate) fn unseen_ailments(&self) -> Vec<String> {
        let outlook = PredictionInputs {
            texts: &self.options.ailments,
            ailments: &self.ailments,
            setup: self.setup(),
            load_us: self.load_us,
            warmup_us: self.warmup_us,
            seed: self.options.server_seed(),
            requests: self.forecast().requests,
            drills: self.scenario.drills.iter().map(|drill| drill.kind).collect(),
            patience: self.patience(),
            stall_us: (!self.judges_gaps()).then(|| micros(self.scenario.limits.stall)),
        };
        outlook.unseen()
    }

    /// Returns how long longhaul waits before it calls silence a hang, for each closed cell: a
    /// first token comes when the prefills of all streams are done.
    fn patience(&self) -> Vec<HangPatience> {
        let Some(profile) = &self.profile else { return Vec::new() };
        let own_us = micros(self.scenario.limits.first_token);
        let patience = |cell: &Cell| {
            let Load::Streams(streams) = cell.load else { return None };
            let first_token_s = profile.prefill_seconds(cell.input()) * f64::from(streams);
            let planned_us = Some((first_token_s * 1e6) as u64);
            let streams =
                if streams == 1 { "1 stream".to_owned() } else { format!("{streams} streams") };
            Some(HangPatience {
                cell: format!("d{} with {streams}", cell.depth),
                patience_us: Hangs::default().patience_us(cell.depth, planned_us, own_us),
            })
        };
        self.plan.cells().iter().filter_map(patience).collect()
    }

    /// Whether a gate of the contract judges gaps between tokens.
    fn judges_gaps(&self) -> bool {
        let of_gaps = |gate: &Gate| {
            matches!(
                gate.measure,
                Measure::Of(
                    Quantity::Itl
                        | Quantity::Gap
                        | Quantity::MaxGap
                        | Quantity::Tpot
                        | Quantity::E2e,
                    _
                )
            )
        };
        self.scenario.contract.gates.iter().any(of_gaps)
    }
}

/// Checks, before anything is started, that the folder can become a run folder.
///
/// # Errors
/// The folder is in use, is not empty, or cannot be written.
pub(crate) fn vacant(options: &DriveOptions) -> Result<(), Mistake> {
    if options.cut.is_some() {
        return Ok(());
    }
    let output = options.output.clone().unwrap_or_else(|| Path::new("runs").join("new"));
    journal::vacant(&output)
}

fn forecast_of(plan: &Plan, profile: Option<&Profile>, recipe: Option<&Recipe>) -> Forecast {
    let rates = profile.cloned().map_or(Rates::Unknown, Rates::Profile);
    forecast(plan, &rates, recipe.and_then(|recipe| recipe.whole("max_num_seqs")))
}

/// Converts the lengths of load and warm-up from seconds to microseconds.
fn lengths_us(forecast: &Forecast, plan: &Plan) -> (Option<u64>, Option<u64>) {
    let micros = |seconds: f64| (seconds * 1e6) as u64;
    let warmup = forecast.lap_seconds.map(|lap_seconds| lap_seconds * plan.warmup_laps as f64);
    (forecast.seconds.map(micros), warmup.map(micros))
}

/// Parses the ailments.
///
/// # Errors
/// An ailment does not exist, or its value or time is invalid.
pub(crate) fn ailments(texts: &[String]) -> Result<Vec<Ailment>, Mistake> {
    texts.iter().map(|text| Ailment::parse(text)).collect()
}
