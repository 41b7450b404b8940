//! Creates the files of a run folder once, and replaces files by rename where they are not appended
//! to.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::cut::CutRun;
use super::held::{HeldFolder, is_filled};
use super::manifest::Manifest;
use super::redact;
use super::writer::Writer;
use crate::error::Mistake;
use crate::secret::Secrets;

/// File name of the manifest.
pub(super) const MANIFEST: &str = "run.json";

/// Ending of a file that is being written and then renamed.
pub(super) const TEMPORARY: &str = ".tmp";

/// Link to the newest run, beside the run folders.
pub(super) const LATEST: &str = "latest";

/// Writes the manifest of a folder and creates its files; or mends those of a run that goes on, and
/// opens them.
pub(super) fn create(
    dir: &Path,
    manifest: &Manifest,
    secrets: &Secrets,
    durable: bool,
    cut: Option<&CutRun>,
) -> Result<Writer, Mistake> {
    let refused = if cut.is_some() { refused_again } else { refused };
    let manifest = redact::manifest(secrets, manifest);
    // Mended first: a kill between the two leaves a folder that can be taken up again.
    cut.map_or(Ok(()), CutRun::mend).map_err(|error| refused(dir, &error))?;
    write_manifest(dir, &manifest).map_err(|error| refused(dir, &error))?;
    let log = redact::log(secrets);
    let writer = match cut {
        Some(cut) => Writer::reopen(cut, &manifest, log, durable),
        None => Writer::create(dir, &manifest, log, durable),
    };
    let writer = writer.map_err(|error| refused(dir, &error))?;
    sync_dir(dir).map_err(|error| refused(dir, &error))?;
    link_latest(dir);
    Ok(writer)
}

/// Makes `runs/latest` a link to a run that lies directly in a folder `runs`. Replaces only another
/// link; a place where there can be none has none.
fn link_latest(dir: &Path) {
    let (Some(runs), Some(name)) = (dir.parent(), dir.file_name()) else { return };
    let link = runs.join(LATEST);
    let is_ours = match fs::symlink_metadata(&link) {
        Ok(there) => there.is_symlink(),
        Err(_) => true,
    };
    if runs.file_name().is_none_or(|name| name != "runs") || name == LATEST || !is_ours {
        return;
    }
    // A reader sees the old link or the new one, never none.
    let temporary = runs.join(format!(".{LATEST}-{}", std::process::id()));
    let _ = fs::remove_file(&temporary);
    if std::os::unix::fs::symlink(name, &temporary).is_ok()
        && fs::rename(&temporary, &link).is_err()
    {
        let _ = fs::remove_file(&temporary);
    }
}

/// Checks, before anything is started, that a folder can become a run folder.
pub(super) fn vacant(dir: &Path) -> Result<(), Mistake> {
    if is_filled(dir) {
        // The attempt reports a folder that is in use.
        return HeldFolder::create(dir).map(drop);
    }
    if dir.is_file() {
        let mistake = Mistake::new("a run is written into a folder, and this is a file");
        return Err(mistake.at(dir.display().to_string()).hint("a new folder: -o runs/tonight"));
    }
    let existing = dir.ancestors().find(|ancestor| ancestor.exists());
    let existing = existing.unwrap_or_else(|| Path::new("."));
    // Only an attempt shows it: permission bits do not, for root and on read-only disks.
    let probe = existing.join(format!(".longhaul-{}", std::process::id()));
    File::create(&probe).and_then(|_| fs::remove_file(&probe)).map_err(|why| refused(dir, &why))
}

/// Returns the mistake of a folder that cannot be written, in the system's words.
pub(super) fn refused(dir: &Path, error: &io::Error) -> Mistake {
    Mistake::new(format!("the run folder cannot be written: {error}"))
        .at(dir.display().to_string())
        .hint("choose a folder that you may write to with -o")
}

/// Returns the mistake of the folder of a run that goes on, and that cannot be written.
pub(super) fn refused_again(dir: &Path, error: &io::Error) -> Mistake {
    Mistake::new(format!("the run folder cannot be written: {error}"))
        .at(dir.display().to_string())
        .hint("make it writable and make room on its disk, then resume the run again")
}

/// Replaces the manifest.
pub(super) fn write_manifest(dir: &Path, manifest: &Manifest) -> io::Result<()> {
    replace(dir, MANIFEST, &manifest.to_json().map_err(io::Error::other)?)
}

/// Replaces a file of the folder: a reader sees the old one or the new one, never a part, also where
/// the disk is full.
pub(super) fn replace(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let temporary = dir.join(format!("{name}{TEMPORARY}"));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, dir.join(name))
    });
    if written.is_err() {
        // It may be half a file; the error is that of the write.
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_dir(dir))
}

/// Makes file names durable, as `fdatasync` makes bytes.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::runs;

    #[test]
    fn the_newest_run_of_runs_is_latest_and_nothing_of_the_users_is_replaced() {
        let scratch = tempfile::TempDir::new().unwrap();
        let runs = scratch.path().join("runs");
        let run = |name: &str| {
            let dir = runs.join(name);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join(MANIFEST), "{}").unwrap();
            link_latest(&dir);
        };
        run("monday");
        run("tuesday");
        let link = runs.join(LATEST);
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("tuesday"));
        let found = runs::within(&runs).unwrap();
        assert_eq!(found, [runs.join("monday"), runs.join("tuesday")], "each run once");
        assert_eq!(fs::read_dir(&runs).unwrap().count(), 3, "nothing is left over");

        fs::remove_file(&link).unwrap();
        run(LATEST);
        run("wednesday");
        assert!(!link.is_symlink(), "a run of that name stays");
        let elsewhere = scratch.path().join("nights/one");
        fs::create_dir_all(&elsewhere).unwrap();
        link_latest(&elsewhere);
        assert!(!scratch.path().join("nights").join(LATEST).exists());
        // No link can be made in a folder that is not there.
        link_latest(&scratch.path().join("gone/runs/one"));
    }
}
