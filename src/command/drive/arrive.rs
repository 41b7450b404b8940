//! The server is waited for, while what its target says of the start is kept.

use super::environment::Environment;
use super::{NoRun, Specs, unless_stopped};
use crate::command::tell;
use crate::run::arrive::{ArrivedServer, NoServer, arrive as wait};
use crate::run::startup::Startup;
use crate::run::stop::Stop;
use crate::unit::{At, span};
use crate::world::{Target, Wire};

/// How often a person hears that the server is waited for, microseconds.
const TELL_US: u64 = 15_000_000;

/// A server that was waited for.
pub(crate) struct Arrived<W: Wire> {
    /// What is asked of it.
    pub specs: Specs,
    /// What is around the load.
    pub environment: Environment<W>,
    /// The target, and what it said of its start.
    pub startup: Startup,
    /// What the server says it is and can do, or why there is none to drive.
    pub server: Result<ArrivedServer, String>,
}

/// Waits for the server.
///
/// # Errors
/// A server that is not what the user thinks, or the wish to stop.
pub(crate) async fn arrive<W: Wire>(
    specs: Specs,
    environment: Environment<W>,
    target: Box<dyn Target>,
    stop: &mut Stop,
) -> Result<Arrived<W>, NoRun> {
    let mut startup = Startup::new(target, environment.timeline, environment.is_ours, tell);
    let arrived = async {
        let server = match startup.through(server(&specs, &environment)).await {
            Ok(Ok(server)) => Ok(server),
            Ok(Err(NoServer::Mistake(wrong))) => return Err(NoRun::Mistake(wrong)),
            Ok(Err(NoServer::NeverAnswered(words))) => Err(startup.also(words)),
            Err(why) => Err(why),
        };
        Ok(Arrived { specs, environment, startup, server })
    };
    unless_stopped(stop, Box::pin(arrived)).await
}

/// Asks until the server answers, and tells who waits how long it has been.
async fn server<W: Wire>(
    specs: &Specs,
    environment: &Environment<W>,
) -> Result<ArrivedServer, NoServer> {
    let served = specs.recipe.as_ref().map(|recipe| recipe.served.clone()).unwrap_or_default();
    let ready = specs.scenario.limits.ready;
    let most = span(ready.as_secs_f64());
    let Environment { wire, timeline, address, rehearsed, .. } = environment;
    let mut told: Option<At> = None;
    let mut waiting = |at: At, words: &str| {
        if !rehearsed && told.is_none_or(|told| at.since(told) >= TELL_US) {
            told = Some(at);
            let waited = span(at.seconds().round());
            tell(&format!("waiting for {address}, {waited} of at most {most}: {words}"));
        }
    };
    wait(wire, timeline, ready, specs.options.model.as_deref(), &served, &mut waiting).await
}
