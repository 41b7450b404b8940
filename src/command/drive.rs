//! Implements what `run` and `rehearse` share, one file for each step: the specs, the environment
//! of the load, the server that arrived, the planned run, and the driven run. Each step passes the
//! next a value that owns what it needs.

mod arrive;
mod driven;
pub(crate) mod environment;
mod manifest;
mod planned;
mod resumed;
pub(crate) mod screen;
mod signals;
mod specs;

use std::path::PathBuf;
use std::rc::Rc;

use super::{Inputs, mistake, print_stderr, print_stdout, report};
use crate::analysis;
use crate::error::Mistake;
use crate::exit::Exit;
use crate::fact::Closed;
use crate::journal::CutRun;
use crate::journal::manifest::SweepPosition;
use crate::run::stop::Stop;
pub(crate) use arrive::arrive;
pub(crate) use driven::drive;
pub(crate) use planned::{Planned, plan};
pub(crate) use signals::stopping;
pub(crate) use specs::{Specs, ailments, vacant};

/// Options that `run` and `rehearse` share.
#[derive(Clone, Debug, Default)]
pub(crate) struct DriveOptions {
    /// Recipe, scenario, overrides, seed, profile.
    pub inputs: Inputs,
    /// Faults of the simulated server.
    pub ailments: Vec<String>,
    /// Seed of the simulated server's noise, where it differs from the seed of the load: another
    /// start of the same server.
    pub server_seed: Option<u64>,
    /// Position of the run in a sweep.
    pub sweep: Option<SweepPosition>,
    /// Whether warnings and notes were printed before.
    pub quiet: bool,
    /// Model that requests name.
    pub model: Option<String>,
    /// Run folder.
    pub output: Option<PathBuf>,
    /// Whether the run ends at the first broken gate.
    pub stop_on_fail: bool,
    /// Whether the report has all tables.
    pub wide: bool,
    /// Verb and its own flags, for the command line that repeats the run.
    pub again: RepeatCommand,
    /// Run that was cut off and goes on; its folder is `output`.
    pub cut: Option<Rc<CutRun>>,
}

impl DriveOptions {
    /// Returns the seed of the simulated server's noise, and of the times of its ailments.
    pub(crate) fn server_seed(&self) -> u64 {
        self.server_seed.unwrap_or(self.inputs.seed)
    }
}

/// Verb and flags of the command line that repeats the run.
#[derive(Clone, Debug, Default)]
pub(crate) struct RepeatCommand {
    /// Verb: `run` or `rehearse`.
    pub verb: &'static str,
    /// Flags with their values, and switches.
    pub flags: Vec<(&'static str, Option<String>)>,
    /// Names of the headers of every request. Their values may be keys.
    pub headers: Vec<String>,
}

/// Run that is over, not yet judged.
pub(crate) struct Driven {
    /// Run folder.
    pub folder: PathBuf,
    /// Recipe, scenario and contract of the run.
    pub asked: analysis::RunDescription,
    /// Reason for the end; an error where longhaul failed.
    pub closed: Result<Closed, String>,
}

/// Reason why there is no run to report.
#[derive(Debug)]
pub(crate) enum NoRun {
    /// Mistake of the user.
    Mistake(Mistake),
    /// Stop that the user requested before the load.
    Interrupted,
}

impl From<Mistake> for NoRun {
    fn from(wrong: Mistake) -> NoRun {
        NoRun::Mistake(wrong)
    }
}

/// Awaits work, unless the user asks to stop first.
///
/// # Errors
/// The errors of the work, or the request to stop.
pub(crate) async fn unless_stopped<T, E: Into<NoRun>>(
    stop: &mut Stop,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, NoRun> {
    tokio::select! { biased;
        _ = stop.requested() => Err(NoRun::Interrupted),
        done = work => done.map_err(E::into),
    }
}

/// Judges a run and prints the report, or the reason why there is none.
pub(crate) fn conclude(driven: Result<Driven, NoRun>, wide: bool) -> Exit {
    match driven {
        Err(NoRun::Mistake(wrong)) => mistake(&wrong),
        Err(NoRun::Interrupted) => Exit::Interrupted,
        Ok(driven) => print_report(driven, wide),
    }
}

/// Prints the report of a run, as `longhaul report` does.
fn print_report(driven: Driven, wide: bool) -> Exit {
    let Driven { folder, asked, closed } = driven;
    if let Err(why) = &closed {
        print_stderr(&format!("error: longhaul failed: {why}"));
    }
    let judged = match report::judge_as(asked, &folder, closed.as_ref().err().map(String::as_str)) {
        Ok(judged) => judged,
        Err(wrong) => {
            print_stderr(&wrong.to_string());
            return Exit::Fault;
        }
    };
    let page = judged.page();
    let said = print_stdout(&report::for_people(&page, wide));
    report::keep(&page, &folder);
    print_stderr(&format!("run folder: {}", folder.display()));
    match (judged.exit(), closed) {
        (Exit::Fail, _) => Exit::Fail,
        // A report that could not be printed is longhaul's failure.
        (exit, Ok(_)) if said => exit,
        _ => Exit::Fault,
    }
}
