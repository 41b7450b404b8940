//! Grades how reproducible each part of a recipe is.

mod image;

pub(crate) use image::{Image, is_digest};

use std::collections::BTreeMap;

use serde::Serialize;

use super::diff::{declared, id_and_revision, served_model};
use super::render::engine_of;
use super::{ReadRecipe, cached, docker, pin};
use crate::engine::Engine;
use crate::escape::one_line;
use crate::spec::field::shown;
use crate::spec::node::python::{Python, json};
use crate::words::words;

/// Maximum length of a quoted command in a finding, characters.
const COMMAND_CHARS_MAX: usize = 48;

/// Remedy for commands that run besides the server.
const IN_IMAGE: &str = "an image in which it is done, by digest";

/// Arguments of eugr's builder with which it pulls an image; with any other it builds one.
const PULLED: [&str; 5] =
    ["--tf5", "--pre-tf", "--pre-transformers", "--exp-b12x", "--experimental-b12x"];

/// Grade of a part's reproducibility; for images, the most reproducible first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Grade {
    /// Fixed by a digest, a commit, or by the recipe itself.
    Pinned,
    /// Named by a tag with a date or a version: rarely moved, but nothing prevents it.
    Dated,
    /// Named by a tag or branch that moves.
    Floating,
    /// Exists only on the machine where it was built.
    Local,
    /// Same parts, but runs differ: by machine, by chance, by the engine's defaults.
    Varies,
    Unknown,
    /// No grade: a command that runs beside the server. What it does is not judged.
    Runs,
}

words!(Grade {
    Pinned: "pinned",
    Dated: "dated",
    Floating: "floating",
    Local: "local",
    Varies: "varies",
    Unknown: "unknown",
    Runs: "runs",
});

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PinFinding {
    /// Subject: `container`, `model`, `mods[0]`, a setting.
    pub what: String,
    pub grade: Grade,
    pub line: Option<usize>,
    pub why: String,
    /// Remedy; `None` for a pinned part.
    #[serde(rename = "try")]
    pub hint: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pins {
    /// Grade of the container, or the lowest among those of its hosts.
    pub grade: Grade,
    /// Findings: container, model, version, external parts, sources of variation.
    pub findings: Vec<PinFinding>,
}

impl Pins {
    /// Counts the parts that may differ tomorrow or on another machine.
    pub(crate) fn floating(&self) -> usize {
        self.count(|grade| matches!(grade, Grade::Floating | Grade::Local))
    }

    pub(crate) fn count(&self, is: impl Fn(Grade) -> bool) -> usize {
        self.findings.iter().filter(|finding| is(finding.grade)).count()
    }
}

pub(crate) fn pins(reading: &ReadRecipe) -> Pins {
    let settings = declared(&reading.recipe);
    let mut check = Check { reading, settings, findings: Vec::new() };
    check.images();
    let of_run = check.findings.iter().filter(|finding| !finding.what.starts_with("overrides"));
    let grade = of_run.map(|finding| finding.grade).max_by_key(|grade| *grade as u8);
    check.model();
    check.version();
    check.hooks();
    check.settings();
    Pins { grade: grade.unwrap_or(Grade::Unknown), findings: check.findings }
}

struct Check<'a> {
    reading: &'a ReadRecipe,
    /// Settings of the command, dotted fields included; the defaults where there is no command.
    settings: BTreeMap<String, String>,
    findings: Vec<PinFinding>,
}

