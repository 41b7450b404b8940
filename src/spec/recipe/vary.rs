//! Derives a recipe with a changed key of its file or flag of its command.

pub(crate) mod arms;
mod edit;

use super::diff::{Difference, between, plain};
use super::render::engine_of;
use super::{ReadOptions, ReadRecipe, RenderMethod, SpecFile, docker, read_as};
use crate::engine::flags;
use crate::error::Mistake;
use crate::escape::one_line;
use crate::shell::quoted;

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
        RenderMethod::Composed => {
            return Err(Mistake::new("a compose file is not varied")
                .at(&base.recipe.source.origin)
                .hint("a recipe, or a saved `docker run`: docs/formats/recipe.md"));
        }
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
    // Whether a difference is what a change names, or a field of it.
    let about = |it: &Difference, change: &Change| {
        let what = change.what(base);
        (it.what == what, it.what.starts_with(&format!("{what}.")))
    };
    let is_asked = |it: &Difference, change: &Change| {
        let are_same = || change.value.as_deref().map(plain) == it.other.as_deref().map(plain);
        let (is_it, is_field) = about(it, change);
        is_field || is_it && are_same()
    };
    let is_stray = |it: &&Difference| !changes.iter().any(|change| is_asked(it, change));
    if let Some(Difference { what, other, .. }) = serving.iter().find(is_stray) {
        let all: Vec<String> = changes.iter().map(Change::written).collect();
        let all = one_line(&all.join(", "), 4 * VALUE_CHARS_MAX);
        let other = one_line(other.as_deref().unwrap_or("nothing"), VALUE_CHARS_MAX);
        return wrong(format!("with `{all}` its `{what}` would be `{other}`"));
    }
    let is_idle = |change: &&Change| !serving.iter().any(|it| about(it, change) != (false, false));
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
    for change in changes {
        let line = docker::line(&text).unwrap_or_default();
        let image = line.image_at;
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
                let engine = engine_of(&base.recipe.runtime);
                let at = line.command_at;
                let edited = edit::with_flag(engine, &text[at.clone()], change).map_err(wrong)?;
                let blank = if at.is_empty() { " " } else { "" };
                text.replace_range(at, &format!("{blank}{}", edited.trim_start()));
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
