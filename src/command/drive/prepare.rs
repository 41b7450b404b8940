//! Everything before the load: what was asked is read, the server is found
//! and waited for, its way of counting is learned, and the run folder is made.
//! Every mistake that a user can make is found here, before anything is started.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::ailing;
use super::coming::Coming;
use super::nobody::nobody;
use super::paper::{describe, manifest_of};
use super::stage::{Eye, Stage};
use super::{Setting, Went, Wish};
use crate::analysis;
use crate::command::{inputs, report, tell};
use crate::error::Mistake;
use crate::escape::{ERROR_CHARS_MAX, one_line};
use crate::fact::{Fact, Fitted, Opened, Seen, TargetFact, TargetWord};
use crate::journal;
use crate::observe::engine::EngineSensor;
use crate::plan::forecast::{self, Decidable, Sight, forecast};
use crate::plan::{Bounds, Fit, Plan, Rates};
use crate::run::Script;
use crate::run::arrive::{NoServer, Server, arrive};
use crate::run::identity::{self, Identity};
use crate::run::measure_up::measure_up;
use crate::run::stop::Stop;
use crate::spec::{Profile, Recipe, Scenario, recipe};
use crate::timeline::Timeline;
use crate::unit::{At, span};
use crate::world::{Seams, Sink, Wire, World};

/// How often a person hears that the server is waited for, and that it counts.
const TELL_US: u64 = 15_000_000;
const COUNTING_US: u64 = 3_000_000;

/// A run that is ready to go.
pub struct Prepared<S: Setting> {
    /// What to carry out.
    pub script: Script,
    /// The clock.
    pub timeline: Timeline,
    /// What to carry it out in.
    pub seams: Seams<Stage<S>>,
    /// What was asked, for the live view.
    pub asked: analysis::Asked,
    /// Where it takes place.
    pub setting: Rc<S>,
    /// The run folder.
    pub folder: PathBuf,
}

/// What was asked, read.
pub struct Specs {
    /// What is served, where the user said so.
    pub recipe: Option<Recipe>,
    /// What is asked of it.
    pub scenario: Scenario,
    /// The machine to simulate.
    pub profile: Option<Profile>,
    /// Whether the server is longhaul's own.
    pub simulate: bool,
}

/// Refuses a run folder that could not become one, before anything is started.
///
/// # Errors
/// It is in use, is not empty, or cannot be written.
pub fn vacant(wish: &Wish) -> Result<(), Mistake> {
    let output = wish.output.clone().unwrap_or_else(|| Path::new("runs").join("new"));
    journal::vacant(&output)
}

/// How long the load, and the warm-up in it, are planned to last on the machine of a
/// profile, microseconds.
pub fn planned_us(specs: &Specs, seed: u64) -> (Option<u64>, Option<u64>) {
    let recipe = specs.recipe.as_ref();
    let of_recipe = |name: &str| recipe.and_then(|recipe| recipe.whole(name));
    let rates = specs.profile.clone().map_or(Rates::Unknown, Rates::Profile);
    let bounds = Bounds { max_model_len: of_recipe("max_model_len"), prefill_per_s: None };
    let Ok(plan) = Plan::new(&specs.scenario, seed, bounds) else { return (None, None) };
    let forecast = forecast(&plan, &rates, of_recipe("max_num_seqs"));
    let warmup = forecast.lap_seconds.map(|lap_seconds| lap_seconds * plan.warmup_laps as f64);
    let micros = |seconds: f64| (seconds * 1e6) as u64;
    (forecast.seconds.map(micros), warmup.map(micros))
}

/// What the recipe cannot take is told before its server is asked: it may load for minutes.
///
/// # Errors
/// A depth that the recipe's length does not hold.
pub fn servable(specs: &Specs, seed: u64) -> Result<(), Mistake> {
    let declared = specs.recipe.as_ref().and_then(|recipe| recipe.whole("max_model_len"));
    let bounds = Bounds { max_model_len: declared, prefill_per_s: None };
    Plan::new(&specs.scenario, seed, bounds).map(|_| ())
}

