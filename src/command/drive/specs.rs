//! What is asked of a run: texts that were found and read, and the plan that
//! they make. Every mistake in them is found here, before anything is started.

use std::path::Path;

use super::DriveOptions;
use crate::error::Mistake;
use crate::journal;
use crate::plan::forecast::{Forecast, forecast};
use crate::plan::{Bounds, Plan, Rates};
use crate::secret::Secrets;
use crate::sim::ailment::outlook::Outlook;
use crate::sim::{Ailment, Setup};
use crate::spec::{Profile, Recipe, Scenario};

/// What is asked of a run.
pub(crate) struct Specs {
    /// The options that later stations need.
    pub options: DriveOptions,
    /// What is served, where the user said so.
    pub recipe: Option<Recipe>,
    /// What is asked of it.
    pub scenario: Scenario,
    /// The machine to simulate.
    pub profile: Option<Profile>,
    /// Whether the server is longhaul's own.
    pub simulated: bool,
    /// Faults of the simulated server and of its machine.
    pub ailments: Vec<Ailment>,
    /// The load, laid out for a server of the recipe's length.
    pub plan: Plan,
    /// How long the load is planned to last on the machine of the profile, microseconds.
    pub load_us: Option<u64>,
    /// How much of it is warm-up, microseconds.
    pub warmup_us: Option<u64>,
}

impl Specs {
    /// Lays the load out.
    ///
    /// # Errors
    /// A depth that the recipe's length does not hold, or an ailment that there is not.
    pub(crate) fn new(
        options: DriveOptions,
        recipe: Option<Recipe>,
        scenario: Scenario,
        profile: Option<Profile>,
        simulated: bool,
    ) -> Result<Specs, Mistake> {
        let declared = |name: &str| recipe.as_ref().and_then(|recipe| recipe.whole(name));
        let bounds = Bounds { max_model_len: declared("max_model_len"), prefill_per_s: None };
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

    /// What the plan amounts to on the machine of the profile, as far as it is fitted by now.
    pub(crate) fn forecast(&self) -> Forecast {
        forecast_of(&self.plan, self.profile.as_ref(), self.recipe.as_ref())
    }

    /// Keys among the recipe's variables.
    pub(crate) fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        for (name, value) in self.recipe.iter().flat_map(|recipe| &recipe.env) {
            secrets.add_variable(name, value);
        }
        secrets
    }

    /// What the simulated server is made of, where there is one.
    pub(crate) fn setup(&self) -> Option<Setup> {
        let (recipe, profile) = self.recipe.as_ref().zip(self.profile.as_ref())?;
        Some(Setup::of(recipe, profile))
    }

    /// Ailments that will not be seen, each with the reason.
    pub(crate) fn unseen_ailments(&self) -> Vec<String> {
        let outlook = Outlook {
            texts: &self.options.ailments,
            ailments: &self.ailments,
            setup: self.setup(),
            load_us: self.load_us,
            warmup_us: self.warmup_us,
            seed: self.options.server_seed(),
        };
        outlook.unseen()
    }
}

/// Refuses a run folder that could not become one, before anything is started.
///
/// # Errors
/// It is in use, is not empty, or cannot be written.
pub(crate) fn vacant(options: &DriveOptions) -> Result<(), Mistake> {
    let output = options.output.clone().unwrap_or_else(|| Path::new("runs").join("new"));
    journal::vacant(&output)
}

fn forecast_of(plan: &Plan, profile: Option<&Profile>, recipe: Option<&Recipe>) -> Forecast {
    let rates = profile.cloned().map_or(Rates::Unknown, Rates::Profile);
    forecast(plan, &rates, recipe.and_then(|recipe| recipe.whole("max_num_seqs")))
}

/// Seconds of load and of warm-up, in microseconds.
fn lengths_us(forecast: &Forecast, plan: &Plan) -> (Option<u64>, Option<u64>) {
    let micros = |seconds: f64| (seconds * 1e6) as u64;
    let warmup = forecast.lap_seconds.map(|lap_seconds| lap_seconds * plan.warmup_laps as f64);
    (forecast.seconds.map(micros), warmup.map(micros))
}

/// Every ailment that was asked for.
///
/// # Errors
/// One that there is not, or whose value or moment is not of its kind.
pub(crate) fn ailments(texts: &[String]) -> Result<Vec<Ailment>, Mistake> {
    texts.iter().map(|text| Ailment::parse(text)).collect()
}
