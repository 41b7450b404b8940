//! Finds run folders by path: folders that are runs, and folders that hold some.

use std::path::{Path, PathBuf};

use super::folder::LATEST;
use crate::error::Mistake;

/// Lists run folders. A folder that holds some stands for all of them, in the order of their names.
///
/// # Errors
/// A path is not a run and holds none, or there are more runs than `most`.
pub(crate) fn folders(paths: &[PathBuf], most: usize) -> Result<Vec<PathBuf>, Mistake> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for path in paths {
        if is_run(path) {
            folders.push(path.clone());
            continue;
        }
        let inside = within(path)?;
        if inside.is_empty() {
            return Err(none(path));
        }
        folders.extend(inside);
    }
    if folders.len() > most {
        let what = format!("{} runs on a side; {most} are the most", folders.len());
        return Err(Mistake::new(what));
    }
    Ok(folders)
}

/// Explains that a path is not a run and holds none.
fn none(path: &Path) -> Mistake {
    let shown = path.display();
    let hint = "the folder that `longhaul run` named at its end, as runs/tonight";
    let what = if !path.exists() {
        format!("there is no folder `{shown}`")
    } else if path.is_dir() {
        format!("`{shown}` is neither a run folder nor a folder that holds some")
    } else {
        format!("`{shown}` is a file, and no run folder")
    };
    let mistake = Mistake::new(what).hint(hint);
    let arms = path.join("runs");
    if arms.is_dir() {
        return mistake.hint(format!("an arm of the sweep, as {}", arms.join("base").display()));
    }
    mistake
}

/// Whether a folder is a run folder.
pub(crate) fn is_run(path: &Path) -> bool {
    path.join("run.json").is_file()
}

/// Lists the runs in a folder. It does not silently skip a run that cannot be read or has lost its
/// manifest.
///
/// # Errors
/// The folder cannot be read, or a run has no manifest.
pub(crate) fn within(path: &Path) -> Result<Vec<PathBuf>, Mistake> {
    let refused = |path: &Path, why: std::io::Error| {
        Mistake::new(format!("the folder cannot be read: {why}")).at(path.display().to_string())
    };
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let mut inside = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|why| refused(path, why))? {
        let one = entry.map_err(|why| refused(path, why))?.path();
        // The link is one of the others again.
        if !one.is_dir() || one.is_symlink() && one.ends_with(LATEST) {
            continue;
        }
        std::fs::read_dir(&one).map_err(|why| refused(&one, why))?;
        if is_run(&one) {
            inside.push(one);
        } else if ROWS.iter().any(|name| one.join(name).exists()) {
            return Err(Mistake::new("a run without its run.json is in the folder")
                .at(one.display().to_string())
                .hint("the runs by their names, without this one"));
        }
    }
    inside.sort();
    Ok(inside)
}

/// Files that only a run folder has.
const ROWS: [&str; 2] = ["requests.csv", "events.csv"];
