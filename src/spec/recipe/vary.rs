//! A recipe with something changed, as a recipe of its own: what a sweep
//! serves side by side with the base.
//!
//! A change goes where the recipe says the thing already: a key of its file, a
//! default that its command takes up. Where it says it nowhere, or wrote it
//! out, the rendered command is edited and takes the template's place. Whatever
//! was tried, the result is read again, and only counts when it differs from
//! the base in exactly what was asked for.

pub mod arms;
mod command;
mod tree;

use std::collections::BTreeMap;

use super::diff::{between, facts, plain};
use super::render::engine_of;
use super::{How, Reading, Source, Wishes, docker, read_as};
use crate::engine::{Engine, flags};
use crate::error::{Mistake, nearest};
use crate::escape::{one_line, quoted};
use crate::spec::node::python::{Python, coerce, strip};

/// Bounds a value in a message.
const VALUE_CHARS_MAX: usize = 60;

/// One thing that is to be otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `container`, `model`, `env.NAME`, a setting, or a field of one: `speculative_config.method`.
    pub key: String,
    /// What it is to be; nothing takes it away.
    pub value: Option<String>,
}

/// What came of changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Varied {
    /// The base says all of it already.
    Same,
    /// Another recipe; its source is a file that renders to it.
    Other(Box<Reading>),
}

impl Change {
    /// Its name among what differs between two recipes.
    fn what(&self, base: &Reading) -> String {
        if self.is_of_file() {
            return self.key.clone();
        }
        let (stem, field) = split(&self.key);
        let stem = flags::canonical(engine_of(&base.recipe.runtime), stem);
        field.map_or(stem.clone(), |field| format!("{stem}.{field}"))
    }

    /// Whether it stands in the file itself, whatever the engine.
    fn is_of_file(&self) -> bool {
        matches!(self.key.as_str(), "container" | "model") || self.variable().is_some()
    }

    /// The variable that it sets.
    fn variable(&self) -> Option<&str> {
        self.key.strip_prefix("env.").filter(|name| !name.is_empty())
    }

    /// Whether a recipe is so.
    fn holds(&self, what: &str, facts: &BTreeMap<String, String>) -> bool {
        let below = format!("{what}.");
        let has_fields = facts.keys().any(|key| key.starts_with(&below));
        let Some(value) = &self.value else {
            return !facts.contains_key(what) && !has_fields;
        };
        let wanted = match coerce(strip(value)) {
            Python::Bool(is_on) => is_on.to_string(),
            _ => value.clone(),
        };
        let is_it = |fact: &String| fact == value || plain(fact) == plain(&wanted);
        facts.get(what).is_some_and(is_it) || value.trim_start().starts_with('{') && has_fields
    }
}

