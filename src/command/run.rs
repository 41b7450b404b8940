//! Implements `longhaul run`: drives a server, from options to a verdict.

mod connect;
mod descriptors;
mod options;
mod simulated;
mod start;

use tokio::task::LocalSet;

use super::drive::screen::Screen;
use super::drive::{Driven, NoRun, Planned, Specs, arrive, conclude, drive, plan, stopping};
use super::runtime;
use crate::exit::Exit;
use crate::journal::{HeldFolder, Journal};
pub(crate) use options::{RunOptions, ServerOptions, check};
use start::{Started, hold, start};

/// Drives a server and judges it.
pub(crate) fn run(options: RunOptions) -> Exit {
    let wide = options.drive.wide;
    conclude(driven(options), wide)
}

/// Drives a server, and leaves the judging to the caller.
///
/// # Errors
/// A mistake of the user, or the request to stop before the load.
pub(crate) fn driven(options: RunOptions) -> Result<Driven, NoRun> {
    // Called before the runtime exists, since a recipe may have to be fetched.
    let (mut specs, server) = options.read()?;
    descriptors::provide(specs.plan.lanes(), specs.simulated)?;
    runtime()?.block_on(LocalSet::new().run_until(async {
        let held = hold(&mut specs, &server)?;
        let driven = held_and_driven(specs, &server, held.as_ref()).await;
        held.into_iter().for_each(HeldFolder::remove_if_empty);
        driven
    }))
}

/// Drives a server whose run folder is held, where longhaul starts the server.
async fn held_and_driven(
    specs: Specs,
    server: &ServerOptions,
    held: Option<&HeldFolder>,
) -> Result<Driven, NoRun> {
    let (stopper, mut stop) = stopping();
    let on_fail = specs.options.stop_on_fail.then_some(stopper);
    let Started { environment, target, leftover, own_port } =
        start(&specs, server, held, &mut stop).await?;
    let driven = Box::pin(async {
        let arrived = arrive(specs, environment, target, &mut stop).await?;
        own_port.map_or(Ok(()), |own_port| own_port.check())?;
        let planned = plan(arrived, &mut stop).await?;
        let Planned { folder, manifest, secrets, cut, .. } = &planned;
        let journal = match held {
            Some(held) => Journal::create_in(held.clone(), manifest, secrets, cut.as_deref())?,
            None => Journal::create(folder, manifest, secrets, cut.as_deref())?,
        };
        let mut screen = Screen::live(planned.asked.clone(), on_fail);
        screen.catch_up(cut.as_deref())?;
        let driven = Box::pin(drive(planned, journal, stop, &mut screen)).await;
        screen.end();
        Ok(driven)
    });
    let driven = driven.await;
    // In every case: what longhaul started must not outlive it.
    let is_gone = leftover.stop_all().await;
    if let Some(held) = held.filter(|_| is_gone) {
        held.forget_launch();
    }
    driven
}
