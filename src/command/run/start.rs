//! Starts the server of a run: the simulated one on its own thread, one that longhaul starts or
//! watches, or one of which only the address is known.

use std::rc::Rc;

use tokio::task::JoinHandle;

use super::ServerOptions;
use super::connect::{self, connect};
use super::simulated::Simulated;
use crate::command::drive::environment::Environment;
use crate::command::drive::{NoRun, Specs, unless_stopped};
use crate::command::{hide, print_stderr};
use crate::http::{Address, Http};
use crate::journal::manifest::{Anchor, RunNode};
use crate::observe::{host_sensors, is_local, this_machine};
use crate::plan::forecast::ObservedSources;
use crate::run::stop::Stop;
use crate::target::Leftovers;
use crate::target::launch::Launch;
use crate::target::orphan::Orphan;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Sensor, ServerPid, Standstills, Target};

/// Limit of the time to end what longhaul started: stop, kill, remove.
const STOP_WAIT_US: u64 = 300_000_000;

/// Server that runs or is starting.
pub(super) struct Started {
    /// Environment of the load.
    pub environment: Environment<Http>,
    /// Target: what can be observed of the server besides its endpoint.
    pub target: Box<dyn Target>,
    /// Remainder to clean up when the run is over.
    pub leftover: Leftover,
}

/// Task of a target, which outlives the run's handle.
pub(super) struct Leftover {
    /// Completes when everything that longhaul started is gone.
    task: JoinHandle<Leftovers>,
    timeline: Timeline,
    /// Whether longhaul started the server.
    starts: bool,
}

/// Starts the server, or begins to watch it.
///
/// # Errors
/// An address, a key or a certificate cannot be used, a server cannot be started or found, or the
/// user asked to stop.
pub(super) async fn start(
    specs: &Specs,
    options: &ServerOptions,
    stop: &mut Stop,
) -> Result<Started, NoRun> {
    let sim = if specs.simulated { Some(Rc::new(Simulated::start(specs)?)) } else { None };
    let timeline = Timeline::start();
    let anchor = anchor(timeline);
    let mut secrets = specs.secrets();
    secrets.add_all(&connect::secrets(options));
    hide(&secrets);
    let standstills = Standstills::default();
    let (wire, address) = connect(options, sim.as_deref(), timeline, standstills.clone())?;
    let server_pid = ServerPid::default();
    // Lets the signal task start first, so that an early signal cannot leave anything behind.
    tokio::task::yield_now().await;
    if let Some(orphan) = orphan(specs, options, &anchor) {
        unless_stopped(stop, orphan.end(timeline, print_stderr)).await?;
    }
    let launch =
        Launch { options: &options.target, timeline, address: &address, tell: print_stderr };
    let (launched, added) = unless_stopped(stop, launch.start_server(&server_pid)).await?;
    let starts = options.target.start.is_some();
    let target: Box<dyn Target> = match &sim {
        Some(sim) => Box::new(sim.target(timeline)),
        None => Box::new(launched.handle),
    };
    let is_here = options.target.pid.is_some()
        || Address::parse(&address).is_ok_and(|it| is_local::is_here(it.host()));
    // It ends with the run.
    tokio::task::spawn_local(standstills.clone().look(timeline));
    let environment = Environment {
        wire,
        secrets,
        is_ours: starts || sim.as_ref().is_some_and(|sim| sim.refuses()),
        waits_for_host: options.wait,
        sight: ObservedSources {
            log: sim.is_some() || starts || options.target.reads_log(),
            kernel: sim.is_some() || is_here,
            metrics: false,
            process: sim.is_some()
                || starts
                || options.target.container.is_some()
                || options.target.pid.is_some(),
        },
        added,
        timeline,
        wall: Box::new(|_| Timeline::wall_now_us()),
        standstills,
        rehearsed: false,
        node: node(),
        anchor,
        sensors: sensors(sim.clone(), timeline, is_here, address.clone(), server_pid),
        load_began: Box::new(move || sim.iter().for_each(|sim| sim.load_began())),
        broke: Box::pin(std::future::pending()),
        address,
    };
    let leftover = Leftover { task: launched.task, timeline, starts };
    Ok(Started { environment, target, leftover })
}

/// Creates the sensors of the server's machine; called when the server answers, because the target
/// knows the server's process by then.
fn sensors(
    sim: Option<Rc<Simulated>>,
    timeline: Timeline,
    is_here: bool,
    address: String,
    server_pid: ServerPid,
) -> Box<dyn FnOnce() -> Vec<Box<dyn Sensor>>> {
    Box::new(move || {
        if let Some(sim) = sim {
            return sim.sensors();
        }
        if is_here {
            let server_pid = Some(&server_pid).filter(|known| known.pid().is_some());
            let port = Address::parse(&address).ok().and_then(|address| address.port());
            return host_sensors::here(timeline, server_pid, port);
        }
        Address::parse(&address)
            .map_or_else(|_| Vec::new(), |address| host_sensors::elsewhere(address.host()))
    })
}

impl Leftover {
    /// Waits, up to a limit, until everything that longhaul started is gone.
    pub(super) async fn stop_all(self) {
        if self.starts && !self.task.is_finished() {
            print_stderr("the server that longhaul started is being ended");
        }
        let deadline = At(self.timeline.now().0 + STOP_WAIT_US);
        match self.timeline.before(deadline, self.task).await {
            None => print_stderr("warning: it did not end in time and may still be there"),
            Some(Ok(Some(why))) => print_stderr(&format!("warning: {why}")),
            Some(_) => {}
        }
    }
}

/// Returns the server that a run which goes on had started, and that may still run.
fn orphan(specs: &Specs, options: &ServerOptions, now: &Anchor) -> Option<Orphan> {
    let cut = specs.options.cut.as_ref().filter(|_| options.target.start.is_some())?;
    let (segment, at, launched) = cut.launched.clone()?;
    let anchor = cut.manifest.segments.iter().find(|anchor| anchor.segment == segment)?;
    let is_same_boot = anchor.boot_id.is_some() && anchor.boot_id == now.boot_id;
    let since_boot_us = anchor.monotonic_us.filter(|_| is_same_boot).map(|us| us + at.0);
    let since_boot_s = since_boot_us.map(|us| us as f64 / 1e6);
    Some(Orphan { launched, since_boot_s })
}

/// Describes the machine that drives.
fn node() -> RunNode {
    RunNode {
        host: this_machine::host().unwrap_or_default(),
        role: "load".to_owned(),
        kernel: this_machine::kernel(),
        driver: this_machine::driver(),
        clocks: this_machine::clocks(),
    }
}

/// Creates the anchor that ties the offsets of the run to the wall clock.
fn anchor(timeline: Timeline) -> Anchor {
    Anchor {
        segment: 0,
        wall_us: timeline.wall_us(),
        monotonic_us: this_machine::uptime_us(),
        boot_id: this_machine::boot_id(),
    }
}
