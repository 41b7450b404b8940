//! Fits the plan to the server, learns how the server counts tokens, and describes the run: all
//! that comes before the first request.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;

use bytes::Bytes;

use super::arrive::{Arrived, waiting};
use super::environment::Environment;
use super::resumed::{as_continued, earlier, kept_fit, rebooted, without_known};
use super::{NoRun, Specs, manifest, unless_stopped};
use crate::analysis;
use crate::command::{inputs, print_stderr, report};
use crate::error::Mistake;
use crate::escape::{ERROR_CHARS_MAX, one_line};
use crate::fact::{Closed, ClosedBecause, Fact, Fitted, Statement, TargetFact, TargetWord};
use crate::journal::{CutRun, Manifest};
use crate::observe::engine::EngineSensor;
use crate::plan::forecast::{Decidable, ObservedSources};
use crate::plan::{Bounds, Fit, RefusedLength};
use crate::protocol::probe;
use crate::run::RunInputs;
use crate::run::arrive::{ArrivedServer, AskedLengths, RetryPolicy, ask_lengths};
use crate::run::fit_prompts::{Counted, Measured, fit_prompts};
use crate::run::identity::{self, Identity};
use crate::run::probe::known_by;
use crate::run::startup::Startup;
use crate::run::stop::Stop;
use crate::secret::Secrets;
use crate::spec::{Recipe, recipe};
use crate::unit::{At, span};
use crate::world::{LocalFuture, Sensor, Wire};

/// Interval of the message that the server's counting is learned, in microseconds.
const COUNTING_US: u64 = 3_000_000;

/// Run that is ready to start.
pub(crate) struct Planned<W: Wire> {
    /// Run folder, not yet created.
    pub folder: PathBuf,
    /// Run that was cut off and goes on in that folder.
    pub cut: Option<Rc<CutRun>>,
    /// Manifest of the run.
    pub manifest: Manifest,
    /// Values that must never be written.
    pub secrets: Secrets,
    /// Recipe, scenario and contract of the run, for the live view and for the verdict.
    pub asked: analysis::RunDescription,
    /// Facts from before the load, in the order of time.
    pub before: Vec<(At, Fact)>,
    /// Server's log from before the load.
    pub log: Bytes,
    /// Load to carry out; the reason of the end where there is no server to drive.
    pub load: Result<PlannedLoad<W>, Closed>,
    /// Whether the run folder is not announced before the load.
    pub quiet: bool,
}

/// Load to carry out.
pub(crate) struct PlannedLoad<W: Wire> {
    /// Inputs of the event loop: plan, identity, model name, facts from before the load.
    pub script: RunInputs,
    /// Wire for requests.
    pub wire: W,
    /// Server under test.
    pub target: Startup,
    /// Sensors of the server.
    pub sensors: Vec<Box<dyn Sensor>>,
    /// Called when the load begins.
    pub began: Box<dyn Fn()>,
    /// Completes, with the reason, when the environment fails.
    pub broke: LocalFuture<'static, String>,
}

/// Fits the plan to the server and describes the run.
///
/// # Errors
/// A depth exceeds what the server holds, the manifest cannot be created, or the user asked to
/// stop.
pub(crate) async fn plan<W: Wire>(
    arrived: Arrived<W>,
    stop: &mut Stop,
) -> Result<Planned<W>, NoRun> {
    unless_stopped(stop, Box::pin(plan_run(arrived))).await
}

