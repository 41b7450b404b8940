//! Compares the description of the server's container with the recipe: the
//! image by digest where the recipe has one, else by name; the environment
//! variable by variable. Values that may be secrets are compared and never
//! written.

mod hidden;
#[cfg(test)]
mod tests;

use super::WORDS_CHARS_MAX;
use crate::escape::one_line;
use crate::fact::Statement;
use crate::spec::Recipe;
use crate::spec::recipe::pins::Image;
use crate::world::ContainerDescription;

/// Subject of the image.
const IMAGE: &str = "container";
/// Subject of the image's id.
const IMAGE_ID: &str = "container_image_id";
/// Subject of the container's id.
const ID: &str = "container_id";
/// Subject of the start time of the container's process.
const STARTED: &str = "container_started";

/// Largest number of variables that are written; an engine's image has about forty.
const VARIABLES_MAX: usize = 256;

/// Longest variable name that is written, characters.
const NAME_CHARS_MAX: usize = 64;

/// Placeholder of a value that is not written.
const HIDDEN: &str = "(set, not shown)";

/// Property of a container.
#[derive(Clone)]
struct Part {
    subject: String,
    /// Observed value; `None` of a variable that the recipe has and the container does not.
    words: Option<String>,
    declared: Option<String>,
    differs: bool,
    hidden: bool,
}

impl Part {
    fn plain(subject: &str, words: &str) -> Part {
        let (subject, words) = (subject.to_owned(), Some(words.to_owned()));
        Part { subject, words, declared: None, differs: false, hidden: false }
    }

    /// Returns the text that may be written for a value.
    fn shown(&self, words: Option<&str>) -> String {
        match words {
            Some(_) if self.hidden => HIDDEN.to_owned(),
            Some(words) => one_line(words, WORDS_CHARS_MAX),
            None => "nothing".to_owned(),
        }
    }

    fn seen(&self) -> Statement {
        let words = self.words.as_deref();
        let declared = self.declared.as_deref().map(|declared| self.shown(Some(declared)));
        let note = match words {
            Some(_) if self.differs && self.hidden => {
                "another value than the recipe's; neither is shown".to_owned()
            }
            _ => String::new(),
        };
        let (subject, seen, differs) = (self.subject.clone(), self.shown(words), self.differs);
        Statement { subject, declared, seen, differs, note }
    }

    /// Returns the property as a change from its earlier value.
    fn changed(&self, before: Option<&str>) -> Statement {
        let seen = self.seen();
        let recipe = match &seen.declared {
            Some(_) if self.differs && self.hidden => "; the recipe has another".to_owned(),
            Some(declared) if self.differs => format!("; the recipe says {declared}"),
            _ => String::new(),
        };
        let (before, now) = (self.shown(before), self.shown(self.words.as_deref()));
        let note = format!("changed during the run: {before} before, {now} now{recipe}");
        // A restarted container has a new start time and a new container a new id. Neither is a
        // difference of its own: the restart is reported already.
        let differs = !matches!(self.subject.as_str(), ID | STARTED);
        Statement { differs, note, ..seen }
    }
}

/// Returns all properties of the container, with differences from the recipe marked.
pub(crate) fn of_container(recipe: &Recipe, contained: &ContainerDescription) -> Vec<Statement> {
    parts(recipe, contained).iter().map(Part::seen).collect()
}

/// Returns the properties of the container that changed.
pub(crate) fn container_changed(
    recipe: &Recipe,
    before: &ContainerDescription,
    now: &ContainerDescription,
) -> Vec<Statement> {
    let (before, mut now) = (parts(recipe, before), parts(recipe, now));
    let gone = before.iter().filter(|was| now.iter().all(|part| part.subject != was.subject));
    let gone = gone.map(|was| Part { words: None, declared: None, ..was.clone() });
    now.extend(gone.collect::<Vec<_>>());
    let changed = now.iter().filter_map(|part| {
        let was = before.iter().find(|was| was.subject == part.subject);
        let was = was.and_then(|was| was.words.as_deref());
        (was != part.words.as_deref()).then(|| part.changed(was))
    });
    changed.collect()
}

