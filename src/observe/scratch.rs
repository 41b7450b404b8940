//! Provides a folder that replaces a machine's root in a test. A drop removes it.

use std::fs;
use std::path::PathBuf;

use super::root::Root;

pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Creates an empty folder, named for its test.
    pub(super) fn new(name: &str) -> Scratch {
        let name = format!("longhaul-observe-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Scratch(folder)
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
        Root::at(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