async fn plan_run<W: Wire>(arrived: Arrived<W>) -> Result<Planned<W>, NoRun> {
    let Arrived { mut specs, mut environment, mut startup, server } = arrived;
    let cut = specs.options.cut.clone();
    if let Some(cut) = &cut {
        environment.anchor.segment = cut.segment;
    }
    let server = match server {
        Ok(server) => server,
        Err(why) => return Ok(never_ready(&specs, &environment, startup, &why)),
    };
    let recipe = recipe(&specs, &server);
    let bounds = bounds(&recipe, &server);
    specs.plan.narrow(&specs.scenario, bounds)?;
    let warnings = warnings(&specs, &recipe);
    tell_beforehand(&specs, &environment, &server, &warnings);
    let is_stated = bounds.max_model_len.is_some();
    let counted =
        startup.run_until_failed(count_tokens(&specs, &environment, &server, is_stated)).await;
    let (measured, refused) = match counted {
        Ok(counted) => counted,
        Err(why) => return Ok(never_ready(&specs, &environment, startup, &why)),
    };
    specs.plan.narrow(&specs.scenario, Bounds { refused: &refused, ..bounds })?;
    // From here on: what was asked to fit the lengths has no nonce, and warms no prompt of the load.
    specs.plan.nonce = match &cut {
        Some(cut) => cut.manifest.nonce,
        None => nonce(&environment, &server),
    };
    let mut seen = identity::compare(&recipe, &specs.plan, &server);
    let (fitted, notes) = measured.of_plan(&specs.plan);
    tell_differences(&specs, &environment, &server, &seen, &notes);
    let mut manifest = manifest::of(&specs, &recipe, &environment);
    let Measured { fit, .. } = measured;
    // A run that goes on sends the same texts as before.
    let fit = cut.as_ref().map_or(Ok(fit), |cut| kept_fit(cut))?;
    let address = &environment.address;
    manifest::describe(&mut manifest, address, &server, &specs.plan, &fit, &notes);
    seen.extend(notes);
    manifest.warnings = warnings;
    manifest.identify();
    let manifest = as_continued(manifest, &environment, cut.as_deref())?;
    let folder = folder(&specs, &environment, &recipe);
    let asked = report::asked(&manifest, &specs.scenario, &folder);
    let (heard, log) = startup.take_facts();
    let mut before = before(&specs, &environment, &manifest, &server, heard, seen, fitted);
    if let Some(cut) = &cut {
        without_known(&mut before, cut)?;
        before.splice(1..1, rebooted(&specs, &environment, cut));
    }
    let quiet = specs.options.quiet || environment.rehearsed;
    let secrets = environment.secrets.clone();
    let load = Ok(load(specs, environment, recipe, server, fit, startup)?);
    Ok(Planned { folder, cut, manifest, secrets, asked, before, log, load, quiet })
}

/// Returns the number that keeps the run's prompts apart from those of earlier runs, which have the
/// same texts by the same seed: its start time. Where the server understands a salt, that does it,
/// and a rehearsal's server has served nobody before.
fn nonce<W: Wire>(environment: &Environment<W>, server: &ArrivedServer) -> Option<u64> {
    let is_needed = !environment.rehearsed && !server.abilities.cache_salt;
    is_needed.then(|| environment.timeline.wall_us())
}

/// Returns the recipe; where the user named none, it is made from what the server reports.
fn recipe(specs: &Specs, server: &ArrivedServer) -> Recipe {
    let model = &server.model;
    specs.recipe.clone().unwrap_or_else(|| {
        recipe::attach(&model.id, model.max_model_len, server.version.as_deref())
    })
}

/// Returns the server's bounds as recipe and server state them, and its measured speed.
fn bounds(recipe: &Recipe, server: &ArrivedServer) -> Bounds<'static> {
    let declared = recipe.whole("max_model_len");
    let max_model_len = server.model.max_model_len.into_iter().chain(declared).min();
    Bounds { max_model_len, prefill_per_s: server.prefill_per_s, refused: &[] }
}

/// Collects the warnings of recipe, scenario and ailments.
fn warnings(specs: &Specs, recipe: &Recipe) -> Vec<String> {
    let mut warnings = inputs::recipe_warnings(recipe);
    warnings.extend(specs.scenario.warnings.iter().cloned());
    warnings.extend(specs.unseen_ailments());
    warnings
}

/// Prints warnings, and how long the server took to be ready.
fn tell_beforehand<W: Wire>(
    specs: &Specs,
    environment: &Environment<W>,
    server: &ArrivedServer,
    warnings: &[String],
) {
    if !specs.options.quiet {
        for warning in warnings {
            print_stderr(&format!("warning: {warning}"));
        }
    }
    if server.is_simulated() && !specs.simulated {
        print_stderr("note: the server is longhaul's own simulator: the run is SIMULATED");
    }
    if environment.is_ours {
        let steps =
            [("port", server.port), ("model", server.listed), ("first token", server.first_token)];
        let steps = steps.map(|(name, at)| format!("{name} {}", span(at.seconds()))).join(", ");
        print_stderr(&format!("the server is ready: {steps} (not counted as run time)"));
    }
}

