//! `longhaul sweep`: a recipe and what could be otherwise in it, served in
//! turns, several starts each, and held against the base at the end.
//!
//! The run folders are the truth: what is done, and how it ended, is read from
//! them, so that a sweep goes on after anything that may happen to it.

mod advice;
mod arms;
mod paper;
mod play;
mod told;

use std::path::{Path, PathBuf};

use super::inputs::FLAGSHIP;
use super::sim::no_profile;
use super::{finish, mistake, run, tell};
use crate::error::Mistake;
use crate::exit::Exit;
use crate::spec::recipe::Reading;
use crate::sweep::{self as schedule, Outcome, STARTS_MIN, Turn};
use arms::Arm;
use play::{Ended, Run};

/// Bounds the starts of an arm, and the arms: a year of sweeping, and names of two digits.
const STARTS_MAX: u32 = 99;
const ARMS_MAX: usize = 64;

/// The scenario where the user names none.
const SCENARIO: &str = "smoke";

/// What the user wants of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// What every start is asked, and how it is started.
    pub run: run::Wish,
    /// In virtual time.
    pub rehearse: bool,
    /// `key=value,value`, each.
    pub vary: Vec<String>,
    /// A file of arms.
    pub arms: Option<PathBuf>,
    /// An arm may change more than one thing.
    pub allow_several: bool,
    /// Starts of each arm.
    pub starts: u32,
}

impl Wish {
    /// By what the servers are started, in a word.
    fn how(&self) -> Option<&'static str> {
        match self.run.boxed.start {
            Some(start) => Some(start.word()),
            None if self.rehearse => Some("rehearse"),
            None => self.run.simulate.then_some("simulate"),
        }
    }

    fn simulates(&self) -> bool {
        self.rehearse || self.run.simulate
    }
}

/// A sweep under way.
pub struct Sweep {
    wish: Wish,
    folder: PathBuf,
    /// The base first.
    arms: Vec<Arm>,
    order: Vec<Turn>,
    /// In the order in which they are planned.
    done: Vec<Run>,
}

/// Sweeps, and tells what came of it.
pub fn sweep(wish: Wish) -> Exit {
    let mut sweep = match begun(wish) {
        Ok(sweep) => sweep,
        Err(wrong) => return mistake(&wrong),
    };
    // For as long as it goes on; a second longhaul in one folder would repeat what runs.
    let _lock = match paper::lock(&sweep.folder) {
        Ok(lock) => lock,
        Err(wrong) => return mistake(&wrong),
    };
    match carried_out(&mut sweep) {
        Ok(None) => {
            let (text, exit) = told::told(&sweep);
            finish(&text, exit)
        }
        Ok(Some(exit)) => exit,
        Err(wrong) => mistake(&wrong),
    }
}

/// Everything up to the first start.
fn begun(mut wish: Wish) -> Result<Sweep, Mistake> {
    check(&wish)?;
    let scenario = &mut wish.run.drive.asked.scenario;
    scenario.get_or_insert_with(|| if wish.rehearse { "short" } else { SCENARIO }.to_owned());
    let base = base(&wish)?;
    let arms = arms::read(&wish, base)?;
    // What a recipe cannot take is told before the first hour is spent.
    let scenario = wish.run.drive.asked.scenario(SCENARIO)?;
    for arm in &arms {
        run::check(wish.run.clone(), arm.reading.clone(), scenario.clone())?;
    }
    let folder = wish.run.drive.output.clone();
    let folder = folder.unwrap_or_else(|| free(&arms[0].reading.recipe.source.name));
    paper::claim(&folder, &wish, &arms)?;
    let order = schedule::order(arms.len(), wish.starts);
    let mut sweep = Sweep { wish, folder, arms, order, done: Vec::new() };
    for turn in sweep.order.clone() {
        sweep.done.extend(play::look(&sweep, turn));
    }
    Ok(sweep)
}

fn check(wish: &Wish) -> Result<(), Mistake> {
    if wish.how().is_none() {
        return Err(Mistake::new("a sweep starts its servers itself, and nothing says how")
            .hint("--rehearse, in virtual time, to see what it would be able to tell")
            .hint("--start docker|podman|process|sparkrun")
            .hint("--simulate, the built-in simulated server in real time"));
    }
    if wish.rehearse && (wish.run.simulate || wish.run.boxed.start.is_some()) {
        let what = "--rehearse plays against the simulated server, and another start is named too";
        return Err(Mistake::new(what).hint("one of them"));
    }
    if wish.starts == 0 || wish.starts > STARTS_MAX {
        let what = format!("--starts {}: from 1 to {STARTS_MAX}", wish.starts);
        return Err(Mistake::new(what).hint("--starts 6"));
    }
    if wish.vary.is_empty() && wish.arms.is_none() {
        return Err(Mistake::new("nothing is varied")
            .hint("--vary max_num_seqs=4,8")
            .hint("--arms FILE"));
    }
    if wish.starts < STARTS_MIN {
        let starts = wish.starts;
        tell(&format!(
            "note: {starts} starts of each arm decide nothing exactly; {STARTS_MIN} are the least, 6 the default"
        ));
    }
    Ok(())
}

/// The recipe that is varied.
fn base(wish: &Wish) -> Result<Reading, Mistake> {
    let asked = &wish.run.drive.asked;
    let reading = asked.reading(wish.simulates().then_some(FLAGSHIP))?;
    let reading =
        reading.ok_or_else(|| Mistake::new("no recipe is named to vary").hint("--recipe FILE"))?;
    // By the recipe's own origin: a fetched one may name no file of this machine.
    if wish.simulates() && asked.profile(Some(&reading.recipe))?.is_none() {
        return Err(no_profile());
    }
    Ok(reading)
}

/// A folder that is not there yet.
fn free(recipe: &str) -> PathBuf {
    let name = |n: u32| Path::new("runs").join(format!("sweep-{recipe}-{n}"));
    (1..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0))
}

/// Start after start, until all are done; how it ends where that is before.
fn carried_out(sweep: &mut Sweep) -> Result<Option<Exit>, Mistake> {
    let kept = sweep.done.len();
    if kept > 0 {
        tell(&format!("{kept} of {} runs are done already", sweep.order.len()));
    }
    while let Some(turn) = schedule::next(&sweep.order, &outcomes(sweep)) {
        paper::put_aside(sweep, turn)?;
        match play::play(sweep, turn)? {
            Ended::Run(run) => {
                tell(&told::line(sweep, &run));
                sweep.done.push(*run);
                paper::update(sweep)?;
            }
            Ended::Interrupted => {
                tell(&format!("interrupted; the same command goes on: {}", paper::again(sweep)));
                return Ok(Some(Exit::Interrupted));
            }
            Ended::Fault(why) => {
                tell(&format!("error: longhaul failed: {why}"));
                return Ok(Some(Exit::Fault));
            }
        }
    }
    paper::update(sweep)?;
    Ok(None)
}

fn outcomes(sweep: &Sweep) -> Vec<(Turn, Outcome)> {
    sweep.done.iter().map(|run| (run.turn, run.outcome)).collect()
}