impl Check<'_> {
    /// Adds a finding on the line that contains `near`, else on that of its key or flag.
    fn add(&mut self, what: &str, grade: Grade, why: impl Into<String>, hint: &str, near: &str) {
        // A recipe merged from several files has no known lines.
        let is_whole = self.reading.included.is_empty();
        let text = if is_whole { self.reading.recipe.source.text.as_str() } else { "" };
        let plain = |text: &str| text.replace('_', "-");
        let name = plain(what.split(['[', '.']).next().unwrap_or_default());
        let is_code = |line: &str| !line.trim_start().starts_with('#');
        let place = |needle: &String| {
            text.lines().position(|line| is_code(line) && plain(line).contains(needle))
        };
        let needles = [plain(near), format!("{name}:"), format!("--{name}")];
        let line = needles.iter().filter(|it| !it.is_empty()).find_map(place).map(|at| at + 1);
        let hint = (grade != Grade::Pinned && !hint.is_empty()).then(|| hint.to_owned());
        self.findings.push(PinFinding {
            what: what.to_owned(),
            grade,
            line,
            why: why.into(),
            hint,
        });
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.settings.get(name).cloned()
    }

    fn key(&self, name: &str) -> Option<&str> {
        let mut keys = self.reading.others.iter().chain(&self.reading.hooks);
        keys.find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Grades the images of the recipe, of its hosts, and of layers that were not judged.
    fn images(&mut self) {
        let images = pin::images(self.reading);
        if !images.iter().any(|(what, _)| what.starts_with(pin::OWN)) {
            let why = "no image is named: whoever starts it chooses one";
            self.add("container", Grade::Floating, why, "container: repository@sha256:…", "");
        }
        for (what, image) in images {
            let parts = Image::of(&image);
            let is_local = parts.grade().0 == Grade::Local;
            let name = shown(&image);
            let (grade, why) = match self.is_built_by_eugr(&parts) {
                Some(true) if is_local || parts.is_nightly() => {
                    (Grade::Local, format!("{name} is built where it runs, by eugr's builder"))
                }
                Some(false) if is_local => {
                    let nightly = image::NIGHTLY;
                    let why = format!("where {name} was not built, sparkrun runs {nightly}:latest");
                    (Grade::Floating, why)
                }
                _ => parts.grade(),
            };
            let hint = match grade {
                Grade::Local => "push it, and name the digest it gets",
                _ if is_local => "the image that is meant, by digest: repository@sha256:…",
                _ => "longhaul recipe pin, where the image was pulled",
            };
            self.add(&what, grade, why, hint, &image);
        }
    }

    /// Whether eugr's builder builds an image, as sparkrun has it; `None` where it is not asked.
    fn is_built_by_eugr(&self, image: &Image<'_>) -> Option<bool> {
        let config =
            || json::loads(self.key("runtime_config")?)?.get("build_args").map(Python::flag);
        let arguments = self.key("build_args").map(str::to_owned).or_else(config);
        let arguments = arguments.map_or_else(Vec::new, |arguments| items(&arguments));
        let is_eugr = match (self.reading.recipe.runtime.as_str(), self.key("builder")) {
            ("eugr-vllm", _) => true,
            (_, Some(builder)) => builder == "eugr",
            ("vllm", None) => {
                self.key("recipe_version") == Some("1")
                    || !arguments.is_empty()
                    || image.name.starts_with(image::NIGHTLY)
            }
            _ => false,
        };
        let is_build = |argument: &Python| !PULLED.contains(&argument.str().as_str());
        is_eugr.then(|| arguments.iter().any(is_build))
    }

    fn model(&mut self) {
        let recipe = &self.reading.recipe;
        // A revision within the model that is served says more than the name beside it.
        let is_revised = |model: &String| id_and_revision(model).1.is_some();
        let served = served_model(recipe, &self.settings).filter(is_revised);
        let Some(model) = served.as_ref().or(recipe.model.as_ref()) else {
            return self.add("model", Grade::Unknown, "no model is named", "", "");
        };
        let asked = id_and_revision(model).1.or_else(|| self.setting("revision"));
        let is_asked = asked.is_some() || served.is_some() || recipe.command.is_none();
        let revision = asked.or_else(|| self.key("model_revision").map(str::to_owned));
        let (mut grade, mut why) = repository(model, revision.as_deref());
        if grade == Grade::Pinned && !is_asked {
            grade = Grade::Varies;
            why =
                "model_revision is fetched, but the command does not ask the engine for it".into();
        }
        let hint = match engine_of(&recipe.runtime) {
            Engine::LlamaCpp => "no flag pins it: note the file's sha256 under metadata",
            _ => "model_revision: COMMIT, and --revision {model_revision} in the command",
        };
        self.add("model", grade, why, hint, revision.as_deref().unwrap_or(model));
        let is_code_run = self.setting("trust_remote_code").is_some_and(|on| on == "true");
        if grade != Grade::Pinned && is_code_run {
            let why = "runs Python of the model's repository, and no revision says which";
            let hint = "pin the model's revision, or leave the flag out";
            self.add("trust_remote_code", Grade::Floating, why, hint, "");
        }
        if let Some(drafter) = self.setting("speculative_config.model").filter(|it| *it != *model) {
            let revision = self.setting("speculative_config.revision");
            let (grade, why) = repository(&drafter, revision.as_deref());
            let hint = "\"revision\": \"COMMIT\" beside the drafting model";
            self.add("speculative_config", grade, why, hint, "");
        }
    }

    fn version(&mut self) {
        let recipe = &self.reading.recipe;
        let of_image = recipe.container.as_deref().and_then(|image| Image::of(image).version());
        let (grade, why) = match (&recipe.runtime_version, of_image) {
            (Some(version), _) => (Grade::Pinned, format!("{}, by the recipe", shown(version))),
            (_, Some(version)) => (Grade::Dated, format!("{}, by the image's tag", shown(version))),
            _ => (Grade::Unknown, "not stated; a run asks the server".to_owned()),
        };
        let hint = "runtime_version, there or under metadata";
        self.add("runtime_version", grade, why, hint, "");
    }

    /// Grades mods, which change with their files; lists the commands of hooks.
    fn hooks(&mut self) {
        for (key, value) in self.reading.hooks.iter().filter(|(key, _)| key != "build_args") {
            for (index, item) in items(value).iter().enumerate() {
                let word = one_line(&item.str(), COMMAND_CHARS_MAX);
                let (grade, why, hint) = match key.as_str() {
                    "mods" => {
                        let why = format!("`{word}` changes the container at start");
                        (Grade::Floating, why, IN_IMAGE)
                    }
                    _ => (Grade::Runs, format!("a command at the launch: `{word}`"), ""),
                };
                let near = item.text().and_then(|text| text.lines().next()).unwrap_or_default();
                self.add(&format!("{key}[{index}]"), grade, why, hint, near);
            }
        }
    }

    /// Grades settings, and commands around the server's, that make two runs differ.
    fn settings(&mut self) {
        let command = self.reading.recipe.command.as_deref().unwrap_or_default();
        if command.replacen(&docker::inner(command), "", 1).contains(['&', ';']) {
            self.add("command", Grade::Runs, "more than the server", "", "");
        }
        for name in ["reasoning_parser_plugin", "tool_parser_plugin", "chat_template"] {
            // The flag may also hold a template itself; a file name has a folder or an extension.
            let is_file = |it: &String| !it.contains(['{', '\n']) && it.contains(['/', '.']);
            if let Some(file) = self.setting(name).filter(is_file) {
                let why = format!("{} is a file that the recipe does not hold", shown(&file));
                self.add(name, Grade::Local, why, "the file inside the image", "");
            }
        }
        if self.setting("max_model_len").is_some_and(|length| length == "auto") {
            let why = "`auto`: as much as the machine's memory allows";
            self.add("max_model_len", Grade::Floating, why, "a number of tokens", "");
        }
        if !command.is_empty() && self.setting("seed").is_none() {
            let why = "not set: sampling differs from run to run";
            self.add("seed", Grade::Varies, why, "--seed 1, for SGLang --random-seed 1", "");
        }
    }
}

