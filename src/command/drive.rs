//! From a world to a verdict: what `run` and `rehearse` do alike. They differ
//! in their setting: the wire, the clock, the machine, and who writes.

pub mod ailing;
mod coming;
mod nobody;
pub mod paper;
pub mod prepare;
pub mod screen;
pub mod stage;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Asked, Format, mistake, report, say, tell};
use crate::error::Mistake;
use crate::exit::Exit;
use crate::fact::{Closed, Entry, Fact};
use crate::journal::manifest::Sweep;
use crate::observe::here;
use crate::run::Watcher;
use crate::run::conductor::Order;
use crate::run::load::Progress;
use crate::run::stop::{self, Stop, StopWord, Stopper};
use crate::unit::At;
use prepare::Prepared;
pub use prepare::Specs;
pub use stage::Setting;

/// What the user wants of a run, real or rehearsed.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Recipe, scenario, overrides, seed, profile.
    pub asked: Asked,
    /// Faults of the simulated server.
    pub ailments: Vec<String>,
    /// What the simulated server's noise is made from, where it is not what the load is: another
    /// start of the same server.
    pub server_seed: Option<u64>,
    /// Where the run stands in a sweep.
    pub sweep: Option<Sweep>,
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
    pub again: Again,
}

impl Wish {
    /// What the simulated server's noise, and the moments of its ailments, are made from.
    pub fn server_seed(&self) -> u64 {
        self.server_seed.unwrap_or(self.asked.seed)
    }
}

/// What the line that does it again has of its verb.
#[derive(Clone, Debug, Default)]
pub struct Again {
    /// `run` or `rehearse`.
    pub verb: &'static str,
    /// Flags with their values, and switches.
    pub flags: Vec<(&'static str, Option<String>)>,
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

impl From<Mistake> for Went {
    fn from(wrong: Mistake) -> Went {
        Went::Mistake(wrong)
    }
}

/// Carries out what was prepared.
pub async fn carry_out<S: Setting>(
    prepared: Prepared<S>,
    stop: Stop,
    watcher: &mut dyn Watcher,
) -> Went {
    let Prepared { script, timeline, seams, setting, folder, .. } = prepared;
    let mut watcher = Began { setting: setting.clone(), watcher, told: false };
    let went = tokio::select! { biased;
        why = setting.broke() => Err(why),
        went = crate::run::carry_out(seams, timeline, script, stop, &mut watcher) => went,
    };
    Went::Folder(folder, went)
}

/// Tells the setting when the load begins.
struct Began<'a, S: Setting> {
    setting: Rc<S>,
    watcher: &'a mut dyn Watcher,
    told: bool,
}

impl<S: Setting> Watcher for Began<'_, S> {
    fn entry(&mut self, entry: &Entry) {
        if matches!(entry.fact, Fact::Phase(_)) && !std::mem::replace(&mut self.told, true) {
            self.setting.load_began();
        }
        self.watcher.entry(entry);
    }

    fn tick(&mut self, now: At, progress: &Progress) {
        self.watcher.tick(now, progress);
    }

    fn ordered(&mut self, now: At, order: &Order) {
        self.watcher.ordered(now, order);
    }
}

/// Both ends of the user's wish to stop; signals are listened to from now on.
pub fn stopping() -> (Rc<Stopper>, Stop) {
    let (stopper, stop) = stop::channel();
    let stopper = Rc::new(stopper);
    tokio::task::spawn_local(listen(stopper.clone()));
    (stopper, stop)
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
    tokio::select! { biased;
        () = next(SignalKind::interrupt()) => {}
        () = next(SignalKind::terminate()) => {}
        () = next(SignalKind::hangup()), if mind_hang_up => {}
    }
}

/// Ends with the report, or with what went wrong instead.
pub fn conclude(went: Went, wide: bool) -> Exit {
    match went {
        Went::Mistake(wrong) => mistake(&wrong),
        Went::Interrupted => Exit::Interrupted,
        Went::Folder(folder, went) => told(&folder, went, wide),
    }
}

/// Ends a run by doing exactly what `longhaul report` does.
fn told(folder: &Path, went: Result<Closed, String>, wide: bool) -> Exit {
    if let Err(why) = &went {
        tell(&format!("error: longhaul failed: {why}"));
    }
    let judged = match report::judge_over_time(folder) {
        Ok(judged) => judged,
        Err(wrong) => {
            tell(&wrong.to_string());
            return Exit::Fault;
        }
    };
    let said = say(&report::text(&judged, Format::Terminal { wide }));
    let json = report::verdict_json(&judged);
    if let Err(why) = std::fs::write(folder.join("verdict.json"), json) {
        tell(&format!("warning: verdict.json could not be written: {why}"));
    }
    tell(&format!("run folder: {}", folder.display()));
    match (judged.exit(), went) {
        (Exit::Fail, _) => Exit::Fail,
        (_, Err(_)) => Exit::Fault,
        // A report that nobody could read is our failure.
        (exit, Ok(_)) => {
            if said {
                exit
            } else {
                Exit::Fault
            }
        }
    }
}
