//! Stores raw frames of failures, and the server's output. Both are bounded, and what was dropped
//! is counted and recorded in the folder itself.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::fact::Seq;

/// Limit of one failure's frames, in bytes. The explanation is at the beginning; a stream of
/// 100,000 tokens would be 20 MB.
pub(super) const EVIDENCE_BYTES_MAX: usize = 64 << 10;

/// Limit of the failures whose frames are kept. A server that fails all night fails in the same
/// way.
const EVIDENCE_FILES_MAX: u64 = 500;

/// Limit of `server.log` in bytes, and of the older `server.log.1`: the ordinary output of a night
/// is below 10 MiB, a loop of tracebacks has no end.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// Part of some frames that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The first [`EVIDENCE_BYTES_MAX`].
    Start,
    Nothing,
}

/// Failures whose frames were not kept at all, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    files: u64,
    bytes: u64,
}

/// Quota of frames that are kept: the first ones, since the first failure explains most.
#[derive(Debug, Default)]
pub(super) struct EvidenceQuota {
    kept_files: u64,
    dropped: Dropped,
}

impl EvidenceQuota {
    /// Returns the quota that is left in a run folder.
    pub(super) fn left_in(dir: &Path) -> EvidenceQuota {
        let files = fs::read_dir(dir.join("evidence")).map_or(0, Iterator::count);
        let kept_files = (files as u64).min(EVIDENCE_FILES_MAX);
        EvidenceQuota { kept_files, dropped: Dropped::default() }
    }

    pub(super) fn admit(&mut self, bytes: usize) -> Kept {
        if self.kept_files == EVIDENCE_FILES_MAX {
            self.dropped.files += 1;
            self.dropped.bytes += bytes as u64;
            return Kept::Nothing;
        }
        self.kept_files += 1;
        Kept::Start
    }

    pub(super) fn dropped(&self) -> Dropped {
        self.dropped
    }
}

/// Writes frames to a file named after the number of their entry.
pub(super) fn keep(dir: &Path, seq: Seq, frames: &[u8], cut_bytes: usize) -> io::Result<()> {
    let dir = dir.join("evidence");
    fs::create_dir_all(&dir)?;
    let mut file = File::create(dir.join(format!("{seq}.txt")))?;
    file.write_all(frames)?;
    if cut_bytes > 0 {
        writeln!(file, "\n[longhaul: {cut_bytes} more bytes were not kept]")?;
    }
    Ok(())
}

/// Records in the folder how much evidence was not kept.
pub(super) fn say_dropped(dir: &Path, dropped: Dropped) -> io::Result<()> {
    let text = format!(
        "The first {EVIDENCE_FILES_MAX} failures have their frames here. \
         {} more had {} bytes, which were not kept.\n",
        dropped.files, dropped.bytes
    );
    fs::write(dir.join("evidence").join("dropped.txt"), text)
}

/// Log file `server.log` with the newest output; older output is in `server.log.1`.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    older: PathBuf,
    file: Option<File>,
    bytes: u64,
    older_bytes: u64,
    dropped_bytes: u64,
    bytes_max: u64,
}

impl LogFile {
    /// Creates the log of a run folder; output goes behind what is there already.
    pub(super) fn new(dir: &Path) -> LogFile {
        let (path, older) = (dir.join("server.log"), dir.join("server.log.1"));
        let bytes = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.len());
        LogFile {
            file: None,
            bytes: bytes(&path),
            older_bytes: bytes(&older),
            path,
            older,
            dropped_bytes: 0,
            bytes_max: LOG_BYTES_MAX,
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.bytes > 0 && self.bytes + bytes.len() as u64 > self.bytes_max {
            self.turn()?;
        }
        // Of a piece that is larger than a whole file, only the end is kept.
        let newest = bytes.len().saturating_sub(self.bytes_max as usize);
        let (lost, bytes) = bytes.split_at(newest);
        self.dropped_bytes += lost.len() as u64;
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                self.file.insert(OpenOptions::new().create(true).append(true).open(&self.path)?)
            }
        };
        file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Rotates the file over the previous `server.log.1`, and records how much that dropped.
    fn turn(&mut self) -> io::Result<()> {
        self.file = None;
        fs::rename(&self.path, &self.older)?;
        self.dropped_bytes += self.older_bytes;
        self.older_bytes = std::mem::take(&mut self.bytes);
        if self.dropped_bytes > 0 {
            let text = format!("[longhaul: {} older bytes were not kept]\n", self.dropped_bytes);
            fs::write(&self.path, text)?;
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_failures_keep_their_frames_and_the_rest_is_counted() {
        let mut evidence = EvidenceQuota::default();
        for _ in 0..EVIDENCE_FILES_MAX {
            assert_eq!(evidence.admit(1), Kept::Start);
        }
        assert_eq!(evidence.dropped(), Dropped::default());
        assert_eq!((evidence.admit(5), evidence.admit(7)), (Kept::Nothing, Kept::Nothing));
        assert_eq!(evidence.dropped(), Dropped { files: 2, bytes: 12 });
    }

    #[test]
    fn the_log_keeps_its_newest_end_and_says_what_it_lost() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogFile { bytes_max: 10, ..LogFile::new(dir.path()) };
        for piece in ["aaaaaaaa\n", "bbbbbbbb\n", "cccccccc\n"] {
            log.write(piece.as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("server.log.1"), "bbbbbbbb\n");
        assert_eq!(read("server.log"), "[longhaul: 9 older bytes were not kept]\ncccccccc\n");
    }
}
