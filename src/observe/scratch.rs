//! Provides a folder that replaces a machine's root in a test.

use std::fs;

use super::root::Root;

pub(super) struct Scratch(tempfile::TempDir);

impl Scratch {
    /// Creates an empty folder.
    pub(super) fn new() -> Scratch {
        Scratch(tempfile::tempdir().unwrap())
    }

    /// Writes a file.
    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.root().path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Removes a file or a folder.
    pub(super) fn remove(&self, path: &str) {
        let path = self.root().path(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    /// Returns the folder as a machine's root.
    pub(super) fn root(&self) -> Root {
        Root::at(self.0.path())
    }
}