/// Prints differences from the recipe, notes, and gates that this run cannot pass, before hours are
/// spent on it.
fn tell_differences<W: Wire>(
    specs: &Specs,
    environment: &Environment<W>,
    server: &ArrivedServer,
    seen: &[Statement],
    lengths: &[Statement],
) {
    if specs.options.quiet {
        return;
    }
    for seen in seen.iter().chain(lengths).filter(|seen| seen.differs) {
        print_stderr(&format!("note: {}", seen.words()));
    }
    let metrics = server.metrics.is_some();
    undecidable(specs, ObservedSources { metrics, ..environment.sight });
}

/// Prints whether the run is too short, and the gates that no run of this kind and length can pass.
fn undecidable(specs: &Specs, sight: ObservedSources) {
    let forecast = specs.forecast();
    for note in &forecast.notes {
        print_stderr(&format!("note: {note}"));
    }
    for (gate, decidable) in forecast.gates(&specs.scenario.contract, &specs.plan, Some(sight)) {
        match decidable {
            Decidable::No(why) => {
                print_stderr(&format!("note: `{}` cannot pass: {why}", gate.text));
            }
            Decidable::Needs(what) => {
                print_stderr(&format!("note: `{}` can pass only with {what}", gate.text));
            }
            Decidable::Yes | Decidable::PassOnly(_) | Decidable::Unknown => {}
        }
    }
}

/// Learns how the server counts tokens, and, where nothing states its context length, which lengths
/// of the plan it refuses. Where counting fails, lengths are estimated and marked as such.
async fn count_tokens<W: Wire>(
    specs: &Specs,
    environment: &Environment<W>,
    server: &ArrivedServer,
    is_stated: bool,
) -> (Measured, Vec<RefusedLength>) {
    let (wire, timeline) = (&environment.wire, &environment.timeline);
    let reported = Cell::new(timeline.now());
    let progress = |done: usize, all: usize| {
        if timeline.now().since(reported.get()) >= COUNTING_US {
            reported.set(timeline.now());
            print_stderr(&format!("measuring the token counts of prompts: {done} of {all}"));
        }
    };
    let ready = specs.scenario.limits.ready;
    let waiting = waiting(environment, ready);
    let patience = RetryPolicy::new(timeline, timeline.now().after(ready), &waiting);
    let (abilities, model) = (&server.abilities, server.model.id.as_str());
    let patience = &patience;
    let is_simulated = specs.simulated;
    let first_token = specs.scenario.limits.first_token;
    let counted = Counted { wire, timeline, patience, abilities, model, is_simulated, first_token };
    let mut measured = match fit_prompts(&counted, &specs.plan, &progress).await {
        Ok(measured) => measured,
        Err(why) => {
            let why = one_line(&why, ERROR_CHARS_MAX);
            let note = Statement::note("prompt lengths", format!("a guess: {why}"));
            let fit = Fit::guess(specs.plan.corpus());
            Measured { fit, fitted: Vec::new(), uncounted: Vec::new(), notes: vec![note] }
        }
    };
    if is_stated {
        return (measured, Vec::new());
    }
    let tell = |words: &str| {
        if !environment.rehearsed {
            print_stderr(words);
        }
    };
    let AskedLengths { refused, notes } =
        ask_lengths(&counted, &specs.plan, &measured.fit, first_token, &tell).await;
    measured.notes.extend(notes);
    (measured, refused)
}

/// Returns the run folder: the user's, else the default.
fn folder<W: Wire>(specs: &Specs, environment: &Environment<W>, recipe: &Recipe) -> PathBuf {
    let ours = || environment.folder(&recipe.source.name, &specs.scenario.source.name);
    specs.options.output.clone().unwrap_or_else(ours)
}

