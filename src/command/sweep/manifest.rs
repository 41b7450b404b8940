//! Writes the files of a sweep: `sweep.json`, the arms' recipes, and the folders of its runs. The
//! only decision made from `sweep.json` is whether the folder was made by the same command.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::arms::Arm;
use super::{Sweep, SweepOptions};
use crate::command::clean;
use crate::digest::sha256;
use crate::error::Mistake;
use crate::report::Printable;
use crate::shell::pasteable;
use crate::sweep::Turn;

/// File name of the manifest.
const NAME: &str = "sweep.json";

/// Schema version of `sweep.json`.
const SCHEMA: u32 = 1;

/// Manifest of a sweep. Keys may be added, never renamed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct SweepManifest {
    schema: u32,
    longhaul: String,
    simulated: bool,
    /// Recipe, scenario and contract of every start.
    asked: Value,
    arms: Vec<ManifestArm>,
    starts: u32,
    /// Command line that repeats or continues the sweep.
    again: String,
    /// Completed runs, for people and scripts; read from the run folders.
    runs: Vec<ManifestRun>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct ManifestArm {
    name: String,
    file: String,
    sha256: String,
    changes: BTreeMap<String, Option<String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct ManifestRun {
    arm: String,
    start: u32,
    folder: String,
    started: bool,
    verdict: String,
    note: String,
}

/// Claims a folder for the sweep, or confirms that it belongs to this very sweep.
///
/// # Errors
/// The folder belongs to another sweep, or cannot be written.
pub(super) fn claim(folder: &Path, options: &SweepOptions, arms: &[Arm]) -> Result<(), Mistake> {
    let paper = new_manifest(folder, options, arms)?;
    let place = folder.display().to_string();
    if let Ok(text) = fs::read_to_string(folder.join(NAME)) {
        let known: SweepManifest = serde_json::from_str(&text)
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
    // Written last: once it exists, the arms do.
    put(&folder.join(NAME), Printable::json(&paper).text())
}

/// Checks that an arm's file is unchanged: an edited file would be another arm.
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

/// Whether the folder holds anything but what a sweep writes before its manifest.
fn is_filled(folder: &Path) -> bool {
    let is_ours =
        |name: &std::ffi::OsStr| ["arms", ".lock", "sweep.tmp"].iter().any(|it| name == *it);
    fs::read_dir(folder)
        .is_ok_and(|mut files| files.any(|it| it.is_ok_and(|it| !is_ours(&it.file_name()))))
}

fn same(known: &SweepManifest, now: &SweepManifest, place: &str) -> Result<(), Mistake> {
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

fn new_manifest(
    folder: &Path,
    options: &SweepOptions,
    arms: &[Arm],
) -> Result<SweepManifest, Mistake> {
    let drive = &options.run.drive;
    let scenario = drive.inputs.scenario(super::SCENARIO)?;
    let profile = if options.simulates() {
        drive.inputs.profile(Some(&arms[0].reading.recipe))?
    } else {
        None
    };
    let asked = json!({
        "how": options.how(),
        "flags": options.run.server.target.again(),
        "scenario": scenario.source.name,
        "scenario_sha256": sha256(scenario.source.text.as_bytes()),
        "overrides": drive.inputs.overrides,
        "seed": drive.inputs.seed,
        "profile_sha256": profile.map(|profile| sha256(profile.source.text.as_bytes())),
        "ailments": drive.ailments,
        "model": drive.model,
        "stop_on_fail": drive.stop_on_fail,
    });
    let arm = |arm: &Arm| ManifestArm {
        name: arm.name.clone(),
        file: arm.file(),
        sha256: sha256(arm.text().as_bytes()),
        changes: arm
            .changes
            .iter()
            .map(|it| (it.key.clone(), it.value.as_deref().map(clean)))
            .collect(),
    };
    Ok(SweepManifest {
        schema: SCHEMA,
        longhaul: env!("CARGO_PKG_VERSION").to_owned(),
        simulated: options.simulates(),
        asked,
        arms: arms.iter().map(arm).collect(),
        starts: options.starts,
        again: again_in(folder, options),
        runs: Vec::new(),
    })
}

/// Writes the completed runs.
///
/// # Errors
/// The file cannot be written.
pub(super) fn update(sweep: &Sweep) -> Result<(), Mistake> {
    let mut paper = new_manifest(&sweep.folder, &sweep.options, &sweep.arms)?;
    let run = |run: &super::Run| ManifestRun {
        arm: sweep.arms[run.turn.arm].name.clone(),
        start: run.turn.start,
        folder: sweep.run_name(run.turn),
        started: run.outcome == crate::sweep::Outcome::Ran,
        verdict: run.word.word().to_owned(),
        note: run.note.clone(),
    };
    paper.runs = sweep.done.iter().map(run).collect();
    put(&sweep.folder.join(NAME), Printable::json(&paper).text())
}

/// Returns the command line that continues the sweep.
pub(super) fn again(sweep: &Sweep) -> String {
    again_in(&sweep.folder, &sweep.options)
}

fn again_in(folder: &Path, options: &SweepOptions) -> String {
    let mut words = vec!["longhaul".to_owned()];
    words.extend(std::env::args().skip(1));
    if options.run.drive.output.is_none() {
        words.extend(["-o".to_owned(), folder.display().to_string()]);
    }
    clean(&words.iter().map(|word| pasteable(word)).collect::<Vec<_>>().join(" "))
}

impl Sweep {
    /// Returns a run's folder within the sweep's: runs of an arm share a folder, so that `longhaul
    /// compare` accepts the arm's folder.
    pub(crate) fn run_name(&self, turn: Turn) -> String {
        let place = self.order.iter().position(|it| *it == turn).unwrap_or_default();
        format!("runs/{}/{place:03}", self.arms[turn.arm].slug)
    }

    /// Returns the folder of a run as a path.
    pub(crate) fn run_folder(&self, turn: Turn) -> PathBuf {
        self.folder.join(self.run_name(turn))
    }
}

/// Moves the folder of an interrupted run aside: it is kept as evidence, but is not a run.
///
/// # Errors
/// The folder cannot be moved.
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

/// Creates the folder and locks it for as long as the file is held. A folder of other files gets no
/// lock file.
///
/// # Errors
/// Another longhaul sweeps here, the folder is not a sweep's, or it cannot be written.
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

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use tempfile::TempDir;

    use super::*;
    use crate::shown::named;
    use crate::spec::SpecFile;
    use crate::spec::recipe::{ReadOptions, read_as};

    /// A sweep of two arms in a folder of its own.
    struct Bench {
        _folder: TempDir,
        path: PathBuf,
        options: SweepOptions,
        arms: Vec<Arm>,
    }

    impl Bench {
        fn new() -> Bench {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("sweep");
            let options = SweepOptions { rehearse: true, starts: 2, ..SweepOptions::default() };
            Bench { _folder: folder, path, options, arms: vec![arm("base"), arm("other")] }
        }

        fn claim(&self) -> Result<(), Mistake> {
            claim(&self.path, &self.options, &self.arms)
        }

        /// Returns a mistake without what differs from one test run to the next.
        fn reported<T>(&self, result: Result<T, Mistake>) -> String {
            let reported = result.err().map_or("fits".to_owned(), |wrong| wrong.to_string());
            let again = again_in(&self.path, &self.options);
            named(&reported, &[(&again, "AGAIN"), (&self.path.display().to_string(), "SWEEP")])
        }
    }

    fn arm(name: &str) -> Arm {
        let text = format!("model: {name}\n");
        let source = SpecFile { name: "r".into(), origin: "r.yaml".into(), text };
        let reading = read_as(&source, &ReadOptions::default(), &|_| Ok(None)).unwrap();
        let name = name.to_owned();
        let (changes, differs) = (Vec::new(), Vec::new());
        Arm { slug: name.clone(), name, changes, reading, differs, shows_nothing: false }
    }

    #[test]
    fn the_same_sweep_goes_on_in_its_folder_and_another_does_not() {
        let mut bench = Bench::new();
        bench.claim().unwrap();
        assert_eq!(
            fs::read_to_string(bench.path.join("arms/other.yaml")).unwrap(),
            "model: other\n"
        );
        assert_eq!(bench.claim(), Ok(()));
        bench.options.starts = 3;
        let mut reported = vec![bench.reported(bench.claim())];
        bench.options.starts = 2;
        bench.options.run.drive.inputs.seed = 7;
        reported.push(bench.reported(bench.claim()));
        bench.options.run.drive.inputs.seed = 0;
        bench.arms.push(arm("third"));
        reported.push(bench.reported(bench.claim()));
        assert_snapshot!("claims", reported.join("\n\n"));
        bench.arms.pop();
        assert_eq!(bench.claim(), Ok(()));
    }

    #[test]
    fn an_arm_that_was_edited_is_refused_and_one_that_is_gone_is_written_again() {
        let bench = Bench::new();
        bench.claim().unwrap();
        let file = bench.path.join("arms/other.yaml");
        fs::write(&file, "model: mine\n").unwrap();
        assert_snapshot!(bench.reported(bench.claim()), @"
            error: an arm's recipe was changed since the sweep began
               at: SWEEP/arms/other.yaml
              try: remove the file, and it is written again
              try: another sweep, with another -o, for what was changed
        ");
        fs::remove_dir_all(bench.path.join("arms")).unwrap();
        assert_eq!(bench.claim(), Ok(()));
        assert_eq!(fs::read_to_string(&file).unwrap(), "model: other\n");
    }

    #[test]
    fn a_folder_of_other_files_is_neither_claimed_nor_locked() {
        let bench = Bench::new();
        fs::create_dir(&bench.path).unwrap();
        fs::write(bench.path.join("precious.txt"), "mine").unwrap();
        assert_snapshot!(bench.reported(bench.claim()), @"
            error: the sweep's folder is there already and is not empty
               at: SWEEP
              try: a new folder with -o
        ");
        assert_eq!(bench.reported(lock(&bench.path)), bench.reported(bench.claim()));
        assert!(!bench.path.join(".lock").exists());
        fs::write(bench.path.join(NAME), "{").unwrap();
        assert_snapshot!(bench.reported(bench.claim()), @"
            error: sweep.json cannot be read: EOF while parsing an object at line 1 column 1
               at: SWEEP
        ");
    }

    #[test]
    fn one_longhaul_sweeps_in_a_folder_at_a_time() {
        let bench = Bench::new();
        let held = lock(&bench.path).unwrap();
        assert_snapshot!(bench.reported(lock(&bench.path)), @"
            error: the sweep's folder is in use by another longhaul
               at: SWEEP
              try: wait for it to end
        ");
        drop(held);
        assert!(lock(&bench.path).is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told() {
        let bench = Bench::new();
        fs::write(&bench.path, "a file").unwrap();
        assert_snapshot!(bench.reported(lock(&bench.path)), @"
            error: the sweep's folder cannot be written: File exists (os error 17)
               at: SWEEP
              try: a folder that you may write to with -o
        ");
        assert_snapshot!(bench.reported(bench.claim()), @"
            error: the sweep's folder cannot be written: Not a directory (os error 20)
               at: SWEEP
              try: a folder that you may write to with -o
        ");
    }

    #[test]
    fn a_run_that_was_broken_off_is_kept_beside_the_others() {
        let bench = Bench::new();
        bench.claim().unwrap();
        let turn = Turn { arm: 1, start: 0 };
        let sweep = Sweep {
            folder: bench.path.clone(),
            options: bench.options.clone(),
            arms: vec![arm("base"), arm("other")],
            scenario_sha256: String::new(),
            order: vec![Turn { arm: 0, start: 0 }, turn],
            done: Vec::new(),
        };
        assert_eq!(sweep.run_name(turn), "runs/other/001");
        assert_eq!(put_aside(&sweep, turn), Ok(()), "there is nothing yet");
        for nth in 1..=2 {
            fs::create_dir_all(sweep.run_folder(turn)).unwrap();
            put_aside(&sweep, turn).unwrap();
            assert!(!sweep.run_folder(turn).exists());
            assert!(bench.path.join(format!("broken-off/other-001-{nth}")).is_dir());
        }
    }
}
