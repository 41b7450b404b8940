//! What a sweep writes of itself: `sweep.json`, the arms' recipes, and the
//! folders of its runs. Nothing is decided from `sweep.json` but whether a
//! command is the one that the folder was made by.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::arms::Arm;
use super::{Sweep, SweepOptions};
use crate::digest::sha256;
use crate::error::Mistake;
use crate::escape::command_line;
use crate::sweep::Turn;

/// The manifest's name.
const NAME: &str = "sweep.json";

/// The version of `sweep.json`.
const SCHEMA: u32 = 1;

/// What a sweep is. Keys may be added, never renamed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Paper {
    schema: u32,
    longhaul: String,
    simulated: bool,
    /// What every start is asked: the same in all of them.
    asked: Value,
    arms: Vec<PaperArm>,
    starts: u32,
    /// The command line that does it again, or goes on with it.
    again: String,
    /// What is done, for people and scripts; read from the run folders.
    runs: Vec<PaperRun>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct PaperArm {
    name: String,
    file: String,
    sha256: String,
    changes: BTreeMap<String, Option<String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct PaperRun {
    arm: String,
    start: u32,
    folder: String,
    started: bool,
    verdict: String,
    note: String,
}

/// Makes a folder the sweep's, or finds that it is this very sweep's.
///
/// # Errors
/// It is another's, or cannot be written.
pub(super) fn claim(folder: &Path, wish: &SweepOptions, arms: &[Arm]) -> Result<(), Mistake> {
    let paper = paper(folder, wish, arms)?;
    let place = folder.display().to_string();
    if let Ok(text) = fs::read_to_string(folder.join(NAME)) {
        let known: Paper = serde_json::from_str(&text)
            .map_err(|why| Mistake::new(format!("{NAME} cannot be read: {why}")).at(&place))?;
        same(&known, &paper, &place)?;
        return arms.iter().try_for_each(|arm| unchanged(folder, arm));
    }
    if is_filled(folder) {
        return Err(filled(folder));
    }
    fs::create_dir_all(folder.join("arms")).map_err(|why| refused(folder, &why))?;
    for arm in arms {
        put(&folder.join(arm.file()), arm.text())?;
    }
    // Last: where it is, the arms are.
    put(&folder.join(NAME), &text_of(&paper))
}

/// An arm's file is served as it stands: one that was edited would be another arm.
fn unchanged(folder: &Path, arm: &Arm) -> Result<(), Mistake> {
    let path = folder.join(arm.file());
    let text = arm.text();
    match fs::read_to_string(&path) {
        Ok(known) if known == text => Ok(()),
        Ok(_) => Err(Mistake::new("an arm's recipe was changed since the sweep began")
            .at(path.display().to_string())
            .hint("remove the file, and it is written again")
            .hint("another sweep, with another -o, for what was changed")),
        Err(_) => {
            fs::create_dir_all(folder.join("arms")).map_err(|why| refused(folder, &why))?;
            put(&path, text)
        }
    }
}

fn filled(folder: &Path) -> Mistake {
    Mistake::new("the sweep's folder is there already and is not empty")
        .at(folder.display().to_string())
        .hint("a new folder with -o")
}

/// Whether anything is there but what a sweep has before its manifest.
fn is_filled(folder: &Path) -> bool {
    let is_ours =
        |name: &std::ffi::OsStr| ["arms", ".lock", "sweep.tmp"].iter().any(|it| name == *it);
    fs::read_dir(folder)
        .is_ok_and(|mut files| files.any(|it| it.is_ok_and(|it| !is_ours(&it.file_name()))))
}

fn same(known: &Paper, now: &Paper, place: &str) -> Result<(), Mistake> {
    let what = if known.arms != now.arms {
        "other arms"
    } else if known.starts != now.starts {
        "another number of starts"
    } else if known.asked != now.asked {
        "something else asked of them"
    } else {
        return Ok(());
    };
    Err(Mistake::new(format!("the folder holds another sweep: {what}"))
        .at(place)
        .hint(format!("to go on with it: {}", known.again))
        .hint("a new folder with -o"))
}

fn paper(folder: &Path, wish: &SweepOptions, arms: &[Arm]) -> Result<Paper, Mistake> {
    let drive = &wish.run.drive;
    let scenario = drive.inputs.scenario(super::SCENARIO)?;
    let profile =
        if wish.simulates() { drive.inputs.profile(Some(&arms[0].reading.recipe))? } else { None };
    let asked = json!({
        "how": wish.how(),
        "flags": wish.run.server.target.again(),
        "scenario": scenario.source.name,
        "scenario_sha256": sha256(scenario.source.text.as_bytes()),
        "overrides": drive.inputs.overrides,
        "seed": drive.inputs.seed,
        "profile_sha256": profile.map(|profile| sha256(profile.source.text.as_bytes())),
        "ailments": drive.ailments,
        "model": drive.model,
        "stop_on_fail": drive.stop_on_fail,
    });
    let arm = |arm: &Arm| PaperArm {
        name: arm.name.clone(),
        file: arm.file(),
        sha256: sha256(arm.text().as_bytes()),
        changes: arm.changes.iter().map(|it| (it.key.clone(), it.value.clone())).collect(),
    };
    Ok(Paper {
        schema: SCHEMA,
        longhaul: env!("CARGO_PKG_VERSION").to_owned(),
        simulated: wish.simulates(),
        asked,
        arms: arms.iter().map(arm).collect(),
        starts: wish.starts,
        again: again_in(folder, wish),
        runs: Vec::new(),
    })
}

/// Writes what is done by now.
///
/// # Errors
/// It cannot be written.
pub(super) fn update(sweep: &Sweep) -> Result<(), Mistake> {
    let mut paper = paper(&sweep.folder, &sweep.wish, &sweep.arms)?;
    let run = |run: &super::Run| PaperRun {
        arm: sweep.arms[run.turn.arm].name.clone(),
        start: run.turn.start,
        folder: sweep.run_name(run.turn),
        started: run.outcome == crate::sweep::Outcome::Ran,
        verdict: run.word.word().to_owned(),
        note: run.note.clone(),
    };
    paper.runs = sweep.done.iter().map(run).collect();
    put(&sweep.folder.join(NAME), &text_of(&paper))
}

/// The command line that goes on.
pub(super) fn again(sweep: &Sweep) -> String {
    again_in(&sweep.folder, &sweep.wish)
}

fn again_in(folder: &Path, wish: &SweepOptions) -> String {
    let mut words = vec!["longhaul".to_owned()];
    words.extend(std::env::args().skip(1));
    if wish.run.drive.output.is_none() {
        words.extend(["-o".to_owned(), folder.display().to_string()]);
    }
    command_line(&words)
}

impl Sweep {
    /// The folder of a run within the sweep's: those of an arm stand together, so that
    /// `longhaul compare` takes the arm's folder.
    pub(crate) fn run_name(&self, turn: Turn) -> String {
        let place = self.order.iter().position(|it| *it == turn).unwrap_or_default();
        format!("runs/{}/{place:03}", self.arms[turn.arm].slug)
    }

    /// The same as a path.
    pub(crate) fn run_folder(&self, turn: Turn) -> PathBuf {
        self.folder.join(self.run_name(turn))
    }
}

/// Puts what was broken off out of the way: it is evidence of something, and no run.
///
/// # Errors
/// It cannot be moved.
pub(super) fn put_aside(sweep: &Sweep, turn: Turn) -> Result<(), Mistake> {
    let folder = sweep.run_folder(turn);
    if !folder.exists() {
        return Ok(());
    }
    let aside = sweep.folder.join("broken-off");
    let stem = sweep.run_name(turn).replacen("runs/", "", 1).replace('/', "-");
    let mut names = (1_u32..).map(|n| aside.join(format!("{stem}-{n}")));
    let Some(to) = names.find(|path| !path.exists()) else { return Ok(()) };
    fs::create_dir_all(&aside)
        .and_then(|()| fs::rename(&folder, &to))
        .map_err(|why| refused(&folder, &why))
}

/// Makes the folder and keeps others out of it for as long as the file is held. A stranger's
/// folder gets no lock file.
///
/// # Errors
/// Another longhaul sweeps here, it is no sweep's folder, or cannot be written.
pub(super) fn lock(folder: &Path) -> Result<File, Mistake> {
    if is_filled(folder) && !folder.join(NAME).is_file() {
        return Err(filled(folder));
    }
    fs::create_dir_all(folder).map_err(|why| refused(folder, &why))?;
    let path = folder.join(".lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|why| refused(folder, &why))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Mistake::new("the sweep's folder is in use by another longhaul")
                .at(folder.display().to_string())
                .hint("wait for it to end"))
        }
        Err(TryLockError::Error(why)) => Err(refused(folder, &why)),
    }
}

fn text_of(paper: &Paper) -> String {
    // Texts, numbers and lists: nothing in it can fail to be written.
    serde_json::to_string_pretty(paper).unwrap_or_default() + "\n"
}

/// Writes a file whole or not at all.
fn put(path: &Path, text: &str) -> Result<(), Mistake> {
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, text)
        .and_then(|()| File::open(&temporary)?.sync_all())
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|why| refused(path, &why))
}

fn refused(path: &Path, why: &std::io::Error) -> Mistake {
    Mistake::new(format!("the sweep's folder cannot be written: {why}"))
        .at(path.display().to_string())
        .hint("a folder that you may write to with -o")
}
