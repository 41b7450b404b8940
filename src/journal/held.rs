//! Holds a run folder, so that no other longhaul writes it; keeps there which server longhaul
//! started, from before the run has its first row.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::{self, MANIFEST};
use crate::error::Mistake;

/// Lock file, always empty; its presence alone means nothing.
const LOCK: &str = ".lock";

/// Record of the server that longhaul started, as long as it may run.
pub(super) const LAUNCHED: &str = "launched.json";

/// Run folder that no other longhaul writes for as long as the value lives.
#[derive(Clone, Debug)]
pub(crate) struct HeldFolder {
    dir: PathBuf,
    /// Lock file and folder.
    _locks: Arc<[File; 2]>,
}

impl HeldFolder {
    /// Creates a run folder, with its parents, and holds it.
    ///
    /// # Errors
    /// The folder is in use, is not empty, or cannot be written.
    pub(crate) fn create(dir: &Path) -> Result<HeldFolder, Mistake> {
        let unwritable = |error: io::Error| folder::refused(dir, &error);
        // Checked first, so that a folder of other files gets no lock file.
        if is_filled(dir) && !dir.join(LOCK).exists() {
            return Err(filled(dir));
        }
        fs::create_dir_all(dir).map_err(unwritable)?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            folder::sync_dir(parent).map_err(unwritable)?;
        }
        match held(dir) {
            Ok(_) if is_filled(dir) => Err(filled(dir)),
            Ok(held) => Ok(held),
            Err(TryLockError::WouldBlock) => {
                Err(Mistake::new("the run folder is in use by another longhaul")
                    .at(dir.display().to_string())
                    .hint("wait for it to end, or choose another folder with -o"))
            }
            Err(TryLockError::Error(error)) => Err(unwritable(error)),
        }
    }

    /// Holds the folder of a run that was cut off.
    ///
    /// # Errors
    /// It is in use, or cannot be written.
    pub(super) fn take_up(dir: &Path) -> Result<HeldFolder, Mistake> {
        held(dir).map_err(|why| match why {
            TryLockError::WouldBlock => Mistake::new("the run is still being written")
                .at(dir.display().to_string())
                .hint("wait for it to end, or stop it with Ctrl-C"),
            TryLockError::Error(error) => folder::refused_again(dir, &error),
        })
    }

    /// Returns the folder's path.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads the record of the server that longhaul started; `None` where it was ended, or where
    /// there was none.
    pub(crate) fn launched(&self) -> Option<String> {
        fs::read_to_string(self.dir.join(LAUNCHED)).ok()
    }

    /// Writes the record of a server that longhaul starts, durably.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn record_launch(&self, record: &str) -> Result<(), Mistake> {
        let refused = if is_filled(&self.dir) { folder::refused_again } else { folder::refused };
        let written = folder::replace(&self.dir, LAUNCHED, record);
        written.map_err(|error| refused(&self.dir, &error))
    }

    /// Removes the record of a server that was ended.
    pub(crate) fn forget_launch(&self) {
        // A record that stays names a server that is gone, and nothing will be found.
        let _ = fs::remove_file(self.dir.join(LAUNCHED));
    }

    /// Removes the folder where no run began in it.
    pub(crate) fn remove_if_empty(self) {
        if is_filled(&self.dir) || self.dir.join(LAUNCHED).exists() {
            return;
        }
        // What cannot be removed is an empty folder.
        let _ = fs::remove_file(self.dir.join(LOCK));
        let _ = fs::remove_dir(&self.dir);
    }
}

/// Whether a folder has no run, but the record of a server that was started for one.
pub(super) fn never_began(dir: &Path) -> bool {
    dir.join(LAUNCHED).exists() && !dir.join(MANIFEST).exists()
}

/// Whether the folder holds anything but a lock and the record of a start. An unreadable folder
/// counts as empty, and the write shows the error.
pub(super) fn is_filled(dir: &Path) -> bool {
    let is_ours = |name: &std::ffi::OsStr| name == LOCK || name == LAUNCHED;
    fs::read_dir(dir)
        .is_ok_and(|mut files| files.any(|file| file.is_ok_and(|file| !is_ours(&file.file_name()))))
}

fn filled(dir: &Path) -> Mistake {
    Mistake::new("the run folder is there already and is not empty")
        .at(dir.display().to_string())
        .hint("choose a new folder with -o: a run never writes over another")
}

/// Locks the folder itself, whose lock nobody can delete, and a file in it, because NFS locks no
/// folders.
fn held(dir: &Path) -> Result<HeldFolder, TryLockError> {
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join(LOCK));
    let lock = lock.map_err(TryLockError::Error)?;
    lock.try_lock()?;
    let folder = File::open(dir).map_err(TryLockError::Error)?;
    match folder.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(TryLockError::WouldBlock),
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    Ok(HeldFolder { dir: dir.to_owned(), _locks: Arc::new([lock, folder]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_deletes_the_lock_file_lets_nobody_in() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("run");
        let held = HeldFolder::create(&dir).unwrap();
        fs::remove_file(dir.join(LOCK)).unwrap();
        assert!(HeldFolder::create(&dir).is_err());
        fs::remove_file(dir.join(LOCK)).unwrap();
        assert!(HeldFolder::take_up(&dir).is_err());
        drop(held);
        assert!(HeldFolder::take_up(&dir).is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_mended_and_not_replaced_where_its_run_goes_on() {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join(LOCK)).unwrap();
        let wrong = HeldFolder::take_up(scratch.path()).unwrap_err().to_string();
        let path = scratch.path().display().to_string();
        insta::assert_snapshot!(wrong.replace(&path, "RUN"), @"
            error: the run folder cannot be written: Is a directory (os error 21)
               at: RUN
              try: make it writable and make room on its disk, then resume the run again
        ");
    }

    #[test]
    fn the_record_of_a_start_outlives_its_longhaul_and_the_folder_can_be_taken_again() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("runs/one");
        let held = HeldFolder::create(&dir).unwrap();
        assert_eq!(held.launched(), None);
        held.record_launch("pid 7").unwrap();
        held.clone().remove_if_empty();
        drop(held);
        assert!(never_began(&dir));
        let again = HeldFolder::create(&dir).unwrap();
        assert_eq!(again.launched().as_deref(), Some("pid 7"));
        again.forget_launch();
        again.remove_if_empty();
        assert!(!dir.exists(), "nothing is left of a run that never began");
    }
}
