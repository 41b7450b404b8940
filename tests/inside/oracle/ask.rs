//! Renders a recipe with both tools and compares the results.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use longhaul::spec::SpecFile;
use longhaul::spec::recipe::{Deployment, Dialect, ReadOptions, ReadRecipe, RenderMethod, read_as};
use serde_json::{Value, json};

/// The tool that every recipe is compared with.
const SPARKRUN: &str = "sparkrun";

/// A recipe, and how it is to be rendered.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub path: PathBuf,
    pub set: Vec<(String, String)>,
    pub tool: &'static str,
    pub place: Option<Deployment>,
}

/// How both sides' answers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    Equal,
    BothRefuse,
    /// longhaul shows what the tool would not start.
    OnlyOurs,
    OnlyTheirs,
    NotRendered,
    Different,
}

impl Ask {
    /// By sparkrun.
    pub(super) fn sparkrun(
        path: &Path,
        set: &[(String, String)],
        place: Option<Deployment>,
    ) -> Ask {
        let (path, set) = (path.to_path_buf(), set.to_vec());
        Ask { path, set, tool: SPARKRUN, place }
    }

    /// By `str.format`.
    pub(super) fn eugr(path: &Path, set: &[(String, String)]) -> Ask {
        let (path, set) = (path.to_path_buf(), set.to_vec());
        Ask { path, set, tool: "eugr", place: None }
    }

    fn line(&self) -> String {
        let place: Option<BTreeMap<&str, &str>> = self.place.as_ref().map(|place| {
            place.iter().map(|(key, values)| (key.as_str(), values[0].as_str())).collect()
        });
        json!({
            "path": self.path, "set": self.set, "tool": self.tool, "place": place,
        })
        .to_string()
    }

    fn ours(&self) -> Result<ReadRecipe, String> {
        let text = std::fs::read_to_string(&self.path).expect("a recipe");
        let name = self.path.file_stem().expect("a stem").to_string_lossy().into_owned();
        let source = SpecFile { name, origin: self.path.display().to_string(), text };
        let dialect = if self.tool == SPARKRUN { Dialect::Sparkrun } else { Dialect::Eugr };
        let (set, deployment) = (self.set.clone(), self.place.clone());
        let options = ReadOptions { set, deployment, dialect };
        let folder = self.path.parent().expect("a folder");
        let beside = |name: &str| Ok(std::fs::read_to_string(folder.join(name)).ok());
        read_as(&source, &options, &beside).map_err(|mistake| mistake.to_string())
    }

    fn compare(&self, theirs: &Value) -> (Found, String) {
        let ours = self.ours();
        let refusal = theirs["error"].as_str();
        match (ours, refusal) {
            (Err(_), Some(_)) => (Found::BothRefuse, String::new()),
            (Err(ours), None) => (Found::OnlyTheirs, format!("{ours}\n--- theirs\n{theirs:#}")),
            // A recipe that has no template has nothing to be asked by `str.format`.
            (Ok(_), Some(why)) => (Found::OnlyOurs, why.to_owned()),
            (Ok(ours), None) => {
                let command = ours.recipe.command.as_deref().unwrap_or_default();
                let env = json!(ours.recipe.env);
                let same_env = theirs["env"].is_null() || theirs["env"] == env;
                if ours.how == RenderMethod::NotRendered && theirs["command"].is_null() {
                    (Found::NotRendered, String::new())
                } else if theirs["command"].as_str() == Some(command) && same_env {
                    (Found::Equal, String::new())
                } else {
                    let theirs = theirs["command"].as_str().unwrap_or("(none)");
                    let env = if same_env { "" } else { "\n(and the environment)" };
                    (Found::Different, format!("--- ours\n{command}\n--- theirs\n{theirs}{env}"))
                }
            }
        }
    }
}

/// All answers.
pub(super) struct Tally {
    rows: Vec<(Ask, Found, String)>,
}

impl Tally {
    pub(super) fn of(python: &str, asks: &[Ask]) -> Tally {
        let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inside/oracle/driver.py");
        let lines: Vec<String> = asks.iter().map(|ask| ask.line() + "\n").collect();
        // Both tests ask at the same time.
        let name = format!("longhaul-asks-{}-{}", std::process::id(), asks.len());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, lines.concat()).expect("written");
        let output = Command::new(python)
            .arg(driver)
            .stdin(std::fs::File::open(&file).expect("a file"))
            .stderr(Stdio::null())
            .output()
            .expect("Python runs");
        std::fs::remove_file(&file).expect("removed");
        let answers = String::from_utf8(output.stdout).expect("text");
        let answers: Vec<Value> =
            answers.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(answers.len(), asks.len(), "the driver stopped early");
        let rows = asks.iter().zip(&answers).map(|(ask, theirs)| {
            let (found, detail) = ask.compare(theirs);
            (ask.clone(), found, detail)
        });
        Tally { rows: rows.collect() }
    }

    /// Why the tools refuse what longhaul shows, each reason once.
    pub(super) fn refusals(&self) -> String {
        let rows = self.rows.iter().filter(|(_, found, _)| *found == Found::OnlyOurs);
        let reasons: std::collections::BTreeSet<&str> =
            rows.map(|(_, _, why)| why.get(..70).unwrap_or(why)).collect();
        reasons.into_iter().fold(String::new(), |out, why| out + "  refused: " + why + "\n")
    }

    pub(super) fn summary(&self) -> String {
        let mut counts: BTreeMap<(&str, Found), usize> = BTreeMap::new();
        for (ask, found, _) in &self.rows {
            *counts.entry((ask.tool, *found)).or_default() += 1;
        }
        let mut out = String::new();
        for ((tool, found), count) in counts {
            let _ = writeln!(out, "{tool:<10}{:<14}{count}", format!("{found:?}"));
        }
        out
    }

    /// A row for each recipe: what came out as it stands, and how many of the ways to set it
    /// came out equal.
    pub(super) fn table(&self) -> String {
        let mut paths: Vec<&PathBuf> = self.rows.iter().map(|(ask, ..)| &ask.path).collect();
        paths.dedup();
        let mut out = self.summary();
        for path in paths {
            let rows = self.rows.iter().filter(|(ask, ..)| ask.path == *path);
            let rows: Vec<_> = rows.filter(|(ask, ..)| ask.tool == SPARKRUN).collect();
            let count = |wanted| rows.iter().filter(|(_, found, _)| *found == wanted).count();
            let (equal, refused) = (count(Found::Equal), count(Found::BothRefuse));
            let how = rows[0].0.ours().map_or_else(|why| why, |ours| format!("{:?}", ours.how));
            let name = path.file_name().expect("a name").to_string_lossy();
            let first = format!("{:?}", rows[0].1);
            let _ = writeln!(
                out,
                "{name:<70} {how:<20} {first:<12} {equal} equal, {refused} refused by both, of {}",
                rows.len()
            );
        }
        out
    }

    /// Fails with the first few that differ.
    pub(super) fn check(&self) {
        let wrong = |found: Found| matches!(found, Found::Different | Found::OnlyTheirs);
        let wrong: Vec<_> = self.rows.iter().filter(|(_, found, _)| wrong(*found)).collect();
        let mut out = String::new();
        for (ask, found, detail) in wrong.iter().take(12) {
            let text = std::fs::read_to_string(&ask.path).unwrap_or_default();
            let _ = writeln!(out, "=== {found:?} {ask:?}\n{text}\n{detail}\n");
        }
        assert!(wrong.is_empty(), "{} of {} differ\n{out}", wrong.len(), self.rows.len());
    }
}
