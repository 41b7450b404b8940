//! Locates the machine's files: below `/`, or below a folder that replaces it in a test. An error
//! always names the path on the machine, whatever the root.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

/// Limit of a file; `/proc/mountinfo` of a machine with many containers has some 100 KB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Root of a machine's files.
#[derive(Clone, Debug)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn here() -> Root {
        Root(PathBuf::from("/"))
    }

    /// Creates a root at a folder.
    #[cfg(test)]
    pub(super) fn at(folder: &std::path::Path) -> Root {
        Root(folder.to_owned())
    }

    /// Returns the path of a file, given its path on the machine.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// The path, and the reason why it cannot be read.
    pub(super) fn read(&self, path: &str) -> Result<String, String> {
        let mut bytes = Vec::new();
        let read = fs::File::open(self.path(path))
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(why) => Err(format!("{path}: {}", plainly(&why))),
        }
    }
}

/// Describes an I/O error without the system's error number.
pub(super) fn plainly(why: &std::io::Error) -> String {
    match why.kind() {
        ErrorKind::NotFound => "no such file".to_owned(),
        ErrorKind::PermissionDenied => "no permission".to_owned(),
        _ => why.to_string(),
    }
}
