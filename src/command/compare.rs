//! Implements `longhaul compare` and `longhaul floor`: reads runs, and compares two sides.

use std::path::{Path, PathBuf};

use super::report;
use super::{finish, inputs, mistake, print_stderr};
use crate::compare::{Comparison, Floor, Start, compare as decide, floor};
use crate::error::Mistake;
use crate::exit::Exit;
use crate::http::reference::FetchPermissions;
use crate::journal::runs;
use crate::report::{Printable, compare as reported};
use crate::spec::recipe::{ReadOptions, ReadRecipe};
use crate::stats::shift::SIDE_MAX;

mod start;

use start::start;

/// Format of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompareFormat {
    Terminal {
        wide: bool,
    },
    /// Markdown for a comment on a pull request.
    Markdown,
    Json,
    Junit,
    /// Annotations of a GitHub workflow.
    Github,
}

/// Options of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CompareOptions {
    /// Run folders of the base, or folders that hold some.
    pub base: Vec<PathBuf>,
    /// Run folders of the candidate, or folders that hold some.
    pub candidate: Vec<PathBuf>,
    pub how: crate::compare::CompareTerms,
    /// File of the noise floor.
    pub floor: Option<PathBuf>,
    /// Format of the output.
    pub format: CompareFormat,
}

/// Compares two sides, and prints the result.
pub(crate) fn compare(options: &CompareOptions) -> Exit {
    let compared = compared(options).and_then(|comparison| {
        let text = rendered(&comparison, options.format)?;
        Ok((text, comparison.decision.exit))
    });
    match compared {
        Ok((text, exit)) => finish(&text, exit),
        Err(wrong) => mistake(&wrong),
    }
}

fn compared(options: &CompareOptions) -> Result<Comparison, Mistake> {
    let mut how = options.how.clone();
    if let Some(path) = &options.floor {
        let place = path.display().to_string();
        let text = inputs::plain_text(path).map_err(|why| {
            Mistake::new(format!("the noise floor cannot be read: {why}"))
                .at(&place)
                .hint("longhaul floor RUN RUN RUN -o floor.json")
        })?;
        how.floor = Some(floor::read(&text, &place)?);
    }
    for path in &options.base {
        if is_published(path)? {
            return published(path, options, &how);
        }
    }
    sides(&options.base, &options.candidate, &how)
}

/// Whether a base is a published table: a file, or the folder of a submission.
fn is_published(path: &Path) -> Result<bool, Mistake> {
    let (path, _) = &inputs::split_choice(path);
    Ok(path.is_file() || path.is_dir() && !runs::is_run(path) && runs::within(path)?.is_empty())
}

/// Compares with a published table as the base: one table, one run, and no floor.
fn published(
    table: &Path,
    options: &CompareOptions,
    how: &crate::compare::CompareTerms,
) -> Result<Comparison, Mistake> {
    let refused =
        |what: &str| Mistake::new(what).hint(format!("longhaul compare {} RUN", table.display()));
    if options.base.len() > 1 {
        return Err(refused("a published table stands alone as the base"));
    }
    if how.floor.is_some() {
        return Err(refused(
            "nothing is decided by a published table's numbers: --floor has no use",
        ));
    }
    match runs::folders(&options.candidate, SIDE_MAX)?.as_slice() {
        [run] => against(table, run, how),
        several => {
            let what = format!("a published table is compared with one run, not {}", several.len());
            Err(refused(&what))
        }
    }
}

/// Compares a run with a published table.
///
/// # Errors
/// The table cannot be read, or the folder is not a run.
pub(crate) fn against(
    path: &Path,
    run: &Path,
    how: &crate::compare::CompareTerms,
) -> Result<Comparison, Mistake> {
    let table = inputs::published(path)?;
    let recipe = if path.is_dir() { submitted(path) } else { None };
    let base = crate::compare::PublishedBase { name: path.display().to_string(), table, recipe };
    let candidate = start(run)?;
    Ok(crate::compare::against(&base, &candidate, &report::table(run)?, how))
}

/// Reads the recipe of a submission, where its folder has a readable one.
fn submitted(folder: &Path) -> Option<ReadRecipe> {
    let found =
        inputs::recipe_source(&folder.to_string_lossy(), &FetchPermissions::default()).ok()?;
    found.read(&ReadOptions::default()).ok()
}

/// Compares two sides of run folders.
///
/// # Errors
/// A folder is not a run, or the runs cannot be compared.
pub(crate) fn sides(
    base: &[PathBuf],
    candidate: &[PathBuf],
    how: &crate::compare::CompareTerms,
) -> Result<Comparison, Mistake> {
    decide(&starts(base)?, &starts(candidate)?, how)
}

