//! Everything before the load: what was asked is read, the server is found
//! and waited for, its way of counting is learned, and the run folder is made.
//! Every mistake that a user can make is found here, before anything is started.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::door::wire;
use super::paper::{describe, manifest_of};
use super::simulated::Simulated;
use super::world::{Life, LifeSensor};
use super::{Went, Wish};
use crate::analysis;
use crate::command::inputs::{self, FLAGSHIP};
use crate::command::sim::no_profile;
use crate::command::{report, tell};
use crate::error::Mistake;
use crate::escape::{ERROR_CHARS_MAX, one_line};
use crate::fact::{
    Closed, ClosedBecause, Entry, Fact, Fitted, Opened, Seen, TargetFact, TargetWord,
};
use crate::http::Http;
use crate::journal::{self, Journal};
use crate::observe::engine::EngineSensor;
use crate::observe::here;
use crate::plan::forecast::{self, Decidable};
use crate::plan::{Bounds, Fit, Plan};
use crate::run::arrive::{NoServer, Server, arrive};
use crate::run::measure_up::measure_up;
use crate::run::stop::Stop;
use crate::run::{Script, identity};
use crate::secret::Secrets;
use crate::spec::{Profile, Recipe, Scenario, recipe};
use crate::timeline::{Timeline, wall_text};
use crate::unit::{At, span};
use crate::world::{Seams, Sink, World};

/// How often a person hears that the server is waited for, and that it counts.
const TELL_US: u64 = 15_000_000;
const COUNTING_US: u64 = 3_000_000;