/// Collects the facts from before the load.
fn before<W: Wire>(
    specs: &Specs,
    environment: &Environment<W>,
    manifest: &Manifest,
    server: &ArrivedServer,
    heard: Vec<(At, Fact)>,
    seen: Vec<Statement>,
    fitted: Vec<Fitted>,
) -> Vec<(At, Fact)> {
    let step = |name: &str| Fact::Target(TargetFact::ready(name));
    let mut facts = heard;
    facts.extend([
        (server.port, step("port")),
        (server.listed, step("model")),
        (server.first_token, step("first_token")),
    ]);
    if specs.simulated && specs.scenario.gives_orders() {
        let words = "longhaul's own simulated server";
        facts.push((At::ZERO, Fact::Target(TargetFact::new(TargetWord::Launched, words))));
    }
    facts.sort_by_key(|(at, _)| *at);
    facts.insert(0, (At::ZERO, environment.opened(manifest)));
    let now = environment.timeline.now();
    facts.extend(seen.into_iter().map(|seen| (now, Fact::Seen(seen))));
    facts.extend(fitted.into_iter().map(|fitted| (now, Fact::Fitted(fitted))));
    facts
}

fn load<W: Wire>(
    specs: Specs,
    environment: Environment<W>,
    recipe: Recipe,
    server: ArrivedServer,
    fit: Fit,
    target: Startup,
) -> Result<PlannedLoad<W>, Mistake> {
    let Environment { wire, timeline, wall, standstills, load_began, broke, .. } = environment;
    let probe_path = probe::path(server.abilities.health, !server.models.is_empty());
    let engine = EngineSensor::new(wire.clone(), server.metrics.as_deref(), probe_path);
    let mut sensors: Vec<Box<dyn Sensor>> = vec![Box::new(engine)];
    sensors.extend((environment.sensors)());
    let plan = Rc::new(specs.plan);
    let cut = specs.options.cut.as_deref();
    let earlier = cut.map(|cut| earlier(cut, plan.clone())).transpose()?;
    // Salt that is unique to this run: its start time.
    let start_us = cut.map_or_else(|| timeline.wall_us(), |cut| cut.manifest.start_us());
    let script = RunInputs {
        probe_path,
        timeline,
        plan,
        fit: Rc::new(fit),
        abilities: server.abilities,
        recipe: Rc::new(recipe),
        identity: Identity::of_server(&server),
        names: server.names(),
        listed: known_by(&server.model.id, server.models.into_iter().map(|model| model.id)),
        model: server.model.id,
        salt: format!("longhaul-{start_us:x}"),
        earlier,
        before: Vec::new(),
        models_us: server.models_us,
        wall,
        standstills,
    };
    Ok(PlannedLoad { script, wire, target, sensors, began: load_began, broke })
}

/// Plans a run that records that there was no server: it never answered, or never became ready.
/// Facts that arrived while it was waited for are written as in any other run.
fn never_ready<W: Wire>(
    specs: &Specs,
    environment: &Environment<W>,
    mut startup: Startup,
    why: &str,
) -> Planned<W> {
    let recipe = specs.recipe.clone().unwrap_or_else(|| recipe::attach("unknown", None, None));
    let mut manifest = manifest::of(specs, &recipe, environment);
    environment.address.clone_into(&mut manifest.server.endpoint);
    manifest.identify();
    let cut = specs.options.cut.clone();
    if let Some(cut) = &cut {
        manifest = cut.with_segment(environment.anchor.clone());
    }
    let folder = folder(specs, environment, &recipe);
    let asked = report::asked(&manifest, &specs.scenario, &folder);
    let note = why.to_owned();
    let because = if environment.is_ours {
        let lines = if specs.options.quiet { Vec::new() } else { startup.last_lines() };
        for line in lines {
            print_stderr(&format!("its log: {line}"));
        }
        ClosedBecause::NeverReady
    } else {
        ClosedBecause::NeverAnswered
    };
    let closed = Closed { because, note };
    let (heard, log) = startup.take_facts();
    let mut before = vec![(At::ZERO, environment.opened(&manifest))];
    before.extend(heard);
    before.push((environment.timeline.now(), Fact::Closed(closed.clone())));
    let (secrets, load) = (environment.secrets.clone(), Err(closed));
    Planned { folder, cut, manifest, secrets, asked, before, log, load, quiet: true }
}

#[cfg(test)]
mod tests;
