//! Where the machine's own files are: `/`, or a folder that stands for it in a
//! test. What cannot be read is told by its own path, whatever the root.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

/// Bounds a file that is read; `/proc/mountinfo` of a box full of containers has some 100 KB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The root of a machine's files.
#[derive(Clone, Debug)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn here() -> Root {
        Root(PathBuf::from("/"))
    }

    /// A folder that stands for it.
    #[cfg(test)]
    pub(super) fn at(folder: &std::path::Path) -> Root {
        Root(folder.to_owned())
    }

    /// A file by its path on the machine.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// The text of a file.
    ///
    /// # Errors
    /// Its path, and why it cannot be read.
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

/// Why something could not be read, without the system's numbers.
pub(super) fn plainly(why: &std::io::Error) -> String {
    match why.kind() {
        ErrorKind::NotFound => "no such file".to_owned(),
        ErrorKind::PermissionDenied => "no permission".to_owned(),
        _ => why.to_string(),
    }
}
