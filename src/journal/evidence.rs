//! Raw frames of failures, a file each, named by the number of their entry.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Bounds the folder when every request of a long run fails.
const FILES_MAX: u64 = 500;
/// Bounds one file when a server sends megabytes of error.
const BYTES_MAX: usize = 64 << 10;

/// The `evidence` folder of a run.
pub struct Evidence {
    folder: PathBuf,
    kept: u64,
    dropped: u64,
}

impl Evidence {
    /// In a run folder; made when the first piece comes.
    pub fn new(run: &Path) -> Evidence {
        Evidence { folder: run.join("evidence"), kept: 0, dropped: 0 }
    }

    /// Keeps a piece, or counts it as dropped.
    pub fn keep(&mut self, seq: u64, frames: &[u8]) -> io::Result<()> {
        if self.kept >= FILES_MAX {
            self.dropped += 1;
            return fs::write(
                self.folder.join("dropped.txt"),
                format!(
                    "{} more failures kept no evidence: the first {FILES_MAX} did\n",
                    self.dropped
                ),
            );
        }
        fs::create_dir_all(&self.folder)?;
        self.kept += 1;
        let end = frames.len().min(BYTES_MAX);
        fs::write(self.folder.join(format!("{seq:08}.txt")), &frames[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_bounded_and_says_what_was_dropped() {
        let folder = std::env::temp_dir().join(format!("longhaul-evidence-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let mut evidence = Evidence::new(&folder);
        for seq in 0..FILES_MAX + 2 {
            evidence.keep(seq, &[b'x'; 10]).unwrap();
        }
        let files = fs::read_dir(folder.join("evidence")).unwrap().count() as u64;
        assert_eq!(files, FILES_MAX + 1);
        let told = fs::read_to_string(folder.join("evidence/dropped.txt")).unwrap();
        assert!(told.starts_with("2 more"), "{told}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