/// Prepares a run, or says how it went instead.
///
/// # Errors
/// The user's mistake, a server that never answered, or the wish to stop.
pub async fn prepare<S: Setting>(
    wish: &Wish,
    specs: &Specs,
    setting: &Rc<S>,
    stop: &mut Stop,
) -> Result<Prepared<S>, Went> {
    servable(specs, wish.asked.seed)?;
    let mut coming = Coming::new(setting.target(), setting.timeline(), setting.starts());
    let prepared = async {
        let words = match coming.through(wait(wish, specs, &**setting)).await {
            Ok(Ok(server)) => return ready(wish, specs, setting, server, coming).await,
            Ok(Err(NoServer::Mistake(wrong))) => return Err(Went::Mistake(wrong)),
            Ok(Err(NoServer::NeverAnswered(words))) => coming.also(words),
            Err(why) => why,
        };
        Err(nobody(wish, specs, &**setting, &mut coming, &words).await)
    };
    tokio::select! { biased;
        _ = stop.requested() => Err(Went::Interrupted),
        prepared = prepared => prepared,
    }
}

/// The plan laid out for the server, its way of counting learned, the run folder made.
async fn ready<S: Setting>(
    wish: &Wish,
    specs: &Specs,
    setting: &Rc<S>,
    server: Server,
    mut coming: Coming<S::Target>,
) -> Result<Prepared<S>, Went> {
    let (timeline, model) = (setting.timeline(), &server.model);
    let recipe = specs.recipe.clone().unwrap_or_else(|| {
        recipe::attach(&model.id, model.max_model_len, server.version.as_deref())
    });
    let declared = recipe.whole("max_model_len");
    let max_model_len = model.max_model_len.into_iter().chain(declared).min();
    let bounds = Bounds { max_model_len, prefill_per_s: server.prefill_per_s };
    let plan = Plan::new(&specs.scenario, wish.asked.seed, bounds)?;
    let seen = identity::compare(&recipe, &plan, &server);
    let mut warnings = warnings(&recipe, &specs.scenario);
    warnings.extend(ailing::warnings(wish, specs));
    if !wish.quiet {
        for warning in &warnings {
            tell(&format!("warning: {warning}"));
        }
        for seen in seen.iter().filter(|seen| seen.differs) {
            tell(&format!("note: {}", seen.words()));
        }
        let (log, kernel) = setting.sees();
        dark_gates(&specs.scenario, Sight { log, kernel, metrics: server.metrics.is_some() });
    }
    if setting.starts() {
        ready_after(&server);
    }
    let wire = setting.wire();
    let (fit, fitted) = match coming.through(counted(&wire, &timeline, &plan, &server)).await {
        Ok(counted) => counted,
        Err(why) => return Err(nobody(wish, specs, &**setting, &mut coming, &why).await),
    };
    let folder = folder(wish, &**setting, &recipe, &specs.scenario);
    let mut manifest = manifest_of(wish, specs, &recipe, &**setting);
    describe(&mut manifest, setting.address(), &server, &plan);
    manifest.fit = serde_json::to_value(&fit).unwrap_or_default();
    manifest.warnings = warnings;
    let mut sink = setting.journal(&folder, &manifest)?;
    let (heard, log) = coming.heard_so_far();
    // A journal that cannot be written says so at the first entry too.
    let _ = sink.log(&log);
    let asked = report::asked(&manifest, &folder)?;
    let script = Script {
        before: before(
            &**setting,
            &server,
            heard,
            seen,
            fitted,
            (specs.simulate, specs.scenario.gives_orders()),
        ),
        plan: Rc::new(plan),
        fit: Rc::new(fit),
        abilities: server.abilities,
        identity: Identity::of_server(&server),
        recipe: Rc::new(recipe),
        model: server.model.id.clone(),
        salt: salt(&timeline),
        secrets: setting.secrets(),
        segment: 0,
        models_us: server.models_us,
        wall: setting.wall(),
    };
    let sensors = eyes(&**setting, &server);
    let seams = Stage { wire, target: coming, sensors, sink }.open();
    Ok(Prepared { script, timeline, seams, asked, setting: setting.clone(), folder })
}

/// Waits for the server.
async fn wait<S: Setting>(wish: &Wish, specs: &Specs, setting: &S) -> Result<Server, NoServer> {
    let served = specs.recipe.as_ref().map(|recipe| recipe.served.clone()).unwrap_or_default();
    let ready = specs.scenario.limits.ready;
    let (address, most) = (setting.address(), span(ready.as_secs_f64()));
    let mut told: Option<At> = None;
    let mut waiting = |at: At, words: &str| {
        if setting.is_live() && told.is_none_or(|told| at.since(told) >= TELL_US) {
            told = Some(at);
            let waited = span(at.seconds().round());
            tell(&format!("waiting for {address}, {waited} of at most {most}: {words}"));
        }
    };
    let (wire, timeline) = (setting.wire(), setting.timeline());
    arrive(&wire, &timeline, ready, wish.model.as_deref(), &served, &mut waiting).await
}