fn parts(recipe: &Recipe, contained: &ContainerDescription) -> Vec<Part> {
    let mut parts = vec![image(recipe, contained)];
    let plain =
        [(IMAGE_ID, &contained.image_id), (ID, &contained.id), (STARTED, &contained.started)];
    let known = plain.iter().filter(|(_, words)| !words.is_empty());
    parts.extend(known.map(|(subject, words)| Part::plain(subject, words)));
    parts.extend(variables(recipe, contained));
    parts
}

/// Returns the image, compared by digest where the recipe has one, by id where it has that, else
/// by name.
fn image(recipe: &Recipe, contained: &ContainerDescription) -> Part {
    let digests = contained.digests.join(" ");
    let words = match (contained.image.as_str(), digests.as_str()) {
        (image, "") => format!("{image} (no digest: built or loaded there)"),
        (image, digests) if contained.digests.iter().any(|it| it == image) => digests.to_owned(),
        (image, digests) => format!("{image} = {digests}"),
    };
    let declared = recipe.container.clone().filter(|image| !image.contains(['$', '{']));
    let differs = declared.as_deref().is_some_and(|declared| !is_image(declared, contained));
    Part { declared, differs, ..Part::plain(IMAGE, &words) }
}

/// Whether the container runs the declared image.
fn is_image(declared: &str, contained: &ContainerDescription) -> bool {
    let wanted = Image::of(declared);
    if let Some(digest) = wanted.digest {
        // A digest names the same content in every registry.
        let mut known = contained.digests.iter().filter_map(|name| Image::of(name).digest);
        return known.any(|known| known == digest) || contained.image_id == digest;
    }
    if is_id(&contained.image_id, declared) || is_id(&contained.image, declared) {
        return true;
    }
    let started = Image::of(&contained.image);
    let same_tag = started.digest.is_some()
        || started.tag.unwrap_or("latest") == wanted.tag.unwrap_or("latest");
    let names = contained.digests.iter().map(|name| Image::of(name).plain_name());
    // An image started by its id may still be known to the engine under the recipe's name.
    let by_other_name =
        is_bare_id(&contained.image) && names.into_iter().any(|name| name == wanted.plain_name());
    by_other_name || same_tag && started.plain_name() == wanted.plain_name()
}

/// Whether a text is an id, or a prefix of it of at least 12 hex digits.
fn is_id(id: &str, text: &str) -> bool {
    let bare = |text: &str| text.strip_prefix("sha256:").unwrap_or(text).to_owned();
    let (id, text) = (bare(id), bare(text));
    text.len() >= 12 && is_hex(&text) && id.starts_with(&text)
}

fn is_bare_id(text: &str) -> bool {
    let bare = text.strip_prefix("sha256:").unwrap_or(text);
    bare.len() >= 12 && is_hex(bare)
}

fn is_hex(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_hexdigit())
}

/// Returns the container's variables, and those of the recipe that the container lacks.
fn variables(recipe: &Recipe, contained: &ContainerDescription) -> Vec<Part> {
    let declared = |name: &str| {
        // The last of duplicate names counts. A value with `$` is filled in by a shell, so it
        // cannot be compared.
        let value = recipe.env.iter().rev().find(|(known, _)| known == name);
        value.map(|(_, value)| value.clone()).filter(|value| !value.contains('$'))
    };
    let part = |name: &str, value: Option<&str>| {
        let declared = declared(name);
        let differs = match (&declared, value) {
            (Some(declared), Some(value)) => declared != value,
            (declared, None) => declared.is_some(),
            (None, Some(_)) => false,
        };
        let hidden = [declared.as_deref(), value]
            .into_iter()
            .flatten()
            .any(|value| hidden::may_be_secret(name, value));
        let subject = format!("env.{}", one_line(name, NAME_CHARS_MAX));
        let words = value.map(str::to_owned);
        Part { subject, words, declared, differs, hidden }
    };
    let has = |name: &str| contained.env.iter().any(|(known, _)| known == name);
    let (mut own, mut others): (Vec<_>, Vec<_>) = contained
        .env
        .iter()
        .partition(|(name, _)| recipe.env.iter().any(|(known, _)| known == name));
    own.append(&mut others);
    let missing = recipe.env.iter().filter(|(name, _)| !has(name) && declared(name).is_some());
    let missing = missing.map(|(name, _)| part(name, None));
    let there = own.into_iter().map(|(name, value)| part(name, Some(value)));
    missing.chain(there).take(VARIABLES_MAX).collect()
}
