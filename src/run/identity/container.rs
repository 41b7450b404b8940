//! What a container engine says of the server's container, held against the
//! recipe: the image by digest where the recipe has one, else by name; the
//! environment variable by variable. Values that may be secrets are compared and
//! never written.

mod hidden;
#[cfg(test)]
mod tests;

use super::WORDS_CHARS_MAX;
use crate::escape::one_line;
use crate::fact::Seen;
use crate::spec::Recipe;
use crate::spec::recipe::pins::Image;
use crate::world::Contained;

/// The image, held against the recipe's.
const IMAGE: &str = "container";
/// The image's id.
const IMAGE_ID: &str = "container_image_id";
/// The container's id.
const ID: &str = "container_id";
/// When its process was started.
const STARTED: &str = "container_started";

/// Bounds how many variables are written down; an image of an engine has some forty.
const VARIABLES_MAX: usize = 256;

/// Bounds a variable's name.
const NAME_CHARS_MAX: usize = 64;

/// What stands for a value that is not written.
const HIDDEN: &str = "(set, not shown)";

/// One thing that is known of a container.
#[derive(Clone)]
struct Part {
    subject: String,
    /// As it is; `None` of a variable that the recipe has and the container has not.
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

    /// What may be written of a value.
    fn shown(&self, words: Option<&str>) -> String {
        match words {
            Some(_) if self.hidden => HIDDEN.to_owned(),
            Some(words) => one_line(words, WORDS_CHARS_MAX),
            None => "nothing".to_owned(),
        }
    }

    fn seen(&self) -> Seen {
        let words = self.words.as_deref();
        let declared = self.declared.as_deref().map(|declared| self.shown(Some(declared)));
        let note = match words {
            Some(_) if self.differs && self.hidden => {
                "another value than the recipe's; neither is shown".to_owned()
            }
            _ => String::new(),
        };
        let (subject, seen, differs) = (self.subject.clone(), self.shown(words), self.differs);
        Seen { subject, declared, seen, differs, note }
    }

    /// The same, said as a change.
    fn changed(&self, before: Option<&str>) -> Seen {
        let seen = self.seen();
        let recipe = match &seen.declared {
            Some(_) if self.differs && self.hidden => "; the recipe has another".to_owned(),
            Some(declared) if self.differs => format!("; the recipe says {declared}"),
            _ => String::new(),
        };
        let (before, now) = (self.shown(before), self.shown(self.words.as_deref()));
        let note = format!("changed during the run: {before} before, {now} now{recipe}");
        // A container that was started again has another start: its restart is told already.
        let differs = !matches!(self.subject.as_str(), ID | STARTED);
        Seen { differs, note, ..seen }
    }
}

/// Everything that is known of the container, and where it differs from the recipe.
pub(crate) fn of_container(recipe: &Recipe, contained: &Contained) -> Vec<Seen> {
    parts(recipe, contained).iter().map(Part::seen).collect()
}

/// What of a container is otherwise than it was before.
pub(crate) fn container_changed(recipe: &Recipe, before: &Contained, now: &Contained) -> Vec<Seen> {
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

fn parts(recipe: &Recipe, contained: &Contained) -> Vec<Part> {
    let mut parts = vec![image(recipe, contained)];
    let plain =
        [(IMAGE_ID, &contained.image_id), (ID, &contained.id), (STARTED, &contained.started)];
    let known = plain.iter().filter(|(_, words)| !words.is_empty());
    parts.extend(known.map(|(subject, words)| Part::plain(subject, words)));
    parts.extend(variables(recipe, contained));
    parts
}

/// The image: the same by digest where the recipe has one, by id where it has that, else by name.
fn image(recipe: &Recipe, contained: &Contained) -> Part {
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

/// Whether a container runs the image of that name.
fn is_image(declared: &str, contained: &Contained) -> bool {
    let wanted = Image::of(declared);
    if let Some(digest) = wanted.digest {
        // What a digest names is the same from whatever registry it came.
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
    // Started by its id, or under another name: its engine may know it by the recipe's too.
    let by_other_name =
        is_bare_id(&contained.image) && names.into_iter().any(|name| name == wanted.plain_name());
    by_other_name || same_tag && started.plain_name() == wanted.plain_name()
}

/// Whether a text is an id, or the beginning of one that is long enough to mean it.
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

/// The container's variables, and those of the recipe that it has not.
fn variables(recipe: &Recipe, contained: &Contained) -> Vec<Part> {
    let declared = |name: &str| {
        // Of a name that stands twice, the last counts. What a shell fills in is no value.
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
