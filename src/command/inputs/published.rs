//! Reads a published benchmark: a file, or the folder of a submission that holds one.

use std::path::{Path, PathBuf};

use super::read_plain;
use crate::analysis::arena::Table;
use crate::compare::published as compare;
use crate::error::Mistake;

/// Name of a submission's file with the table.
const FILE: &str = "benchmark.csv";

/// Folders of a submission in which it may be.
const FOLDERS: [&str; 4] = ["", "logs", "metadata", "recipes"];

/// Extensions of files that may be a table under another name, and how many such files are named.
const FORMS: [&str; 3] = ["csv", "json", "md"];
const NAMED_MAX: usize = 3;

/// Reads a published benchmark.
///
/// # Errors
/// There is none, it cannot be read, or it is malformed.
pub(crate) fn published(path: &Path) -> Result<Table, Mistake> {
    let (path, choice) = split_choice(path);
    let file = if path.is_dir() { within(&path)? } else { path };
    let origin = file.display().to_string();
    let text = read_plain(&file).map_err(|why| {
        Mistake::new(format!("the published benchmark cannot be read: {why}")).at(&origin)
    })?;
    compare::read(&origin, &text, choice.as_deref())
}

/// Splits `README.md#2` or `README.md#heading` into the file and the choice of a table in it.
pub(crate) fn split_choice(path: &Path) -> (PathBuf, Option<String>) {
    let split = || {
        let (file, choice) = path.to_str()?.rsplit_once('#')?;
        Path::new(file).is_file().then(|| (PathBuf::from(file), Some(choice.to_owned())))
    };
    let whole = || (path.to_owned(), None);
    if path.exists() { whole() } else { split().unwrap_or_else(whole) }
}

fn within(folder: &Path) -> Result<PathBuf, Mistake> {
    let place = || folder.display().to_string();
    let entries = std::fs::read_dir(folder)
        .map_err(|why| Mistake::new(format!("this folder cannot be read: {why}")).at(place()))?;
    let mut places = FOLDERS.iter().map(|name| folder.join(name).join(FILE));
    if let Some(place) = places.find(|place| place.is_file()) {
        return Ok(place);
    }
    let is_table = |path: &PathBuf| {
        let is_form = |it: &std::ffi::OsStr| FORMS.iter().any(|form| it.eq_ignore_ascii_case(form));
        path.extension().is_some_and(is_form) && path.is_file()
    };
    let mut tables: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(is_table).collect();
    tables.sort();
    let mistake = Mistake::new(format!("this folder holds neither a run nor a {FILE}")).at(place());
    let named = tables.iter().take(NAMED_MAX).map(|path| path.display().to_string());
    Err(named
        .fold(mistake, Mistake::hint)
        .hint("a run folder, a submission folder of Spark Arena, or the file itself"))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use tempfile::TempDir;

    use super::*;
    use crate::shown::named;

    /// Returns why a path is not a published table.
    fn reported(path: &Path, folder: &Path) -> String {
        let reported = published(path).unwrap_err().to_string();
        named(&reported, &[(&folder.display().to_string(), "FOLDER")])
    }

    #[test]
    fn a_submission_is_found_by_its_folder_and_what_is_none_is_told() {
        let scratch = TempDir::new().unwrap();
        let folder = scratch.path();
        let reported = || reported(folder, folder);
        std::fs::create_dir_all(folder.join("logs")).unwrap();
        assert_snapshot!(reported(), @"
            error: this folder holds neither a run nor a benchmark.csv
               at: FOLDER
              try: a run folder, a submission folder of Spark Arena, or the file itself
        ");
        let text = include_str!("../../report/arena/benchmark.csv");
        std::fs::write(folder.join("benchy.json"), "{}").unwrap();
        assert_snapshot!(reported(), @"
            error: this folder holds neither a run nor a benchmark.csv
               at: FOLDER
              try: FOLDER/benchy.json
              try: a run folder, a submission folder of Spark Arena, or the file itself
        ");
        std::fs::write(folder.join("logs").join(FILE), text).unwrap();
        assert_eq!(published(folder).map(|table| table.rows.len()), Ok(6));
        std::fs::write(folder.join(FILE), "nothing").unwrap();
        assert_snapshot!(reported(), @"
            error: this is not a published benchmark
               at: FOLDER/benchmark.csv
              try: benchmark.csv of a Spark Arena submission
              try: what llama-benchy writes with --format json, csv or md
              try: sparkrun's benchmark_*.yaml, or what `vllm bench serve --save-result` writes
              try: a run folder of longhaul's own
        ");
    }

    #[test]
    fn a_table_beyond_the_bound_is_refused_and_never_cut() {
        let scratch = TempDir::new().unwrap();
        let file = scratch.path().join("long.md");
        let head = "| model | test | t/s |\n|---|---|---|\n";
        let mut text = head.to_owned();
        while text.len() as u64 <= crate::command::inputs::FILE_BYTES_MAX {
            text.push_str("| m | pp512 (c1) | 1154.28 ± 3.10 |\n");
        }
        std::fs::write(&file, &text).unwrap();
        assert_snapshot!(reported(&file, scratch.path()), @"
            error: the published benchmark cannot be read: it is larger than 5 MiB
               at: FOLDER/long.md
        ");
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_not_called_empty() {
        // A file in place of a folder cannot be listed by any user, including root.
        let file = std::env::current_exe().unwrap();
        let reported = within(&file).unwrap_err().to_string();
        assert_snapshot!(named(&reported, &[(&file.display().to_string(), "FILE")]), @"
            error: this folder cannot be read: Not a directory (os error 20)
               at: FILE
        ");
    }
}