/// How long each rung of the way up took.
fn ready_after(server: &Server) {
    let rungs =
        [("port", server.port), ("model", server.listed), ("first token", server.first_token)];
    let rungs = rungs.map(|(name, at)| format!("{name} {}", span(at.seconds()))).join(", ");
    tell(&format!("the server is ready: {rungs}; none of it is run time"));
}

/// What recipe and scenario have to warn of.
fn warnings(recipe: &Recipe, scenario: &Scenario) -> Vec<String> {
    let mut warnings = inputs::recipe_warnings(recipe);
    warnings.extend(scenario.warnings.iter().cloned());
    warnings
}

/// Gates that no run of this kind can pass: better told now than in the morning.
fn dark_gates(scenario: &Scenario, sight: Sight) {
    for gate in &scenario.contract.gates {
        if let Decidable::No(why) = forecast::of_the_run(gate.measure, Some(sight)) {
            tell(&format!("note: `{}` cannot pass: {why}", gate.text));
        }
    }
}

/// Learns how the server counts; where it cannot be learned, lengths are a guess and said to be one.
async fn counted<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    plan: &Plan,
    server: &Server,
) -> (Fit, Vec<Fitted>) {
    let mut told = timeline.now();
    let mut progress = |done: usize, all: usize| {
        if timeline.now().since(told) >= COUNTING_US {
            told = timeline.now();
            tell(&format!("the server counts what prompts are made of: {done} of {all}"));
        }
    };
    let model = &server.model.id;
    match measure_up(wire, timeline, plan, &server.abilities, model, &mut progress).await {
        Ok(found) => found,
        Err(why) => {
            let why = one_line(&why, ERROR_CHARS_MAX);
            tell(&format!("warning: prompt lengths are a guess: {why}"));
            (Fit::guess(plan.corpus()), Vec::new())
        }
    }
}

/// What looks at the server.
fn eyes<S: Setting>(setting: &S, server: &Server) -> Vec<Eye<S::Wire>> {
    let (metrics, health) = (server.metrics.as_deref(), server.abilities.health);
    let engine = EngineSensor::new(setting.wire(), metrics, health, setting.secrets());
    let boxes = setting.boxes().into_iter().map(Eye::Box);
    let nearby = setting.nearby().into_iter().map(Eye::Near);
    std::iter::once(Eye::Engine(engine)).chain(boxes).chain(nearby).collect()
}

/// What is known before the load.
fn before<S: Setting>(
    setting: &S,
    server: &Server,
    heard: Vec<(At, Fact)>,
    seen: Vec<Seen>,
    fitted: Vec<Fitted>,
    (simulated, orders): (bool, bool),
) -> Vec<(At, Fact)> {
    let rung = |name: &str| Fact::Target(TargetFact::ready(name));
    let mut facts = heard;
    facts.extend([
        (server.port, rung("port")),
        (server.listed, rung("model")),
        (server.first_token, rung("first_token")),
    ]);
    if simulated && orders {
        let words = "longhaul's own simulated server";
        facts.push((At::ZERO, Fact::Target(TargetFact::new(TargetWord::Launched, words))));
    }
    facts.sort_by_key(|(at, _)| *at);
    facts.insert(0, (At::ZERO, opened(setting, simulated)));
    let now = setting.timeline().now();
    facts.extend(seen.into_iter().map(|seen| (now, Fact::Seen(seen))));
    facts.extend(fitted.into_iter().map(|fitted| (now, Fact::Fitted(fitted))));
    facts
}

/// What the run is, for its first row.
pub fn opened<S: Setting>(setting: &S, simulated: bool) -> Fact {
    Fact::Opened(Opened {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        simulated,
        wall_us: setting.timeline().wall_us(),
        boot_id: setting.anchor().boot_id,
        endpoint: setting.address().to_owned(),
    })
}

/// A salt of this run's own: when it began.
fn salt(timeline: &Timeline) -> String {
    format!("longhaul-{:x}", timeline.wall_us())
}

/// The run folder: where the user wants it, or where the setting puts it.
pub fn folder<S: Setting>(
    wish: &Wish,
    setting: &S,
    recipe: &Recipe,
    scenario: &Scenario,
) -> PathBuf {
    let ours = || setting.folder(&recipe.source.name, &scenario.source.name);
    wish.output.clone().unwrap_or_else(ours)
}
