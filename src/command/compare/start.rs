//! Makes the start of a server that a comparison reads, from a run folder.

use std::collections::BTreeMap;
use std::path::Path;

use crate::command::report::{JudgedRun, judge_unchanged};
use crate::compare::start::StartDescription;
use crate::compare::{LoadIdentity, Start};
use crate::digest::sha256;
use crate::error::Mistake;
use crate::journal::{self, Manifest};
use crate::plan::Fit;
use crate::plan::fitter::Method;
use crate::spec::SpecFile;
use crate::spec::recipe::{ReadOptions, ReadRecipe, read_as};

/// Reads a run folder.
///
/// # Errors
/// The folder is not a run.
pub(super) fn start(folder: &Path) -> Result<Start, Mistake> {
    let JudgedRun { analysis, verdict, .. } = judge_unchanged(folder)?;
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
        run: manifest.fingerprint(),
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

    use super::*;
    use crate::journal::manifest::{Anchor, RunNode};

    fn manifest() -> Manifest {
        let anchor = Anchor { wall_us: 7, ..Anchor::default() };
        Manifest { segments: vec![anchor], ..Manifest::default() }
    }

    #[test]
    fn a_run_is_known_by_when_where_and_what_it_was() {
        let one = manifest().fingerprint();
        assert_eq!(manifest().fingerprint(), one, "a copy is the same run");
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
            assert_ne!(other.fingerprint(), one, "change {nth}");
        }
        let mut same = manifest();
        same.server_seed = Some(same.seed);
        assert_eq!(same.fingerprint(), one, "the load's seed is the server's where none is given");
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
