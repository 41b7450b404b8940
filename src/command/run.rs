//! `longhaul run`: from what was asked to a run folder and a verdict.

mod door;
mod paper;
mod prepare;
mod screen;
mod simulated;
mod world;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use tokio::task::LocalSet;

use prepare::Prepared;
use screen::Screen;

use super::{Asked, Format, mistake, report, say, tell};
use crate::error::Mistake;
use crate::exit::Exit;
use crate::fact::Closed;
use crate::observe::here;
use crate::run::stop::{self, Stop, StopWord, Stopper};

/// What the user wants of a run.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Recipe, scenario, overrides, seed, profile.
    pub asked: Asked,
    /// The address of a server that already runs.
    pub endpoint: Option<String>,
    /// Drive the simulated server.
    pub simulate: bool,
    /// Faults of the simulated server.
    pub ailments: Vec<String>,
    /// The model to ask for.
    pub model: Option<String>,
    /// The run folder.
    pub output: Option<PathBuf>,
    /// End at the first broken gate.
    pub stop_on_fail: bool,
    /// The variable that holds the API key.
    pub api_key_env: Option<String>,
    /// Headers for every request.
    pub headers: Vec<String>,
    /// Certificates to trust.
    pub ca_cert: Option<PathBuf>,
    /// All tables in the report.
    pub wide: bool,
}

/// How it went before anything was judged.
pub enum Went {
    /// The user's mistake; nothing was started.
    Mistake(Mistake),
    /// There is a run folder to tell of.
    Folder(PathBuf, Result<Closed, String>),
    /// The user asked to stop while the server was waited for.
    Interrupted,
}

/// Drives a server and judges it.
pub fn run(wish: Wish) -> Exit {
    let wide = wish.wide;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            tell(&format!("error: no runtime: {why}"));
            return Exit::Fault;
        }
    };
    let went = runtime.block_on(LocalSet::new().run_until(drive(wish)));
    match went {
        Went::Mistake(wrong) => mistake(&wrong),
        Went::Interrupted => Exit::Interrupted,
        Went::Folder(folder, went) => conclude(&folder, went, wide),
    }
}

async fn drive(wish: Wish) -> Went {
    let (stopper, mut stop) = stop::channel();
    let stopper = Rc::new(stopper);
    tokio::task::spawn_local(listen(stopper.clone()));
    let stop_on_fail = wish.stop_on_fail;
    let prepared = match prepare::prepare(wish, &mut stop).await {
        Ok(prepared) => prepared,
        Err(went) => return went,
    };
    let folder = prepared.folder.clone();
    let went = carry_out(prepared, stop, stop_on_fail.then_some(stopper)).await;
    Went::Folder(folder, went)
}

async fn carry_out(
    prepared: Prepared,
    stop: Stop,
    on_fail: Option<Rc<Stopper>>,
) -> Result<Closed, String> {
    let Prepared { script, timeline, seams, asked, sim, folder, .. } = prepared;
    tell(&format!("run folder: {}", folder.display()));
    let mut screen = Screen::new(asked, on_fail, sim);
    let went = crate::run::carry_out(seams, timeline, script, stop, &mut screen).await;
    screen.end();
    went
}

/// Ctrl-C, or the end that a service manager asks for: once to drain, twice to stop at once.
async fn listen(stopper: Rc<Stopper>) {
    let mind_hang_up = !here::ignores_hang_up();
    for word in [StopWord::Interrupt, StopWord::InterruptAgain] {
        signalled(mind_hang_up).await;
        tell(match word {
            StopWord::Interrupt => {
                "stopping: what is in flight may end (60 s at the most); again to stop at once"
            }
            _ => "stopping at once",
        });
        // Nobody listens any more when the run is over.
        let _ = stopper.send(word);
    }
}

/// Returns at the next signal that asks to stop. A terminal that goes away asks so too, and
/// the run leaves its report, unless `nohup` was there to prevent just that.
async fn signalled(mind_hang_up: bool) {
    use tokio::signal::unix::{SignalKind, signal};
    let next = async |kind: SignalKind| match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = next(SignalKind::interrupt()) => {}
        () = next(SignalKind::terminate()) => {}
        () = next(SignalKind::hangup()), if mind_hang_up => {}
    }
}

/// Ends a run by doing exactly what `longhaul report` does.
fn conclude(folder: &Path, went: Result<Closed, String>, wide: bool) -> Exit {
    if let Err(why) = &went {
        tell(&format!("error: the journal could not be written: {why}"));
    }
    let judged = match report::judge(folder) {
        Ok(judged) => judged,
        Err(wrong) => {
            tell(&wrong.to_string());
            return Exit::Fault;
        }
    };
    say(&report::text(&judged, Format::Terminal { wide }));
    let json = report::text(&judged, Format::Json);
    if let Err(why) = std::fs::write(folder.join("verdict.json"), json) {
        tell(&format!("warning: verdict.json could not be written: {why}"));
    }
    tell(&format!("run folder: {}", folder.display()));
    match (judged.exit(), went) {
        (Exit::Fail, _) => Exit::Fail,
        (_, Err(_)) => Exit::Fault,
        (exit, Ok(_)) => exit,
    }
}
