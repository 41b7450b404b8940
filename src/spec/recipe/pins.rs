//! How reproducible a recipe is: what in it will be the same tomorrow, what
//! may be another, and what no file says. Told from its text alone; nothing
//! is asked, fetched or run.

mod image;

pub use image::{Image, is_digest};

use std::collections::BTreeMap;

use super::render::engine_of;
use super::submission::Submission;
use super::{Reading, docker, pin};
use crate::engine::{Engine, flags};
use crate::escape::one_line;
use crate::spec::field::shown;
use crate::spec::node::python::{Python, json};
use crate::words::words;

/// Bounds a stranger's command in a finding.
const COMMAND_CHARS_MAX: usize = 48;

/// How sure it is that something is the same tomorrow; of an image's grades, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// By a digest, a commit, or because the recipe itself holds it.
    Pinned,
    /// By a tag with a date or a version: nobody moves it, and nothing keeps them from it.
    Dated,
    /// By a name that stands for something else tomorrow.
    Floating,
    /// It exists only where it was made.
    Local,
    /// The same parts, and yet runs differ: by machine, by chance, by the engine's defaults.
    Varies,
    /// Nothing says it.
    Unknown,
}

words!(Grade {
    Pinned: "pinned",
    Dated: "dated",
    Floating: "floating",
    Local: "local",
    Varies: "varies",
    Unknown: "unknown",
});

impl Grade {
    /// Whether something else may be served tomorrow, or elsewhere.
    pub fn floats(self) -> bool {
        matches!(self, Grade::Floating | Grade::Local)
    }
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is about: `container`, `model`, `mods[0]`, a setting.
    pub what: String,
    pub grade: Grade,
    /// On which line of the recipe it stands, from 1.
    pub line: Option<usize>,
    /// Why, in one short sentence.
    pub why: String,
    /// What to write instead; nothing is to be tried for what is pinned.
    pub hint: Option<String>,
}

/// All that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Pins {
    /// Of the container, or of those of its hosts: pinned, dated, floating or local. The first word of the answer.
    pub grade: Grade,
    /// The container first, then model, version, what comes from outside, what varies.
    pub findings: Vec<Finding>,
}

impl Pins {
    /// How many things may be others tomorrow.
    pub fn floating(&self) -> usize {
        self.count(Grade::floats)
    }

    /// How many findings are of a kind.
    pub fn count(&self, is: impl Fn(Grade) -> bool) -> usize {
        self.findings.iter().filter(|finding| is(finding.grade)).count()
    }
}

/// Looks at a recipe, and at what its submission tells of the run, if it has one.
pub fn pins(reading: &Reading, submission: Option<&Submission>) -> Pins {
    let engine = engine_of(&reading.recipe.runtime);
    let of_command = |text: &String| flags::all(engine, &docker::inner(text));
    let settings = reading.recipe.command.as_ref().map(of_command);
    let settings = settings.unwrap_or_else(|| reading.recipe.settings.clone());
    let mut seen = Seen { reading, engine, settings, findings: Vec::new() };
    seen.images(submission.and_then(|submission| submission.pinned.as_deref()));
    let of_run = seen.findings.iter().filter(|finding| !finding.what.starts_with("overrides"));
    // Of several, the least sure one counts.
    let grade = of_run.map(|finding| finding.grade).max_by_key(|grade| *grade as u8);
    seen.model();
    let versions = submission.map(|submission| submission.versions.as_slice()).unwrap_or_default();
    let ran = versions.iter().find(|(name, _)| name.replace(['-', '.'], "_") == engine.word());
    seen.version(ran.map(|(_, version)| version.as_str()));
    seen.outside();
    seen.varying();
    Pins { grade: grade.unwrap_or(Grade::Unknown), findings: seen.findings }
}

/// A recipe as it is looked at.
struct Seen<'a> {
    reading: &'a Reading,
    engine: Engine,
    /// What the command says; without one, what `defaults` say.
    settings: BTreeMap<String, String>,
    findings: Vec<Finding>,
}

