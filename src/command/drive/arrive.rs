//! Waits for the server, and keeps what its target reports of the start.

use std::cell::Cell;
use std::time::Duration;

use super::environment::Environment;
use super::{NoRun, Specs, unless_stopped};
use crate::command::print_stderr;
use crate::run::arrive::{ArrivedServer, NoServer, Requirements, arrive as wait};
use crate::run::startup::Startup;
use crate::run::stop::Stop;
use crate::unit::{At, span};
use crate::world::{Target, Wire};

/// Interval of the message that longhaul waits for the server, in microseconds.
const PROGRESS_EVERY_US: u64 = 15_000_000;

/// Server after the wait for it.
pub(crate) struct Arrived<W: Wire> {
    /// Specs of the run.
    pub specs: Specs,
    /// Environment of the load.
    pub environment: Environment<W>,
    /// Target, and what it reported of its start.
    pub startup: Startup,
    /// Server's identity and abilities, or the reason why there is none to drive.
    pub server: Result<ArrivedServer, String>,
}

/// Waits for the server.
///
/// # Errors
/// The server is not what the user expects, or the user asked to stop.
pub(crate) async fn arrive<W: Wire>(
    specs: Specs,
    environment: Environment<W>,
    target: Box<dyn Target>,
    stop: &mut Stop,
) -> Result<Arrived<W>, NoRun> {
    let mut startup = Startup::new(target, environment.timeline, environment.is_ours, print_stderr);
    let arrived = async {
        let server = match startup.run_until_failed(server(&specs, &environment)).await {
            Ok(Ok(server)) => Ok(server),
            Ok(Err(NoServer::Mistake(wrong))) => return Err(NoRun::Mistake(wrong)),
            Ok(Err(NoServer::NeverAnswered(words))) => Err(startup.with_log_reason(words)),
            Err(why) => Err(why),
        };
        Ok(Arrived { specs, environment, startup, server })
    };
    unless_stopped(stop, Box::pin(arrived)).await
}

/// Probes until the server answers, and prints what is asked and how long that has taken.
async fn server<W: Wire>(
    specs: &Specs,
    environment: &Environment<W>,
) -> Result<ArrivedServer, NoServer> {
    let served = specs.recipe.as_ref().map(|recipe| recipe.served.clone()).unwrap_or_default();
    let ready = specs.scenario.limits.ready;
    let Environment { wire, timeline, address, rehearsed, waits_for_host, .. } = environment;
    if !rehearsed {
        print_stderr(&format!("asking {address} what it serves"));
    }
    let wanted = Requirements {
        ready,
        model: specs.options.model.as_deref(),
        served: &served,
        unknown_host: *waits_for_host,
        apis: &specs.plan.apis(),
        output: specs.plan.output_max(),
    };
    wait(wire, timeline, &wanted, &waiting(environment, ready)).await
}

/// Returns the printer of waits: at once, and then from time to time.
pub(super) fn waiting<W: Wire>(environment: &Environment<W>, ready: Duration) -> impl Fn(At, &str) {
    let Environment { address, rehearsed, .. } = environment;
    let most = span(ready.as_secs_f64());
    let reported: Cell<Option<At>> = Cell::new(None);
    move |at: At, words: &str| {
        if !rehearsed
            && reported.get().is_none_or(|reported| at.since(reported) >= PROGRESS_EVERY_US)
        {
            reported.set(Some(at));
            let waited = span(at.seconds().round());
            print_stderr(&format!("waiting for {address}, {waited} of at most {most}: {words}"));
        }
    }
}