fn rendered(comparison: &Comparison, format: CompareFormat) -> Result<Printable, Mistake> {
    let broken = |why: String| Mistake::new(format!("the comparison cannot be written: {why}"));
    match format {
        CompareFormat::Terminal { wide } => Ok(reported::terminal::render(comparison, wide)),
        CompareFormat::Markdown => Ok(reported::markdown::render(comparison)),
        CompareFormat::Json => Ok(reported::json::render(comparison)),
        CompareFormat::Junit => reported::junit::render(comparison).map_err(broken),
        CompareFormat::Github => Ok(reported::annotations::render(comparison)),
    }
}

/// Writes the noise floor of several starts of one recipe.
pub(crate) fn make_floor(runs: &[PathBuf], output: Option<&Path>) -> Exit {
    let made = match floor_of(runs) {
        Ok(made) => made,
        Err(wrong) => return mistake(&wrong),
    };
    let text = Printable::json(&made);
    let Some(path) = output else { return finish(&text, Exit::Pass) };
    if let Err(why) = std::fs::write(path, text.text()) {
        let what = format!("the noise floor cannot be written: {why}");
        return mistake(&Mistake::new(what).at(path.display().to_string()));
    }
    let label = if made.simulated { "SIMULATED " } else { "" };
    print_stderr(&format!("{label}noise floor of {} starts: {}", made.starts, path.display()));
    Exit::Pass
}

/// Computes the noise floor of several runs.
///
/// # Errors
/// There are too few runs, or they differ in recipe or load.
pub(crate) fn floor_of(runs: &[PathBuf]) -> Result<Floor, Mistake> {
    floor::of(&starts(runs)?)
}

fn starts(paths: &[PathBuf]) -> Result<Vec<Start>, Mistake> {
    runs::folders(paths, SIDE_MAX)?.iter().map(|folder| start(folder)).collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use tempfile::TempDir;

    use super::*;
    use crate::compare::CompareTerms;
    use crate::shown::named;

    fn journals() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals")
    }

    fn options(base: &[&Path], candidate: &[&Path]) -> CompareOptions {
        let owned = |side: &[&Path]| side.iter().map(|&path| path.to_path_buf()).collect();
        CompareOptions {
            base: owned(base),
            candidate: owned(candidate),
            how: CompareTerms::default(),
            floor: None,
            format: CompareFormat::Terminal { wide: false },
        }
    }

    /// Returns the decision, or the mistake.
    fn reported(options: &CompareOptions, folder: &TempDir) -> String {
        let reported = match compared(options) {
            Ok(comparison) => format!("{:?}", comparison.decision.word),
            Err(wrong) => wrong.to_string(),
        };
        let names = [(journals(), "JOURNALS"), (folder.path().to_path_buf(), "FOLDER")];
        names.iter().fold(reported, |reported, (path, name)| {
            named(&reported, &[(&path.display().to_string(), name)])
        })
    }

    const TABLE: &str = "| model | test | t/s |\n|--|--|--|\n| m | pp512 | 5.0 ± 0.1 |\n";

    #[test]
    fn a_published_table_stands_alone_against_one_run() {
        let folder = TempDir::new().unwrap();
        let table = folder.path().join("july.md");
        std::fs::write(&table, TABLE).unwrap();
        let (one, other) = (journals().join("healthy"), journals().join("hump"));
        let mut with_floor = options(&[&table], &[&one]);
        with_floor.how.floor = Some(Floor::default());
        let reported = [
            reported(&options(&[&table], &[&one]), &folder),
            reported(&options(&[&table, &table], &[&one]), &folder),
            reported(&options(&[&one, &table], &[&one]), &folder),
            reported(&options(&[&table], &[&one, &other]), &folder),
            reported(&options(&[&table], &[folder.path()]), &folder),
            reported(&with_floor, &folder),
        ];
        assert_snapshot!("published", reported.join("\n\n"));
    }

    #[test]
    fn a_side_is_of_runs_and_a_floor_is_a_file() {
        let folder = TempDir::new().unwrap();
        let (healthy, gone) = (journals().join("healthy"), folder.path().join("gone"));
        let floor = |path: &Path| CompareOptions {
            floor: Some(path.to_path_buf()),
            ..options(&[&healthy], &[&healthy])
        };
        std::fs::write(folder.path().join("floor.json"), "{}").unwrap();
        let reported = [
            reported(&options(&[&healthy], &[&healthy]), &folder),
            reported(&options(&[&healthy], &[&gone]), &folder),
            reported(&options(&[&gone], &[&healthy]), &folder),
            reported(&options(&[&healthy], &[folder.path()]), &folder),
            reported(&floor(&gone), &folder),
            reported(&floor(folder.path()), &folder),
            reported(&floor(&folder.path().join("floor.json")), &folder),
        ];
        assert_snapshot!("sides", reported.join("\n\n"));
    }
}