/// What to tell of a change that adds a flag which longhaul does not know: it may be a slip.
pub fn strange(base: &Reading, change: &Change) -> Option<String> {
    let engine = engine_of(&base.recipe.runtime);
    let (stem, _) = split(&change.key);
    let name = flags::canonical(engine, stem);
    let settings = &base.recipe.settings;
    let is_known = || settings.contains_key(&name) || flags::found(engine, &name).is_some();
    if change.is_of_file() || engine == Engine::Unknown || is_known() {
        return None;
    }
    let near = nearest(&name, settings.keys().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    let name = one_line(stem, VALUE_CHARS_MAX);
    Some(format!(
        "`{name}` is no flag of {} that longhaul knows, and is added{near}",
        engine.word()
    ))
}

/// The recipe with changes. `note` is written at the head of its file.
///
/// # Errors
/// A change has no effect, or changes more than it should; and which.
pub fn varied(base: &Reading, changes: &[Change], note: &str) -> Result<Varied, Mistake> {
    if let Some(change) = changes.iter().find(|it| it.value.is_none() && !may_go(it)) {
        return Err(Mistake::new(format!("`{}` cannot be taken away", change.key))
            .hint(format!("{}=VALUE", change.key)));
    }
    let wanted: Vec<String> = changes.iter().map(|change| change.what(base)).collect();
    let mut last = None;
    for flat in [false, true] {
        let text = match docker::begins(&base.recipe.source.text) {
            Some(start) if base.how == How::AsItStands => of_line(base, changes, start)?,
            _ => tree::changed(base, changes, flat)?,
        };
        let text = if text.starts_with("#!") { text } else { format!("{note}{text}") };
        let source = Source { text, ..base.recipe.source.clone() };
        let reading = read_as(&source, &Wishes::default(), &|_| Ok(None))?;
        match judged(base, reading, changes, &wanted) {
            Ok(varied) => return Ok(varied),
            Err(wrong) => last = Some(wrong),
        }
    }
    Err(last.unwrap_or_else(|| Mistake::new("nothing changed")))
}

fn may_go(change: &Change) -> bool {
    !matches!(change.key.as_str(), "container" | "model")
}

/// Whether a recipe is the base with exactly these changes.
fn judged(
    base: &Reading,
    reading: Reading,
    changes: &[Change],
    wanted: &[String],
) -> Result<Varied, Mistake> {
    let now = facts(&reading);
    let asked = changes.iter().zip(wanted);
    if let Some((change, _)) = asked.clone().find(|(change, what)| !change.holds(what, &now)) {
        let what = format!("nothing changed: `{}` has no effect on this recipe", shown(change));
        return Err(Mistake::new(what)
            .at(&base.recipe.source.origin)
            .hint("longhaul recipe show says what the recipe sets, and by what names"));
    }
    let differs: Vec<String> =
        between(base, &reading).serving.into_iter().map(|difference| difference.what).collect();
    let is_of = |what: &str, wanted: &String| {
        what == wanted || what.strip_prefix(wanted.as_str()).is_some_and(|it| it.starts_with('.'))
    };
    if differs.is_empty() {
        return Ok(Varied::Same);
    }
    if let Some(stray) = differs.iter().find(|what| !wanted.iter().any(|it| is_of(what, it))) {
        let all: Vec<String> = changes.iter().map(shown).collect();
        let what = format!("`{}` would change `{stray}` too", all.join(", "));
        return Err(Mistake::new(what).at(&base.recipe.source.origin));
    }
    let idle = asked.clone().find(|(_, wanted)| !differs.iter().any(|what| is_of(what, wanted)));
    if let Some((change, _)) = idle {
        let what = format!("nothing changed: the recipe has `{}` already", shown(change));
        return Err(Mistake::new(what).at(&base.recipe.source.origin));
    }
    Ok(Varied::Other(Box::new(reading)))
}

/// A saved `docker run` line, changed where it stands.
fn of_line(base: &Reading, changes: &[Change], start: usize) -> Result<String, Mistake> {
    let mut text = base.recipe.source.text.clone();
    for change in changes {
        let line = docker::parse(&text, start);
        let no_image = || Mistake::new("the line names no image").at(&base.recipe.source.origin);
        let image_at = line.image_at.clone().ok_or_else(no_image)?;
        match (change.variable(), change.key.as_str(), &change.value) {
            (Some(name), _, Some(value)) => {
                // The last one of a name counts.
                let word = quoted(&format!("{name}={value}"));
                text.insert_str(image_at.start, &format!("-e {word} "));
            }
            (Some(name), ..) => {
                let what = format!("`{name}` cannot be taken out of a saved line");
                return Err(Mistake::new(what).at(&base.recipe.source.origin));
            }
            (None, "container", Some(image)) => text.replace_range(image_at, image),
            _ => {
                let words = line.command.unwrap_or_default();
                let edited = command::changed(engine_of(&base.recipe.runtime), &words, change)
                    .map_err(|why| Mistake::new(why).at(&base.recipe.source.origin))?;
                let behind = image_at.end;
                let Some(at) = text[behind..].find(&words).filter(|_| !words.is_empty()) else {
                    text.insert_str(behind, &format!(" {edited}"));
                    continue;
                };
                text.replace_range(behind + at..behind + at + words.len(), &edited);
            }
        }
    }
    Ok(text)
}

/// A setting's name, and the way into it.
fn split(key: &str) -> (&str, Option<&str>) {
    key.split_once('.').map_or((key, None), |(stem, field)| (stem, Some(field)))
}

fn shown(change: &Change) -> String {
    let value = change.value.as_deref().unwrap_or_default();
    one_line(&format!("{}={value}", change.key), VALUE_CHARS_MAX)
}

#[cfg(test)]
mod tests;