/// A run that is ready to go.
pub struct Prepared {
    /// What to carry out.
    pub script: Script,
    /// The clock.
    pub timeline: Timeline,
    /// What to carry it out in.
    pub seams: Seams<Life>,
    /// What was asked, for the live view.
    pub asked: analysis::Asked,
    /// The simulated server, where there is one.
    pub sim: Option<Simulated>,
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

fn specs(wish: &Wish) -> Result<Specs, Mistake> {
    let asked = &wish.asked;
    let bare = wish.endpoint.is_none() && asked.recipe.is_none() && asked.scenario.is_none();
    let simulate = wish.simulate || bare;
    if !simulate && wish.endpoint.is_none() {
        // A night on the simulator by mistake would be a night lost.
        return Err(Mistake::new(
            "recipe and scenario say what is served and asked, but not where",
        )
        .hint("--endpoint http://host:8000 to drive a server that runs")
        .hint("--simulate to drive the built-in simulated server"));
    }
    if !simulate && !wish.ailments.is_empty() {
        return Err(Mistake::new(
            "--ailment is a fault of the simulated server, and this one is real",
        )
        .hint("--simulate in place of --endpoint"));
    }
    if !simulate && wish.asked.profile.is_some() {
        let what = "--profile is the machine of the simulated server, and this server is real";
        return Err(Mistake::new(what).hint("longhaul plan takes rates from a profile"));
    }
    let recipe = wish.asked.recipe(simulate.then_some(FLAGSHIP))?;
    let scenario = wish.asked.scenario(if simulate { "smoke" } else { "quick" })?;
    let profile = if simulate { wish.asked.profile(recipe.as_ref())? } else { None };
    if simulate && profile.is_none() {
        return Err(no_profile());
    }
    Ok(Specs { recipe, scenario, profile, simulate })
}

/// Prepares a run, or says how it went instead.
pub async fn prepare(wish: Wish, stop: &mut Stop) -> Result<Prepared, Went> {
    let specs = specs(&wish).map_err(Went::Mistake)?;
    let output = wish.output.clone().unwrap_or_else(|| Path::new("runs").join("new"));
    journal::vacant(&output).map_err(Went::Mistake)?;
    let sim = specs.simulate.then(|| start(&wish, &specs)).transpose().map_err(Went::Mistake)?;
    let timeline = Timeline::start();
    let (http, address, secrets) = wire(&wish, sim.as_ref(), timeline).map_err(Went::Mistake)?;
    let prepared = async {
        let server = match wait(&wish, &specs, &http, &timeline, &address).await {
            Ok(server) => server,
            Err(NoServer::Mistake(wrong)) => return Err(Went::Mistake(wrong)),
            Err(NoServer::NeverAnswered(words)) => {
                let words = secrets.remove_from(&words);
                return Err(never_answered(&wish, &specs, &timeline, &address, &words));
            }
        };
        let met = Met { http: http.clone(), timeline, address, secrets, server, sim };
        ready(&wish, &specs, met).await
    };
    tokio::select! { biased;
        _ = stop.requested() => Err(Went::Interrupted),
        prepared = prepared => prepared,
    }
}

fn start(wish: &Wish, specs: &Specs) -> Result<Simulated, Mistake> {
    let (recipe, profile) = (specs.recipe.as_ref(), specs.profile.as_ref());
    Simulated::start(wish, recipe, profile, specs.scenario.extent)
}

/// A server that was found.
struct Met {
    http: Http,
    timeline: Timeline,
    address: String,
    secrets: Rc<Secrets>,
    server: Server,
    sim: Option<Simulated>,
}

/// The plan laid out for the server, its way of counting learned, the run folder made.
async fn ready(wish: &Wish, specs: &Specs, met: Met) -> Result<Prepared, Went> {
    let Met { http, timeline, address, secrets, server, sim } = met;
    let recipe = specs.recipe.clone().unwrap_or_else(|| {
        recipe::attach(&server.model.id, server.model.max_model_len, server.version.as_deref())
    });
    let bounds =
        Bounds { max_model_len: server.model.max_model_len, prefill_per_s: server.prefill_per_s };
    let plan = Plan::new(&specs.scenario, wish.asked.seed, bounds).map_err(Went::Mistake)?;
    let seen = identity::compare(&recipe, &plan, &server);
    let warnings = warnings(&recipe, &specs.scenario);
    for warning in &warnings {
        tell(&format!("warning: {warning}"));
    }
    for seen in seen.iter().filter(|seen| seen.differs) {
        tell(&format!("note: {}", seen.note));
    }
    dark_gates(&specs.scenario);
    let (fit, fitted) = counted(&http, &timeline, &plan, &server).await;
    let folder = folder(wish, &timeline, &recipe, &specs.scenario);
    let mut manifest = manifest_of(wish, specs, &recipe, &timeline);
    describe(&mut manifest, &address, &server, &plan);
    manifest.fit = serde_json::to_value(&fit).unwrap_or_default();
    manifest.warnings = warnings;
    let journal = Journal::create(&folder, &manifest).map_err(Went::Mistake)?;
    let asked = report::asked(&manifest, &folder).map_err(Went::Mistake)?;
    let sensors = sensors(&http, &server, sim.as_ref(), &secrets);
    let script = Script {
        before: before(&timeline, &address, &server, seen, fitted, specs.simulate),
        plan: Rc::new(plan),
        fit: Rc::new(fit),
        abilities: server.abilities,
        model: server.model.id.clone(),
        salt: salt(&timeline),
        secrets,
        segment: 0,
        models_us: server.models_us,
        real_clock: true,
    };
    let seams = Life { wire: http, sensors, sink: journal }.open();
    Ok(Prepared { script, timeline, seams, asked, sim, folder })
}

/// Waits for the server.
async fn wait(
    wish: &Wish,
    specs: &Specs,
    http: &Http,
    timeline: &Timeline,
    address: &str,
) -> Result<Server, NoServer> {
    let served = specs.recipe.as_ref().map(|recipe| recipe.served.clone()).unwrap_or_default();
    let ready = specs.scenario.limits.ready;
    let most = span(ready.as_secs_f64());
    let mut told: Option<At> = None;
    let mut waiting = |at: At, words: &str| {
        if told.is_none_or(|told| at.since(told) >= TELL_US) {
            told = Some(at);
            let waited = span(at.seconds().round());
            tell(&format!("waiting for {address}, {waited} of at most {most}: {words}"));
        }
    };
    arrive(http, timeline, ready, wish.model.as_deref(), &served, &mut waiting).await
}

/// What recipe and scenario have to warn of.
fn warnings(recipe: &Recipe, scenario: &Scenario) -> Vec<String> {
    let mut warnings = inputs::recipe_warnings(recipe);
    warnings.extend(scenario.warnings.iter().cloned());
    warnings
}

/// Gates that no run of this kind can pass: better told now than in the morning.
fn dark_gates(scenario: &Scenario) {
    for gate in &scenario.contract.gates {
        if let Decidable::No(why) = forecast::of_the_run(gate.measure) {
            tell(&format!("note: `{}` cannot pass: {why}", gate.text));
        }
    }
}

/// Learns how the server counts; where it cannot be learned, lengths are a guess and said to be one.
async fn counted(
    http: &Http,
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
    match measure_up(http, timeline, plan, &server.abilities, model, &mut progress).await {
        Ok(found) => found,
        Err(why) => {
            let why = one_line(&why, ERROR_CHARS_MAX);
            tell(&format!("warning: prompt lengths are a guess: {why}"));
            (Fit::guess(plan.corpus()), Vec::new())
        }
    }
}

fn sensors(
    http: &Http,
    server: &Server,
    sim: Option<&Simulated>,
    secrets: &Rc<Secrets>,
) -> Vec<LifeSensor> {
    let engine = EngineSensor::new(
        http.clone(),
        server.metrics.as_deref(),
        server.abilities.health,
        secrets.clone(),
    );
    let mut sensors = vec![LifeSensor::Engine(engine)];
    if let Some(sim) = sim {
        sensors.push(LifeSensor::Kernel(sim.shared_box()));
        sensors.push(LifeSensor::Host(sim.shared_box()));
    }
    sensors
}

/// What is known before the load.
fn before(
    timeline: &Timeline,
    address: &str,
    server: &Server,
    seen: Vec<Seen>,
    fitted: Vec<Fitted>,
    simulated: bool,
) -> Vec<(At, Fact)> {
    let rung = |name: &str| {
        Fact::Target(TargetFact {
            word: TargetWord::Ready,
            rung: Some(name.to_owned()),
            since: None,
            evidence: String::new(),
        })
    };
    let mut facts = vec![
        (At::ZERO, opened(timeline, address, simulated)),
        (server.listed, rung("model")),
        (server.first_token, rung("first_token")),
    ];
    let now = timeline.now();
    facts.extend(seen.into_iter().map(|seen| (now, Fact::Seen(seen))));
    facts.extend(fitted.into_iter().map(|fitted| (now, Fact::Fitted(fitted))));
    facts
}

fn opened(timeline: &Timeline, address: &str, simulated: bool) -> Fact {
    Fact::Opened(Opened {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        simulated,
        wall_us: timeline.wall_us(),
        boot_id: here::boot_id(),
        endpoint: address.to_owned(),
    })
}

/// A salt of this run's own: when it began.
fn salt(timeline: &Timeline) -> String {
    format!("longhaul-{:x}", timeline.wall_us())
}

/// The run folder: where the user wants it, or one that says when, what and how.
fn folder(wish: &Wish, timeline: &Timeline, recipe: &Recipe, scenario: &Scenario) -> PathBuf {
    if let Some(output) = &wish.output {
        return output.clone();
    }
    let start = wall_text(timeline.wall_us());
    let start = start.split('.').next().unwrap_or(&start).replace(':', "-");
    Path::new("runs").join(format!("{start}-{}-{}", recipe.source.name, scenario.source.name))
}

/// A run folder that says that there was nobody: an attached server never answered.
fn never_answered(
    wish: &Wish,
    specs: &Specs,
    timeline: &Timeline,
    address: &str,
    words: &str,
) -> Went {
    let recipe = specs.recipe.clone().unwrap_or_else(|| recipe::attach("unknown", None, None));
    let folder = folder(wish, timeline, &recipe, &specs.scenario);
    let mut manifest = manifest_of(wish, specs, &recipe, timeline);
    address.clone_into(&mut manifest.server.endpoint);
    let mut journal = match Journal::create(&folder, &manifest) {
        Ok(journal) => journal,
        Err(wrong) => return Went::Mistake(wrong),
    };
    let closed =
        Closed { because: ClosedBecause::NeverAnswered, note: one_line(words, ERROR_CHARS_MAX) };
    let facts = [opened(timeline, address, specs.simulate), Fact::Closed(closed.clone())];
    let mut written = Ok(());
    for (seq, fact) in facts.into_iter().enumerate() {
        let entry = Entry { segment: 0, seq: seq as u64, at: timeline.now(), fact };
        written = written.and_then(|()| journal.append(&entry));
    }
    // Dropping the journal closes it.
    drop(journal);
    Went::Folder(folder, written.map(|()| closed))
}
