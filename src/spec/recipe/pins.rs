//! How reproducible a recipe is: what in it will be the same tomorrow, what
//! may be another, and what no file says. Told from its text alone; nothing
//! is asked, fetched or run.

mod from_outside;
mod hook;
mod image;
mod model;
mod parsers;
mod varying;
mod version;

pub use image::{Image, is_digest};

use std::collections::BTreeMap;

use super::places::Place;
use super::render::engine_of;
use super::submission::Submission;
use super::{How, Reading, docker};
use crate::engine::{Engine, flags};
use crate::spec::node::python::{Python, json};

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
    /// Known not to work together.
    Conflict,
    /// Nothing says it.
    Unknown,
}

impl Grade {
    /// The word for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Grade::Pinned => "pinned",
            Grade::Dated => "dated",
            Grade::Floating => "floating",
            Grade::Local => "local",
            Grade::Varies => "varies",
            Grade::Conflict => "conflict",
            Grade::Unknown => "unknown",
        }
    }

    /// Whether something else may be served tomorrow, or elsewhere.
    pub fn floats(self) -> bool {
        matches!(self, Grade::Floating | Grade::Local)
    }
}

/// One thing that decides whether a run can be had again.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is about: `container`, `model`, `mods[0]`, a setting.
    pub what: String,
    /// How sure.
    pub grade: Grade,
    /// Where it stands.
    pub place: Option<Place>,
    /// Why, in one short sentence.
    pub why: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Finding {
    fn new(what: impl Into<String>, grade: Grade, why: impl Into<String>) -> Finding {
        Finding { what: what.into(), grade, place: None, why: why.into(), hint: None }
    }

    fn at(mut self, place: Option<&Place>) -> Finding {
        self.place = place.cloned();
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Finding {
        self.hint = Some(hint.into());
        self
    }
}

/// All that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Pins {
    /// Of the container, or of those of its hosts: pinned, dated, floating or local. The first word of the answer.
    pub grade: Grade,
    /// The container first, then model, version, what comes from outside, what varies, conflicts.
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

/// A recipe as it is looked at.
struct Seen<'a> {
    reading: &'a Reading,
    submission: Option<&'a Submission>,
    engine: Engine,
    /// What the command says; without one, what `defaults` say.
    settings: BTreeMap<String, String>,
}

impl<'a> Seen<'a> {
    fn new(reading: &'a Reading, submission: Option<&'a Submission>) -> Seen<'a> {
        let recipe = &reading.recipe;
        let engine = engine_of(&recipe.runtime);
        let of_command =
            recipe.command.as_deref().map(|text| flags::all(engine, &docker::inner(text)));
        let settings = of_command.unwrap_or_else(|| recipe.settings.clone());
        Seen { reading, submission, engine, settings }
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    fn is_on(&self, name: &str) -> bool {
        self.setting(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A field of a setting that is JSON, or stands by itself: `speculative_config.method`.
    fn field(&self, name: &str, field: &str) -> Option<String> {
        if let Some(value) = self.setting(&format!("{name}.{field}")) {
            return Some(value.to_owned());
        }
        json::loads(self.setting(name)?)?.get(field).map(Python::str)
    }

    /// A key that has no place of its own in a recipe.
    fn key(&self, name: &str) -> Option<&str> {
        self.reading.others.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn has_command(&self) -> bool {
        self.reading.recipe.command.is_some() && self.reading.how != How::NotRendered
    }

    /// Where a setting stands, else the command that would hold it.
    fn place(&self, setting: &str) -> Option<&'a Place> {
        self.reading.places.setting(setting)
    }
}

/// Looks at a recipe, and at what its submission tells of the run, if it has one.
pub fn pins(reading: &Reading, submission: Option<&Submission>) -> Pins {
    let seen = Seen::new(reading, submission);
    let mut findings = image::findings(&seen);
    // Of several, the least sure one counts.
    let grade = findings.iter().map(|finding| finding.grade).max_by_key(|grade| *grade as u8);
    let grade = grade.unwrap_or(Grade::Unknown);
    findings.extend(image::of_layers(&seen));
    findings.extend([model::finding(&seen), version::finding(&seen)]);
    findings.extend(model::others(&seen));
    findings.extend(from_outside::findings(&seen));
    findings.extend(varying::findings(&seen));
    findings.extend(parsers::findings(&seen));
    Pins { grade, findings }
}

#[cfg(test)]
mod tests;
