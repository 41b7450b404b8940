//! A recipe with something changed, as a recipe of its own: what a sweep
//! serves side by side with the base.
//!
//! A change is a key of the file, else a flag of the command. The result is
//! read again, and only counts when it differs from the base in exactly what
//! was asked for.

pub mod arms;
mod edit;

use super::diff::between;
use super::render::engine_of;
use super::{How, Reading, Source, Wishes, docker, read_as};
use crate::engine::{Engine, flags};
use crate::error::{Mistake, nearest};
use crate::escape::{one_line, quoted};

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

/// The recipe with changes, its source a file that renders to it; nothing where the base says
/// all of it already. `note` is written at the head of its file.
///
/// # Errors
/// A change has no effect, or changes more than it should; and which.
pub fn varied(base: &Reading, changes: &[Change], note: &str) -> Result<Option<Reading>, Mistake> {
    let is_needed = |it: &&Change| matches!(it.key.as_str(), "container" | "model");
    if let Some(change) = changes.iter().filter(is_needed).find(|it| it.value.is_none()) {
        return Err(Mistake::new(format!("`{}` cannot be taken away", change.key))
            .hint(format!("{}=VALUE", change.key)));
    }
    let text = match docker::begins(&base.recipe.source.text) {
        Some(start) if base.how == How::AsItStands => of_line(base, changes, start)?,
        _ => edit::changed(base, changes)?,
    };
    let text = if text.starts_with("#!") { text } else { format!("{note}{text}") };
    let source = Source { text, ..base.recipe.source.clone() };
    let reading = read_as(&source, &Wishes::default(), &|_| Ok(None))?;
    judged(base, reading, changes)
}

/// Whether a recipe is the base with exactly these changes.
fn judged(
    base: &Reading,
    reading: Reading,
    changes: &[Change],
) -> Result<Option<Reading>, Mistake> {
    let wrong = |what: String| Mistake::new(what).at(&base.recipe.source.origin);
    let serving = between(base, &reading).serving;
    if serving.is_empty() {
        return Ok(None);
    }
    let is_of = |what: &str, change: &Change| {
        let wanted = change.what(base);
        what.strip_prefix(&wanted).is_some_and(|it| it.is_empty() || it.starts_with('.'))
    };
    let stray = |what: &&str| !changes.iter().any(|change| is_of(what, change));
    if let Some(stray) = serving.iter().map(|it| it.what.as_str()).find(stray) {
        let all: Vec<String> = changes.iter().map(shown).collect();
        return Err(wrong(format!("`{}` would change `{stray}` too", all.join(", "))));
    }
    let is_idle = |change: &&Change| !serving.iter().any(|it| is_of(&it.what, change));
    if let Some(change) = changes.iter().find(is_idle) {
        let what = format!("nothing changed: the recipe has `{}` already", shown(change));
        return Err(wrong(what));
    }
    Ok(Some(reading))
}

/// A saved `docker run` line, changed where it stands.
fn of_line(base: &Reading, changes: &[Change], start: usize) -> Result<String, Mistake> {
    let wrong = |what: String| Mistake::new(what).at(&base.recipe.source.origin);
    let mut text = base.recipe.source.text.clone();
    for change in changes {
        let line = docker::parse(&text, start);
        let image = line.image_at.ok_or_else(|| wrong("the line names no image".to_owned()))?;
        match (change.variable(), change.key.as_str(), &change.value) {
            (Some(name), _, Some(value)) => {
                // The last one of a name counts.
                let word = quoted(&format!("{name}={value}"));
                text.insert_str(image.start, &format!("-e {word} "));
            }
            (Some(name), ..) => {
                return Err(wrong(format!("`{name}` cannot be taken out of a saved line")));
            }
            (None, "container", Some(name)) => text.replace_range(image, name),
            _ => {
                let words = line.command.unwrap_or_default();
                let found = text[image.end..].find(&words).filter(|_| !words.is_empty());
                let edited = edit::with_flag(engine_of(&base.recipe.runtime), &words, change);
                let edited = edited.map_err(wrong)?;
                match found.map(|at| image.end + at) {
                    Some(at) => text.replace_range(at..at + words.len(), &edited),
                    None => text.insert_str(image.end, &format!(" {}", edited.trim_start())),
                }
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
