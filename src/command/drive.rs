//! What `run` and `rehearse` do alike, a file for each station: what is asked,
//! what is around the load, the server that arrived, the run that was planned,
//! and the run that was driven. Each hands the next a value that owns what it needs.

mod arrive;
mod driven;
pub(crate) mod environment;
mod manifest;
mod planned;
pub(crate) mod screen;
mod signals;
mod specs;

use std::path::PathBuf;

use super::{Inputs, ReportFormat, mistake, report, say, tell};
use crate::analysis;
use crate::error::Mistake;
use crate::exit::Exit;
use crate::fact::Closed;
use crate::journal::manifest::SweepPosition;
use crate::run::stop::Stop;
pub(crate) use arrive::arrive;
pub(crate) use driven::drive;
pub(crate) use planned::{Planned, plan};
pub(crate) use signals::stopping;
pub(crate) use specs::{Specs, ailments, vacant};

/// Options that `run` and `rehearse` have alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct DriveOptions {
    /// Recipe, scenario, overrides, seed, profile.
    pub inputs: Inputs,
    /// Faults of the simulated server.
    pub ailments: Vec<String>,
    /// The seed of the simulated server's noise, where it differs from the seed of the load: the
    /// same server, started again.
    pub server_seed: Option<u64>,
    /// Where the run stands in a sweep.
    pub sweep: Option<SweepPosition>,
    /// Warnings and notes were told before.
    pub quiet: bool,
    /// The model to ask for.
    pub model: Option<String>,
    /// The run folder.
    pub output: Option<PathBuf>,
    /// End at the first broken gate.
    pub stop_on_fail: bool,
    /// All tables in the report.
    pub wide: bool,
    /// The verb, and the flags that only this verb has, for the line that does it again.
    pub again: RepeatCommand,
}

impl DriveOptions {
    /// What the simulated server's noise, and the moments of its ailments, are made from.
    pub(crate) fn server_seed(&self) -> u64 {
        self.server_seed.unwrap_or(self.inputs.seed)
    }
}

/// What the line that does it again has of its verb.
#[derive(Clone, Debug, Default)]
pub(crate) struct RepeatCommand {
    /// `run` or `rehearse`.
    pub verb: &'static str,
    /// Flags with their values, and switches.
    pub flags: Vec<(&'static str, Option<String>)>,
}

/// A run that is over, before anything is judged.
pub(crate) struct Driven {
    /// The run folder.
    pub folder: PathBuf,
    /// The recipe, scenario and contract that were asked for.
    pub asked: analysis::RunQuestion,
    /// Why it ended; how longhaul failed, where it did.
    pub closed: Result<Closed, String>,
}

/// Why there is no run to tell of.
#[derive(Debug)]
pub(crate) enum NoRun {
    /// The user's mistake.
    Mistake(Mistake),
    /// The user asked to stop before the load.
    Interrupted,
}

impl From<Mistake> for NoRun {
    fn from(wrong: Mistake) -> NoRun {
        NoRun::Mistake(wrong)
    }
}

/// Does something, unless the user asks to stop before it is done.
///
/// # Errors
/// Those of the work, or the wish to stop.
pub(crate) async fn unless_stopped<T, E: Into<NoRun>>(
    stop: &mut Stop,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, NoRun> {
    tokio::select! { biased;
        _ = stop.requested() => Err(NoRun::Interrupted),
        done = work => done.map_err(E::into),
    }
}

/// Judges a run and tells the report, or says why there is none.
pub(crate) fn conclude(driven: Result<Driven, NoRun>, wide: bool) -> Exit {
    match driven {
        Err(NoRun::Mistake(wrong)) => mistake(&wrong),
        Err(NoRun::Interrupted) => Exit::Interrupted,
        Ok(driven) => told(driven, wide),
    }
}

/// Ends a run as `longhaul report` tells it.
fn told(driven: Driven, wide: bool) -> Exit {
    let Driven { folder, asked, closed } = driven;
    if let Err(why) = &closed {
        tell(&format!("error: longhaul failed: {why}"));
    }
    let judged = match report::judge_as(asked, &folder) {
        Ok(judged) => judged,
        Err(wrong) => {
            tell(&wrong.to_string());
            return Exit::Fault;
        }
    };
    let page = judged.page();
    let said = say(&report::text(&page, ReportFormat::Terminal { wide }));
    report::keep(&page, &folder);
    tell(&format!("run folder: {}", folder.display()));
    match (judged.exit(), closed) {
        (Exit::Fail, _) => Exit::Fail,
        // A report that nobody could read is our failure.
        (exit, Ok(_)) if said => exit,
        _ => Exit::Fault,
    }
}
