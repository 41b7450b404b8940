//! Implements `longhaul rehearse`: runs the whole plan against the simulated server in virtual
//! time, hours in seconds, by the code that a run uses.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use super::drive::environment::Environment;
use super::drive::screen::Screen;
use super::drive::{
    DriveOptions, Driven, NoRun, Planned, RepeatCommand, Specs, arrive, conclude, drive, plan,
    stopping, vacant,
};
use super::inputs::DEFAULT_RECIPE;
use super::sim::no_profile;
use crate::error::Mistake;
use crate::exit::Exit;
use crate::journal::manifest::{Anchor, RunNode};
use crate::journal::{self, Journal};
use crate::plan::forecast::ObservedSources;
use crate::run::stop::Stop;
use crate::sim::SimEngine;
use crate::sim::world::machine_sensors::{self, ReadMachine};
use crate::sim::world::{Connections, Disk, SimHost, SimTarget, SimWire, signs};
use crate::timeline::Timeline;
use crate::unit::At;

/// Start of every rehearsal: midnight, so that its wall times read as time since the start, on a
/// day (1 January 2000) on which nobody served a language model.
const EPOCH: Duration = Duration::from_secs(946_684_800);

/// Default scenario: six hours.
const SCENARIO: &str = "short";

/// Rehearses and judges.
pub(crate) fn rehearse(options: DriveOptions) -> Exit {
    let wide = options.wide;
    conclude(driven(options), wide)
}

/// Rehearses, and leaves the judging to the caller; a signal stops it.
///
/// # Errors
/// A mistake of the user, or the request to stop before the load.
pub(crate) fn driven(options: DriveOptions) -> Result<Driven, NoRun> {
    let specs = specs(options)?;
    in_virtual_time(async {
        let (stopper, mut stop) = stopping();
        let on_fail = specs.options.stop_on_fail.then_some(stopper);
        let (planned, disk) = planned(specs, &mut stop).await?;
        let mut screen = Screen::rehearsed(planned.asked.clone(), on_fail);
        screen.catch_up(planned.cut.as_deref())?;
        let driven = Box::pin(drive(planned, disk, stop, &mut screen)).await;
        screen.end();
        Ok(driven)
    })
}

/// Rehearses with the watcher as its only output: for tests of what a rehearsal shows.
///
/// # Errors
/// Same as [`driven`].
#[cfg(test)]
pub(crate) fn play(
    options: DriveOptions,
    mut stop: Stop,
    watcher: &mut dyn crate::run::Watcher,
) -> Result<Driven, NoRun> {
    let specs = specs(options)?;
    in_virtual_time(async {
        let (planned, disk) = planned(specs, &mut stop).await?;
        Ok(Box::pin(drive(planned, disk, stop, watcher)).await)
    })
}

/// Finds and reads the texts; in real time, since a recipe may have to be fetched.
fn specs(mut options: DriveOptions) -> Result<Specs, Mistake> {
    options.again = RepeatCommand { verb: "rehearse", ..RepeatCommand::default() };
    let recipe = options.inputs.recipe(Some(DEFAULT_RECIPE))?;
    let scenario = options.inputs.scenario(SCENARIO)?;
    let profile = options.inputs.profile(recipe.as_ref())?;
    if profile.is_none() {
        return Err(no_profile());
    }
    vacant(&options)?;
    Specs::new(options, recipe, scenario, profile, true)
}

/// Runs under a paused clock, which advances directly to the next timer.
fn in_virtual_time<T>(play: impl Future<Output = Result<T, NoRun>>) -> Result<T, NoRun> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .map_err(|why| Mistake::new(format!("no runtime: {why}")))?;
    runtime.block_on(LocalSet::new().run_until(play))
}

/// Plans a run, and creates its journal.
async fn planned(
    specs: Specs,
    stop: &mut Stop,
) -> Result<(Planned<SimWire>, Disk<Journal>), NoRun> {
    // A rehearsal that goes on does so at its last row.
    let cut_us = specs.options.cut.as_ref().map(|cut| cut.last_us);
    let begin = cut_us.map_or(EPOCH, Duration::from_micros);
    let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH + begin);
    let seed = specs.options.server_seed();
    let host = Rc::new(SimHost::new(timeline, seed, specs.ailments.clone()));
    let (environment, target) = environment(&specs, timeline, host.clone())?;
    let arrived = arrive(specs, environment, Box::new(target), stop).await?;
    let planned = plan(arrived, stop).await?;
    // Written at once: hours of virtual time would pass while a thread writes.
    let Planned { folder, manifest, secrets, cut, .. } = &planned;
    let journal = Journal::inline(folder, manifest, secrets, cut.as_deref())?;
    Ok((planned, Disk::new(journal, host, journal::QUEUE_JOBS_MAX)))
}

/// Creates a simulated server and its machine in virtual time, and a machine for longhaul.
fn environment(
    specs: &Specs,
    timeline: Timeline,
    host: Rc<SimHost>,
) -> Result<(Environment<SimWire>, SimTarget), Mistake> {
    let setup = specs.setup().ok_or_else(no_profile)?;
    let secrets = specs.secrets();
    let (seed, load_us) = (specs.options.server_seed(), specs.load_us);
    // A simulated server is up before the first request; one that cannot start is a verdict on the
    // recipe.
    let is_ours = setup.refuses;
    let engine = SimEngine::new(setup, seed, specs.ailments.clone(), At::ZERO);
    let (tell, signs) = signs();
    let connections = Rc::new(Connections::new(engine, timeline, seed, Box::new(tell)));
    let (driving, ordered, looked) =
        (connections.clone(), connections.clone(), connections.clone());
    let driven = tokio::task::spawn_local(async move { driving.drive().await });
    let broke = async {
        match driven.await {
            Ok(()) => "the simulated server ended by itself".to_owned(),
            Err(broke) => format!("the simulated server broke: {broke}"),
        }
    };
    let give = move |order, action| ordered.order(order, action);
    let target = SimTarget::new(signs, timeline, Box::new(give));
    let (wall, ailments) = (host.clone(), specs.options.ailments.clone());
    let environment = Environment {
        wire: SimWire::new(connections.clone(), host.standstills().clone()),
        address: "http://rehearsed".to_owned(),
        secrets,
        is_ours,
        waits_for_host: false,
        sight: ObservedSources { log: true, kernel: true, metrics: false, process: true },
        added: Vec::new(),
        timeline,
        wall: Box::new(move |now| wall.wall_us(now)),
        standstills: host.standstills().clone(),
        rehearsed: true,
        node: RunNode {
            host: "rehearsed".to_owned(),
            role: "load".to_owned(),
            ..RunNode::default()
        },
        anchor: Anchor { wall_us: timeline.wall_us(), ..Anchor::default() },
        sensors: Box::new(move || {
            let look: ReadMachine = Rc::new(move || looked.view());
            machine_sensors::sensors(&look, &ailments)
        }),
        load_began: Box::new(move || {
            connections.load_began(load_us);
            host.load_began(load_us);
        }),
        broke: Box::pin(broke),
    };
    Ok((environment, target))
}
