//! Implements `longhaul compare` and `longhaul floor`: reads runs, and compares two sides.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::report::{self, JudgedRun, judge};
use super::{finish, inputs, mistake, print_stderr};
use crate::compare::start::StartDescription;
use crate::compare::{Comparison, Floor, LoadIdentity, Start, compare as decide, floor};
use crate::digest::sha256;
use crate::error::Mistake;
use crate::exit::Exit;
use crate::http::reference::FetchPermissions;
use crate::journal::{self, Manifest, runs};
use crate::plan::Fit;
use crate::plan::fitter::Method;
use crate::report::compare as reported;
use crate::spec::SpecFile;
use crate::spec::recipe::{ReadOptions, ReadRecipe, read_as};
use crate::stats::shift::SIDE_MAX;

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
        let text = text(&comparison, options.format)?;
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

fn text(comparison: &Comparison, format: CompareFormat) -> Result<String, Mistake> {
    let broken = |why: String| Mistake::new(format!("the comparison cannot be written: {why}"));
    match format {
        CompareFormat::Terminal { wide } => Ok(reported::terminal::render(comparison, wide)),
        CompareFormat::Markdown => Ok(reported::markdown::render(comparison)),
        CompareFormat::Json => {
            reported::json::render(comparison).map_err(|why| broken(why.to_string()))
        }
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
    // Texts and numbers always serialise.
    let text = serde_json::to_string_pretty(&made).unwrap_or_default() + "\n";
    let Some(path) = output else { return finish(&text, Exit::Pass) };
    if let Err(why) = std::fs::write(path, text) {
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

fn start(folder: &Path) -> Result<Start, Mistake> {
    let JudgedRun { analysis, verdict, .. } = judge(folder)?;
    let manifest = journal::reader::read_manifest(folder)?;
    Ok(Start::of(about(folder, &manifest), &analysis, &verdict))
}

/// Collects what a manifest says of a run besides its measurements.
fn about(folder: &Path, manifest: &Manifest) -> StartDescription {
    let scenario = format!("{} {}", manifest.scenario.sha256, manifest.overrides);
    let corpus: Vec<&str> = manifest.corpus.values().map(String::as_str).collect();
    // A simulator behind an address is named by its process, not by a seed that nobody knows.
    let own = manifest.simulated && manifest.profile.is_some();
    StartDescription {
        name: folder.display().to_string(),
        run: run(manifest),
        simulated: manifest.simulated,
        server_seed: own.then(|| manifest.server_seed.unwrap_or(manifest.seed)),
        alike: LoadIdentity {
            scenario: manifest.scenario.name.clone(),
            scenario_sha256: sha256(scenario.as_bytes()),
            seed: manifest.seed,
            corpus: corpus.join(" "),
            plan: manifest.plan_fingerprint.clone(),
            fit: sha256(manifest.fit.to_string().as_bytes()),
            counted: counted(manifest),
            no_system_role: !manifest.abilities.system_role,
        },
        recipe: recipe(manifest),
        container: manifest.container.clone(),
        command: manifest.command.clone(),
        surroundings: surroundings(manifest),
    }
}

/// Returns the tokens of all texts that prompts are made of, by the server's count; `None` where
/// nothing was counted.
fn counted(manifest: &Manifest) -> Option<u64> {
    let fit: Fit = serde_json::from_value(manifest.fit.clone()).ok()?;
    let counted = fit.passages.iter().sum::<f64>();
    (fit.method != Method::Guess && counted > 0.0).then_some(counted.round() as u64)
}

/// Returns an identity that a run shares with its copies and with no other run: when and where it
/// began and, as rehearsals all begin at the same instant, what was rehearsed.
fn run(manifest: &Manifest) -> String {
    let begin = manifest.segments.first();
    let parts = serde_json::json!([
        begin.map(|it| (it.wall_us, it.monotonic_us, it.boot_id.clone())),
        manifest.nodes.iter().map(|node| &node.host).collect::<Vec<_>>(),
        [&manifest.recipe.sha256, &manifest.scenario.sha256, &manifest.plan_fingerprint],
        [manifest.seed, manifest.server_seed.unwrap_or(manifest.seed)],
        [&manifest.overrides, &manifest.fit],
        [&manifest.container, &manifest.command],
        manifest.profile.as_ref().map(|profile| &profile.sha256),
        manifest.ailments,
    ]);
    sha256(parts.to_string().as_bytes())
}

/// Reads the recipe from the manifest; files that it includes are not available there.
fn recipe(manifest: &Manifest) -> Option<ReadRecipe> {
    let text = &manifest.recipe;
    let source =
        SpecFile { name: text.name.clone(), origin: text.origin.clone(), text: text.text.clone() };
    if source.text.trim().is_empty() {
        return None;
    }
    read_as(&source, &ReadOptions::default(), &|_| Ok(None)).ok()
}

fn surroundings(manifest: &Manifest) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([("longhaul".to_owned(), manifest.longhaul.clone())]);
    for node in &manifest.nodes {
        let role = |name: &str| {
            if node.role == "load" {
                name.to_owned()
            } else {
                format!("{name} of the {}", node.role)
            }
        };
        let parts = [
            ("host", Some(&node.host)),
            ("kernel", node.kernel.as_ref()),
            ("driver", node.driver.as_ref()),
            ("clocks", node.clocks.as_ref()),
        ];
        for (name, value) in parts {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                all.insert(role(name), value.clone());
            }
        }
    }
    if let Some(profile) = &manifest.profile {
        let sha256: String = profile.sha256.chars().take(12).collect();
        all.insert("machine profile".to_owned(), format!("{} {sha256}", profile.name));
    }
    if !manifest.ailments.is_empty() {
        all.insert("ailments".to_owned(), manifest.ailments.join(", "));
    }
    all
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use tempfile::TempDir;

    use super::*;
    use crate::compare::CompareTerms;
    use crate::journal::manifest::{Anchor, RunNode};
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

    fn manifest() -> Manifest {
        let anchor = Anchor { wall_us: 7, ..Anchor::default() };
        Manifest { segments: vec![anchor], ..Manifest::default() }
    }

    #[test]
    fn a_run_is_known_by_when_where_and_what_it_was() {
        let one = run(&manifest());
        assert_eq!(run(&manifest()), one, "a copy is the same run");
        let changes: [fn(&mut Manifest); 6] = [
            |it| it.segments[0].wall_us = 8,
            |it| it.nodes = vec![RunNode { host: "spark".to_owned(), ..RunNode::default() }],
            |it| it.seed = 7,
            |it| it.server_seed = Some(7),
            |it| it.ailments = vec!["crash".to_owned()],
            |it| it.command = Some("vllm serve".to_owned()),
        ];
        for (nth, change) in changes.iter().enumerate() {
            let mut other = manifest();
            change(&mut other);
            assert_ne!(run(&other), one, "change {nth}");
        }
        let mut same = manifest();
        same.server_seed = Some(same.seed);
        assert_eq!(run(&same), one, "the load's seed is the server's where none is given");
    }

    #[test]
    fn surroundings_are_those_of_every_machine_that_took_part() {
        let node = |role: &str, kernel: Option<&str>| RunNode {
            host: "spark".to_owned(),
            role: role.to_owned(),
            kernel: kernel.map(str::to_owned),
            driver: Some(String::new()),
            ..RunNode::default()
        };
        let mut manifest = manifest();
        manifest.longhaul = "0.1.0".to_owned();
        manifest.nodes = vec![node("load", Some("6.14")), node("server", None)];
        manifest.ailments = vec!["crash".to_owned(), "hang".to_owned()];
        let reported = surroundings(&manifest);
        let reported: Vec<String> =
            reported.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_snapshot!(reported.join("\n"), @"
            ailments: crash, hang
            host: spark
            host of the server: spark
            kernel: 6.14
            longhaul: 0.1.0
        ");
    }

    #[test]
    fn a_recipe_that_a_manifest_does_not_have_is_none() {
        assert!(recipe(&manifest()).is_none());
        let mut known = manifest();
        known.recipe.text = "model: m\n".to_owned();
        assert!(recipe(&known).is_some());
        known.recipe.text = "model: [m\n".to_owned();
        assert!(
            recipe(&known).is_none(),
            "one that cannot be read again is compared by its command"
        );
    }
}