impl Seen<'_> {
    fn add(&mut self, what: &str, grade: Grade, why: impl Into<String>, hint: &str) {
        let line = line(self.text(), what);
        let hint = (grade != Grade::Pinned && !hint.is_empty()).then(|| hint.to_owned());
        self.findings.push(Finding { what: what.to_owned(), grade, line, why: why.into(), hint });
    }

    /// The recipe's text; of one that was put together from several nobody knows the lines.
    fn text(&self) -> &str {
        if self.reading.included.is_empty() { &self.reading.recipe.source.text } else { "" }
    }

    /// Puts what was found last where a text first stands.
    fn at(&mut self, text: &str) {
        let is_there = |line: &str| !line.trim_start().starts_with('#') && line.contains(text);
        let line = self.text().lines().position(is_there);
        if let (Some(line), Some(last), false) = (line, self.findings.last_mut(), text.is_empty()) {
            last.line = Some(line + 1);
        }
    }

    /// A setting; a field of one that is JSON, or stands by itself.
    fn setting(&self, name: &str) -> Option<String> {
        let of_json = || {
            let (stem, field) = name.split_once('.')?;
            json::loads(self.settings.get(stem)?)?.get(field).map(Python::str)
        };
        self.settings.get(name).cloned().or_else(of_json)
    }

    /// A key that has no place of its own in a recipe.
    fn key(&self, name: &str) -> Option<&str> {
        let others = self.reading.others.iter().chain(&self.reading.hooks);
        others.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The recipe's images, those of hosts, and those of layers of which nothing is said.
    fn images(&mut self, ran: Option<&str>) {
        let is_built = self.key("builder") == Some("eugr")
            || self.key("build_args").is_some_and(|arguments| arguments != "[]");
        let images = pin::images(self.reading);
        if !images.iter().any(|(what, _)| what.starts_with(pin::OWN)) {
            let why = "no image is named: whoever starts it chooses one";
            self.add("container", Grade::Floating, why, "container: repository@sha256:…");
        }
        for (what, image) in images {
            let (mut grade, mut why) = Image::of(&image).grade();
            if is_built && grade != Grade::Pinned {
                grade = Grade::Local;
                why = format!("{} is built where it runs, by eugr's builder", shown(&image));
            }
            let hint = match ran.filter(|_| what == pin::OWN) {
                Some(ran) => format!("the submission ran {ran}: longhaul recipe pin writes it"),
                None if grade == Grade::Local => "push it, and name the digest it gets".to_owned(),
                None => "longhaul recipe pin, where the image was pulled".to_owned(),
            };
            self.add(&what, grade, why, &hint);
            self.at(&image);
        }
    }

    fn model(&mut self) {
        let Some(model) = self.reading.recipe.model.clone() else {
            return self.add("model", Grade::Unknown, "no model is named", "");
        };
        let inline = model.rsplit_once('@').map(|(_, revision)| revision.to_owned());
        let passed = inline.or_else(|| self.setting("revision"));
        let is_asked = passed.is_some() || self.reading.recipe.command.is_none();
        let revision = passed.or_else(|| self.key("model_revision").map(str::to_owned));
        let (mut grade, mut why) = repository(&model, revision.as_deref());
        if grade == Grade::Pinned && !is_asked {
            grade = Grade::Varies;
            why =
                "model_revision is fetched, but the command does not ask the engine for it".into();
        }
        let hint = match self.engine {
            Engine::LlamaCpp => "no flag pins it: note the file's sha256 under metadata",
            _ => "model_revision: COMMIT, and --revision {model_revision} in the command",
        };
        self.add("model", grade, why, hint);
        self.at(&revision.unwrap_or_else(|| model.clone()));
        if grade != Grade::Pinned
            && self.setting("trust_remote_code").is_some_and(|on| on == "true")
        {
            let why = "runs Python of the model's repository, and no revision says which";
            let hint = "pin the model's revision, or leave the flag out";
            self.add("trust_remote_code", Grade::Floating, why, hint);
        }
        let (name, revision) = ("speculative_config", "speculative_config.revision");
        if let Some(drafter) = self.setting("speculative_config.model").filter(|it| *it != model) {
            let (grade, why) = repository(&drafter, self.setting(revision).as_deref());
            self.add(name, grade, why, "\"revision\": \"COMMIT\" beside the drafting model");
        }
    }

    /// The runtime's version, wherever a recipe says it.
    fn version(&mut self, ran: Option<&str>) {
        let (what, recipe) = ("runtime_version", &self.reading.recipe);
        let of_image = recipe.container.as_deref().and_then(|image| Image::of(image).version());
        let told = |version: &str, by: &str| format!("{}, by {by}", shown(version));
        if let Some(version) = ran {
            self.add(what, Grade::Pinned, told(version, "its submission"), "");
        } else if let Some(version) = &recipe.runtime_version {
            self.add(what, Grade::Pinned, told(version, "the recipe"), "");
        } else if let Some(version) = of_image {
            self.add(what, Grade::Dated, told(version, "the image's tag"), "");
        } else {
            let why = "nothing says it; a run asks the server";
            self.add(what, Grade::Unknown, why, "runtime_version, there or under metadata");
        }
    }

    /// What neither the image nor the recipe holds and what runs all the same.
    fn outside(&mut self) {
        let hint = "an image in which it is done, by digest";
        for (key, value) in self.reading.hooks.iter().filter(|(key, _)| key != "build_args") {
            // One item may stand there without a list.
            let items = match json::loads(value) {
                Some(Python::List(items)) => items,
                other => vec![other.unwrap_or_else(|| Python::Text(value.clone()))],
            };
            for (index, item) in items.iter().enumerate() {
                let ran = one_line(&item.str(), COMMAND_CHARS_MAX);
                let why = match key.as_str() {
                    "mods" => format!("not pinned: `{ran}` changes the container at start"),
                    _ => format!("not pinned: runs a command, `{ran}`"),
                };
                self.add(&format!("{key}[{index}]"), Grade::Floating, why, hint);
                self.at(item.text().and_then(|text| text.lines().next()).unwrap_or_default());
            }
        }
        let command = self.reading.recipe.command.as_deref().unwrap_or_default();
        let around = command.replacen(&docker::inner(command), "", 1);
        if around.contains(['&', ';']) {
            let why = "not pinned: runs more than the server";
            self.add("command", Grade::Floating, why, hint);
        }
        for name in ["reasoning_parser_plugin", "tool_parser_plugin", "chat_template"] {
            // A template may also stand in the flag itself; a file has a folder or an end.
            let is_file = |it: &String| !it.contains(['{', '\n']) && it.contains(['/', '.']);
            if let Some(file) = self.setting(name).filter(is_file) {
                let why = format!("{} is a file that the recipe does not hold", shown(&file));
                self.add(name, Grade::Local, why, "the file inside the image");
            }
        }
    }

    /// What makes two runs of the same parts differ: an engine's own choice, and chance.
    fn varying(&mut self) {
        if self.setting("max_model_len").is_some_and(|length| length == "auto") {
            let why = "`auto`: as much as the machine's memory allows";
            self.add("max_model_len", Grade::Floating, why, "a number of tokens");
        }
        if self.reading.recipe.command.is_some() && self.setting("seed").is_none() {
            let why = "none: what is drawn from the model is the engine's choice";
            self.add("seed", Grade::Varies, why, "--seed 1, for SGLang --random-seed 1");
        }
    }
}

