//! `longhaul run`: a server is driven, from what was asked to a verdict.

pub mod boxed;
mod door;
mod launch;
mod life;
mod simulated;
mod under_test;

use std::path::PathBuf;
use std::rc::Rc;

use tokio::task::LocalSet;

use super::drive::screen::Screen;
use super::drive::{self, Specs, Went, carry_out, conclude, prepare, stopping};

use super::inputs::FLAGSHIP;
use super::sim::no_profile;
use super::tell;
use crate::error::Mistake;
use crate::exit::Exit;
use crate::run::stop::{Stop, Stopper};
use crate::spec::Scenario;
use crate::spec::recipe::Reading;
use boxed::Boxed;
use life::Life;

/// What the user wants of a run.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// What rehearsals are asked too.
    pub drive: drive::Wish,
    /// The address of a server that already runs.
    pub endpoint: Option<String>,
    /// Drive the simulated server.
    pub simulate: bool,
    /// The variable that holds the API key.
    pub api_key_env: Option<String>,
    /// Headers for every request.
    pub headers: Vec<String>,
    /// Certificates to trust.
    pub ca_cert: Option<PathBuf>,
    /// How the server is started or watched.
    pub boxed: Boxed,
}

/// Drives a server and judges it.
pub fn run(wish: Wish) -> Exit {
    let wide = wish.drive.wide;
    conclude(went(wish), wide)
}

/// Whether a recipe could be started and driven, as far as it and the scenario tell.
///
/// # Errors
/// The user's mistake.
pub fn check(mut wish: Wish, reading: Reading, scenario: Scenario) -> Result<(), Mistake> {
    let simulate = wish.boxed.start.is_none();
    let asked = &wish.drive.asked;
    wish.boxed.check(false, wish.simulate, asked)?;
    if !simulate {
        real(&wish.drive)?;
    }
    let recipe = Some(reading.recipe.clone());
    let specs = Specs { recipe, scenario, profile: None, simulate };
    prepare::servable(&specs, asked.seed)?;
    if simulate { Ok(()) } else { wish.boxed.take(reading).map(|_| ()) }
}

/// Drives a server, and leaves the judging to whoever asked.
pub fn went(mut wish: Wish) -> Went {
    // Before the runtime, since a recipe may have to be fetched.
    let specs = match specs(&mut wish) {
        Ok(specs) => specs,
        Err(wrong) => return Went::Mistake(wrong),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => return Went::Mistake(Mistake::new(format!("no runtime: {why}"))),
    };
    wish.drive.again = again(&wish);
    let driven = async { drive(wish, specs).await.unwrap_or_else(|went| went) };
    runtime.block_on(LocalSet::new().run_until(driven))
}

async fn drive(wish: Wish, specs: Specs) -> Result<Went, Went> {
    let (stopper, stop) = stopping();
    prepare::vacant(&wish.drive)?;
    prepare::servable(&specs, wish.drive.asked.seed)?;
    let life = Rc::new(Life::begin(&wish, &specs)?);
    let driven = drive_started(&wish, &specs, &life, stopper, stop).await;
    // Whatever happened: what longhaul started does not outlive it.
    life.put_away().await;
    driven
}

async fn drive_started(
    wish: &Wish,
    specs: &Specs,
    life: &Rc<Life>,
    stopper: Rc<Stopper>,
    mut stop: Stop,
) -> Result<Went, Went> {
    // Signals are listened to before there is anything that one could leave behind.
    tokio::task::yield_now().await;
    tokio::select! { biased;
        _ = stop.requested() => return Err(Went::Interrupted),
        launched = life.launch(&wish.boxed) => launched?,
    }
    let prepared = prepare::prepare(&wish.drive, specs, life, &mut stop).await?;
    if !wish.drive.quiet {
        tell(&format!("run folder: {}", prepared.folder.display()));
    }
    let on_fail = wish.drive.stop_on_fail.then_some(stopper);
    let mut screen = Screen::live(prepared.asked.clone(), on_fail);
    let went = carry_out(prepared, stop, &mut screen).await;
    screen.end();
    Ok(went)
}

fn specs(wish: &mut Wish) -> Result<Specs, Mistake> {
    wish.boxed.check(wish.endpoint.is_some(), wish.simulate, &wish.drive.asked)?;
    let asked = &wish.drive.asked;
    let bare = wish.endpoint.is_none() && asked.recipe.is_none() && asked.scenario.is_none();
    let simulate = wish.simulate || bare;
    if !simulate && wish.endpoint.is_none() && wish.boxed.start.is_none() {
        // A night on the simulator by mistake would be a night lost.
        return Err(Mistake::new(
            "recipe and scenario say what is served and asked, but not where",
        )
        .hint("--endpoint http://host:8000 to drive a server that runs")
        .hint("--start process, docker, podman or sparkrun to start the recipe")
        .hint("--simulate to drive the built-in simulated server"));
    }
    if !simulate {
        real(&wish.drive)?;
    }
    let reading = asked.reading(simulate.then_some(FLAGSHIP))?;
    let recipe = reading.as_ref().map(|reading| reading.recipe.clone());
    if let Some(reading) = reading.filter(|_| wish.boxed.start.is_some()) {
        let derived = wish.boxed.take(reading)?;
        wish.endpoint.get_or_insert(derived);
    }
    let scenario = asked.scenario(if simulate { "smoke" } else { "quick" })?;
    let orders = scenario.drills.iter().find(|drill| drill.kind.gives_orders());
    if let Some(drill) = orders.filter(|_| !simulate && wish.boxed.start.is_none()) {
        let word = drill.kind.word();
        let what = format!("the drill `{word}` needs a server that longhaul starts");
        return Err(Mistake::new(what)
            .at(scenario.source.origin.clone())
            .hint("--start process|docker|podman|sparkrun, with the recipe that it runs")
            .hint("a scenario without it"));
    }
    let profile = if simulate { asked.profile(recipe.as_ref())? } else { None };
    if simulate && profile.is_none() {
        return Err(no_profile());
    }
    Ok(Specs { recipe, scenario, profile, simulate })
}

/// What only the simulated server has.
fn real(wish: &drive::Wish) -> Result<(), Mistake> {
    if !wish.ailments.is_empty() {
        return Err(Mistake::new(
            "--ailment is a fault of the simulated server, and this one is real",
        )
        .hint("--simulate in place of --endpoint"));
    }
    if wish.server_seed.is_some() {
        let what = "--server-seed makes the simulated server's noise, and this server is real";
        return Err(Mistake::new(what).hint("--seed makes the load"));
    }
    if wish.asked.profile.is_some() {
        let what = "--profile is the machine of the simulated server, and this server is real";
        return Err(Mistake::new(what).hint("longhaul plan takes rates from a profile"));
    }
    Ok(())
}

/// What only this verb has on its command line.
fn again(wish: &Wish) -> drive::Again {
    let value = |name, value: Option<String>| value.map(|value| (name, Some(value)));
    let ca_cert = wish.ca_cert.as_ref().map(|path| path.display().to_string());
    let mut flags: Vec<_> = wish.boxed.again();
    let others = [
        value("endpoint", wish.endpoint.clone()),
        value("api-key-env", wish.api_key_env.clone()),
        value("ca-cert", ca_cert),
        wish.endpoint.is_none().then_some(("simulate", None)),
    ];
    flags.extend(others.into_iter().flatten());
    drive::Again { verb: "run", flags }
}
