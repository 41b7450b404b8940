//! Starts the server of a run: the simulated one on its own thread, one that longhaul starts or
//! watches, or one of which only the address is known.

use std::cell::Cell;
use std::rc::Rc;

use tokio::task::JoinHandle;

use super::ServerOptions;
use super::connect::{self, connect};
use super::simulated::Simulated;
use crate::command::drive::environment::{Environment, dated_folder};
use crate::command::drive::{NoRun, Specs, unless_stopped};
use crate::command::{hide, print_stderr};
use crate::error::Mistake;
use crate::http::{Address, Http};
use crate::journal::HeldFolder;
use crate::journal::manifest::{Anchor, RunNode};
use crate::observe::{host_sensors, is_local, port, this_machine};
use crate::plan::forecast::ObservedSources;
use crate::run::stop::Stop;
use crate::target::Leftovers;
use crate::target::launch::Launch;
use crate::target::orphan::LaunchedServer;
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
    /// Port of a process that longhaul started.
    pub own_port: Option<OwnPort>,
}

/// Port at which the process that longhaul started is to listen.
pub(super) struct OwnPort {
    port: u16,
    /// Instant of the process's start in seconds since the machine's boot.
    since_boot_s: f64,
}

impl OwnPort {
    /// Checks that nobody else listens there: a process that is older than the server.
    ///
    /// # Errors
    /// Process that listens at the port.
    pub(super) fn check(&self) -> Result<(), Mistake> {
        let OwnPort { port, since_boot_s } = *self;
        let Some(who) = port::older_listener(port, since_boot_s) else { return Ok(()) };
        Err(Mistake::new(format!(
            "{who} took port {port} while the server was starting, so the server cannot be reached"
        ))
        .hint("end it: it may be a server of an earlier run, which was still loading")
        .hint("another port in the recipe"))
    }
}

/// Holds the run folder from before the start of a server that longhaul starts, so that a server
/// which outlives it can be found. Other runs take their folder when the server has answered.
///
/// # Errors
/// The folder is in use, is not empty, or cannot be written.
pub(super) fn hold(
    specs: &mut Specs,
    options: &ServerOptions,
) -> Result<Option<HeldFolder>, Mistake> {
    if options.target.start.is_none() {
        return Ok(None);
    }
    if let Some(cut) = &specs.options.cut {
        return Ok(Some(cut.held.clone()));
    }
    let recipe = specs.recipe.as_ref().map_or("unknown", |recipe| &recipe.source.name);
    let dated = || dated_folder(Timeline::wall_now_us(), recipe, &specs.scenario.source.name);
    let dir = specs.options.output.clone().unwrap_or_else(dated);
    let held = HeldFolder::create(&dir)?;
    specs.options.output = Some(dir);
    Ok(Some(held))
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
    held: Option<&HeldFolder>,
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
    let boot_id = anchor.boot_id.as_deref();
    unless_stopped(stop, end_orphans(specs, held, boot_id, timeline)).await?;
    let own = Cell::new(None);
    let record = |launched: &LaunchedServer| {
        own.set(since_boot_s(launched));
        let text = serde_json::to_string(launched).unwrap_or_default();
        held.map_or(Ok(()), |held| held.record_launch(&text))
    };
    let launch = Launch {
        options: &options.target,
        timeline,
        address: &address,
        tell: print_stderr,
        name_listener: port::name_of_listener,
        boot_id,
        record: &record,
    };
    let launched = unless_stopped(stop, launch.start_server(&server_pid)).await;
    if let (Err(NoRun::Mistake(_)), Some(held)) = (&launched, held) {
        held.forget_launch();
    }
    let (launched, added) = launched?;
    let starts = options.target.start.is_some();
    let target: Box<dyn Target> = match &sim {
        Some(sim) => Box::new(sim.target(timeline)),
        None => Box::new(launched.handle),
    };
    let is_here = options.target.pid.is_some()
        || Address::parse(&address).is_ok_and(|it| is_local::is_here(it.host()));
    let listens_at = Address::parse(&address).ok().and_then(|it| it.port()).filter(|_| is_here);
    let own_port =
        listens_at.zip(own.get()).map(|(port, since_boot_s)| OwnPort { port, since_boot_s });
    // It ends with the run.
    tokio::task::spawn_local(standstills.clone().look(timeline));
    let environment = Environment {
        wire,
        secrets,
        is_ours: starts || sim.as_ref().is_some_and(|sim| sim.refuses()),
        waits_for_host: options.wait,
        sight: sight(options, sim.is_some(), is_here),
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
    Ok(Started { environment, target, leftover, own_port })
}

/// Returns what can be observed of the server; whether its metrics can is not known yet.
fn sight(options: &ServerOptions, is_simulated: bool, is_here: bool) -> ObservedSources {
    let target = &options.target;
    let is_ours = is_simulated || target.start.is_some();
    ObservedSources {
        log: is_ours || target.reads_log(),
        kernel: is_simulated || is_here,
        metrics: false,
        process: is_ours || target.container.is_some() || target.pid.is_some(),
    }
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
    /// Waits, up to a limit, until everything that longhaul started is gone, and returns whether it
    /// is.
    pub(super) async fn stop_all(self) -> bool {
        if self.starts && !self.task.is_finished() {
            print_stderr("the server that longhaul started is being ended");
        }
        let deadline = At(self.timeline.now().0 + STOP_WAIT_US);
        let why = match self.timeline.before(deadline, self.task).await {
            None => "it did not end in time and may still be there".to_owned(),
            Some(Ok(Some(why))) => why,
            Some(_) => return true,
        };
        print_stderr(&format!("warning: {why}"));
        false
    }
}

/// Ends the servers that an earlier longhaul had started for this run, and that still run.
async fn end_orphans(
    specs: &Specs,
    held: Option<&HeldFolder>,
    boot_id: Option<&str>,
    timeline: Timeline,
) -> Result<(), Mistake> {
    for orphan in orphans(specs, held) {
        orphan.end(boot_id, timeline, print_stderr).await?;
    }
    if let Some(held) = held {
        held.forget_launch();
    }
    Ok(())
}

/// Returns the servers that an earlier longhaul had started for this run, and that may still run:
/// the one of the folder's record, and the last one of the journal, which may be a later start.
fn orphans(specs: &Specs, held: Option<&HeldFolder>) -> Vec<LaunchedServer> {
    let Some(held) = held else { return Vec::new() };
    let recorded = held.launched().and_then(|text| serde_json::from_str(&text).ok());
    let journaled = specs.options.cut.as_ref().and_then(|cut| {
        let (segment, at, words) = cut.launched.as_ref()?;
        let anchor = cut.manifest.segments.iter().find(|anchor| anchor.segment == *segment)?;
        let since_boot_s = anchor.monotonic_us.map(|us| (us + at.0) as f64 / 1e6);
        LaunchedServer::of_words(words, since_boot_s.zip(anchor.boot_id.as_deref()))
    });
    recorded.into_iter().chain(journaled).collect()
}

/// Returns when a process was started, in seconds since the machine's boot.
fn since_boot_s(launched: &LaunchedServer) -> Option<f64> {
    match launched {
        LaunchedServer::Process { since_boot_s, .. } => Some(*since_boot_s),
        LaunchedServer::Container { .. } => None,
    }
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