/// The line on which a file says something: a key of it, else a flag.
fn line(text: &str, what: &str) -> Option<usize> {
    let name = what.split(['[', '.']).next().unwrap_or_default();
    let flag = format!("--{}", name.replace('_', "-"));
    let key = format!("{name}:");
    let is_key = |line: &str| line.trim_start_matches([' ', '-', '"', '{']).starts_with(&key);
    let is_flag = |line: &str| line.replace('_', "-").contains(&flag);
    let at = text.lines().position(is_key).or_else(|| text.lines().position(is_flag));
    at.map(|at| at + 1)
}

/// A repository of a hub, at a revision: a commit is one; a tag with a version is by custom; a
/// branch is not.
fn repository(name: &str, revision: Option<&str>) -> (Grade, String) {
    if name.starts_with(['/', '.', '~', '$']) {
        let why = format!("{} is a path: only that machine knows what lies there", shown(name));
        return (Grade::Local, why);
    }
    let Some(revision) = revision else {
        return (Grade::Floating, format!("{}, at no revision", shown(name)));
    };
    let is_hex = revision.chars().all(|c| c.is_ascii_hexdigit());
    if is_hex && (7..=64).contains(&revision.len()) {
        return (Grade::Pinned, format!("by commit {}", &revision[..12.min(revision.len())]));
    }
    match Image::of(&format!("a/b:{revision}")).grade().0 {
        Grade::Dated => (Grade::Dated, format!("by tag {}", shown(revision))),
        _ => (Grade::Floating, format!("{} is a branch, and moves", shown(revision))),
    }
}

#[cfg(test)]
mod tests;
