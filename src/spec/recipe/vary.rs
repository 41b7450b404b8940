//! Derives a recipe with a changed key of its file or flag of its command.

pub(crate) mod arms;
mod edit;

use super::diff::{Difference, between, plain};
use super::render::engine_of;
use super::{ReadOptions, ReadRecipe, RenderMethod, SpecFile, docker, read_as};
use crate::engine::flags;
use crate::error::Mistake;
use crate::escape::{one_line, quoted};

const VALUE_CHARS_MAX: usize = 60;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Key: `container`, `model`, `env.NAME`, a setting, or a field: `speculative_config.method`.
    pub key: String,
    /// New value; `None` removes the key.
    pub value: Option<String>,
}

impl Change {
    /// Returns its name among the differences of two recipes.
    fn what(&self, base: &ReadRecipe) -> String {
        if self.is_of_file() {
            return self.key.clone();
        }
        let (stem, field) = split(&self.key);
        let stem = flags::canonical(engine_of(&base.recipe.runtime), stem);
        field.map_or(stem.clone(), |field| format!("{stem}.{field}"))
    }

    fn written(&self) -> String {
        format!("{}={}", self.key, self.value.as_deref().unwrap_or_default())
    }

    /// Whether the key belongs to the file itself, for any engine.
    fn is_of_file(&self) -> bool {
        matches!(self.key.as_str(), "container" | "model") || self.variable().is_some()
    }

    /// Returns the name of the environment variable that it changes.
    pub(crate) fn variable(&self) -> Option<&str> {
        self.key.strip_prefix("env.").filter(|name| !name.is_empty())
    }
}

/// Applies changes, with `note` at the head of the file; `None` where the base already has them.
pub(crate) fn varied(
    base: &ReadRecipe,
    changes: &[Change],
    note: &str,
) -> Result<Option<ReadRecipe>, Mistake> {
    let is_needed = |it: &&Change| matches!(it.key.as_str(), "container" | "model");
    if let Some(change) = changes.iter().filter(is_needed).find(|it| it.value.is_none()) {
        return Err(Mistake::new(format!("`{}` cannot be taken away", change.key))
            .hint(format!("{}=VALUE", change.key)));
    }
    let text = match base.how {
        RenderMethod::AsItStands => of_line(base, changes)?,
        _ => edit::changed(base, changes)?,
    };
    let text = if text.starts_with("#!") { text } else { format!("{note}{text}") };
    let source = SpecFile { text, ..base.recipe.source.clone() };
    let reading = read_as(&source, &ReadOptions::default(), &|_| Ok(None))?;
    let wrong = |what: String| Err(Mistake::new(what).at(&base.recipe.source.origin));
    let serving = between(base, &reading).serving;
    if serving.is_empty() {
        return Ok(None);
    }
    let is_of = |what: &str, change: &Change| {
        let rest = what.strip_prefix(&change.what(base));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let is_stray = |it: &&Difference| !changes.iter().any(|change| is_of(&it.what, change));
    if let Some(stray) = serving.iter().find(is_stray) {
        let all: Vec<String> = changes.iter().map(Change::written).collect();
        let all = one_line(&all.join(", "), 4 * VALUE_CHARS_MAX);
        return wrong(format!("`{all}` would change `{}` too", stray.what));
    }
    let is_other = |it: &&Difference| {
        let mut asked = changes.iter().filter(|change| it.what == change.what(base));
        asked.any(|change| change.value.as_deref().map(plain) != it.other.as_deref().map(plain))
    };
    if let Some(Difference { what, other, .. }) = serving.iter().find(is_other) {
        let other = one_line(other.as_deref().unwrap_or("nothing"), VALUE_CHARS_MAX);
        return wrong(format!("`{what}` would become `{other}`"));
    }
    let is_idle = |change: &&Change| !serving.iter().any(|it| is_of(&it.what, change));
    if let Some(change) = changes.iter().find(is_idle) {
        let shown = one_line(&change.written(), VALUE_CHARS_MAX);
        return wrong(format!("nothing changed: the recipe has `{shown}` already"));
    }
    Ok(Some(reading))
}

/// Changes a saved `docker run` line in place.
fn of_line(base: &ReadRecipe, changes: &[Change]) -> Result<String, Mistake> {
    let wrong = |what: String| Mistake::new(what).at(&base.recipe.source.origin);
    // As the command of the line has it.
    let mut text = base.recipe.source.text.replace("\r\n", "\n");
    let start = docker::begins(&text).unwrap_or_default();
    for change in changes {
        let line = docker::parse(&text, start);
        let image = line.image_at.ok_or_else(|| wrong("the line names no image".to_owned()))?;
        match (change.variable(), change.key.as_str(), &change.value) {
            (Some(name), _, Some(value)) => {
                // The last option of a name applies.
                let word = quoted(&format!("{name}={value}"));
                text.insert_str(image.start, &format!("-e {word} "));
            }
            (Some(name), ..) => {
                return Err(wrong(format!("`{name}` cannot be taken out of a saved line")));
            }
            (None, "container", Some(name)) => text.replace_range(image, name),
            _ => {
                let words = line.command.unwrap_or_default();
                let edited = edit::with_flag(engine_of(&base.recipe.runtime), &words, change);
                let edited = edited.map_err(wrong)?;
                let found = text[image.end..].find(&words).filter(|_| !words.is_empty());
                match found.map(|at| image.end + at) {
                    Some(at) => text.replace_range(at..at + words.len(), &edited),
                    None => text.insert_str(image.end, &format!(" {}", edited.trim_start())),
                }
            }
        }
    }
    Ok(text)
}

fn split(key: &str) -> (&str, Option<&str>) {
    key.split_once('.').map_or((key, None), |(stem, field)| (stem, Some(field)))
}

#[cfg(test)]
mod tests;
