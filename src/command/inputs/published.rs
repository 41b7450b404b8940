//! A published benchmark: a file, or the folder of a submission that holds one.

use std::path::{Path, PathBuf};

use super::read_plain;
use crate::analysis::arena::Table;
use crate::compare::published as compare;
use crate::error::Mistake;

/// The file of a submission that has the table.
const FILE: &str = "benchmark.csv";

/// Folders of a submission in which it may lie.
const FOLDERS: [&str; 4] = ["", "logs", "metadata", "recipes"];

/// Reads a published benchmark.
///
/// # Errors
/// There is none, it cannot be read, or it is broken.
pub fn published(path: &Path) -> Result<Table, Mistake> {
    let file = if path.is_dir() { within(path)? } else { path.to_owned() };
    let origin = file.display().to_string();
    let text = read_plain(&file).map_err(|why| {
        Mistake::new(format!("the published benchmark cannot be read: {why}")).at(&origin)
    })?;
    compare::read(&origin, &text)
}

fn within(folder: &Path) -> Result<PathBuf, Mistake> {
    let mut places = FOLDERS.iter().map(|name| folder.join(name).join(FILE));
    places.find(|place| place.is_file()).ok_or_else(|| {
        Mistake::new(format!("this folder holds neither a run nor a {FILE}"))
            .at(folder.display().to_string())
            .hint("a run folder, a submission folder of Spark Arena, or the file itself")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_is_found_by_its_folder_and_what_is_none_is_told() {
        let folder = std::env::temp_dir().join(format!("longhaul-sub-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("logs")).unwrap();
        let told = published(&folder).unwrap_err().to_string();
        assert!(told.contains("neither a run nor a benchmark.csv"), "{told}");
        let text = include_str!("../../report/arena/benchmark.csv");
        std::fs::write(folder.join("logs").join(FILE), text).unwrap();
        assert_eq!(published(&folder).map(|table| table.rows.len()), Ok(6));
        std::fs::write(folder.join(FILE), "nothing").unwrap();
        let told = published(&folder).unwrap_err().to_string();
        assert!(told.contains("no published benchmark"), "{told}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