/// Returns the items of a hook; a single one may be written without a list.
fn items(value: &str) -> Vec<Python> {
    match json::loads(value) {
        Some(Python::List(items)) => items,
        other => vec![other.unwrap_or_else(|| Python::Text(value.to_owned()))],
    }
}

/// Grades a hub's repository at a revision: a commit, a tag with a version, or a branch.
fn repository(name: &str, revision: Option<&str>) -> (Grade, String) {
    let is_commit =
        |it: &str| (7..=64).contains(&it.len()) && it.chars().all(|c| c.is_ascii_hexdigit());
    let snapshot = cached(name).map(|(_, commit)| commit);
    match snapshot.or(revision) {
        _ if snapshot.is_none() && name.starts_with(['/', '.', '~', '$']) => {
            let why = format!("{} is a path: only that machine knows what lies there", shown(name));
            (Grade::Local, why)
        }
        None => (Grade::Floating, format!("{}, no revision given", shown(name))),
        Some(commit) if is_commit(commit) => {
            (Grade::Pinned, format!("by commit {}", &commit[..12.min(commit.len())]))
        }
        Some(tag) if image::is_fixed(tag) => (Grade::Dated, format!("by tag {}", shown(tag))),
        Some(other) => (
            Grade::Floating,
            format!("{} is no commit: a branch or a tag, which may move", shown(other)),
        ),
    }
}

#[cfg(test)]
mod tests;
