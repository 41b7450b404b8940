//! A node with its place, so that every mistake in longhaul's own files says
//! where it stands and what to write instead.
//!
//! Knows plain values and their units; nothing of what the keys mean.

use std::time::Duration;

use super::SpecFile;
use super::node::{self, Document, Flaw, Node};
use crate::error::{Mistake, nearest};
use crate::escape::one_line;
use crate::unit;

/// Bounds a foreign word in a message.
const WORD_CHARS_MAX: usize = 60;

/// A value in a file of longhaul's own: its node, and the dotted path to it.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    pub source: &'a SpecFile,
    pub node: &'a Node,
    /// `workloads[0].ladder.depths`; empty at the root.
    pub path: String,
}

/// Reads a file as YAML.
///
/// # Errors
/// What is wrong with it, and on which line.
pub(crate) fn document(source: &SpecFile) -> Result<Document, Mistake> {
    node::parse(&source.text).map_err(|flaw| {
        let message = match flaw.hints.as_slice() {
            [] => format!("{} is no YAML file: {}", source.origin, flaw.message),
            _ => flaw.message.clone(),
        };
        flawed(source, Flaw { message, ..flaw })
    })
}

/// What is wrong with a file, as the mistake that it is.
pub(crate) fn flawed(source: &SpecFile, flaw: Flaw) -> Mistake {
    let mistake = Mistake::new(flaw.message).at(format!("{}:{}", source.origin, flaw.line));
    flaw.hints.into_iter().fold(mistake, Mistake::hint)
}

/// Reads a file as YAML in which no key may stand twice.
///
/// # Errors
/// As [`document`], and a key that stands twice.
pub(crate) fn strict_document(source: &SpecFile) -> Result<Document, Mistake> {
    let document = document(source)?;
    no_duplicate(source, &document)?;
    Ok(document)
}

/// Refuses a key that stands twice.
///
/// # Errors
/// The first that does, with both lines.
pub(crate) fn no_duplicate(source: &SpecFile, document: &Document) -> Result<(), Mistake> {
    if let Some(duplicate) = document.duplicates.first() {
        let key = shown(&duplicate.key);
        return Err(Mistake::new(format!("{key} stands twice"))
            .at(format!("{}:{} {}", source.origin, duplicate.again, duplicate.key))
            .hint(format!("remove it here or on line {}", duplicate.first)));
    }
    Ok(())
}

/// A foreign word as it may stand in a message: on one line, in backticks.
pub(crate) fn shown(word: &str) -> String {
    format!("`{}`", one_line(word, WORD_CHARS_MAX))
}

impl<'a> Field<'a> {
    /// The whole file.
    pub(crate) fn root(source: &'a SpecFile, document: &'a Document) -> Field<'a> {
        Field { source, node: &document.root, path: String::new() }
    }

    /// A value below this one, under a key.
    #[must_use]
    pub(crate) fn below(&self, key: &str, node: &'a Node) -> Field<'a> {
        let path =
            if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Field { source: self.source, node, path }
    }

    /// A mistake at this place.
    pub(crate) fn mistake(&self, what: impl Into<String>) -> Mistake {
        let place = format!("{}:{} {}", self.source.origin, self.node.line, self.path);
        Mistake::new(what).at(place.trim_end())
    }

    /// The last part of the path, for messages.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    /// The values of a map. A key that is not among `known` is refused.
    ///
    /// # Errors
    /// It is no map, or has a key that is not known.
    pub(crate) fn map(&self, known: &[&str]) -> Result<Vec<(&'a str, Field<'a>)>, Mistake> {
        let values = self.any_map()?;
        for (key, field) in &values {
            if known.contains(key) {
                continue;
            }
            let owner = match self.name() {
                "" => format!("`{}`", self.source.name),
                name => format!("`{name}`"),
            };
            let mistake = field.mistake(format!("{owner} has no key {}", shown(key)));
            return Err(match nearest(key, known.iter().copied()) {
                Some(near) => mistake.hint(near),
                None => mistake.hint(format!("one of: {}", known.join(", "))),
            });
        }
        Ok(values)
    }

    /// The values of a map, whatever its keys.
    ///
    /// # Errors
    /// It is no map, or has a key that is no plain word.
    pub(crate) fn any_map(&self) -> Result<Vec<(&'a str, Field<'a>)>, Mistake> {
        if !self.node.is_map() {
            return Err(self.unfit("a map of keys and values"));
        }
        if let Some((key, _)) = self.node.pairs().iter().find(|(key, _)| key.text().is_none()) {
            let place = format!("{}:{} {}", self.source.origin, key.line, self.path);
            return Err(Mistake::new("a key must be a plain word").at(place.trim_end()));
        }
        let entries = self.node.entries();
        Ok(entries
            .into_iter()
            .map(|(key, node)| {
                let mut field = self.below(key, node);
                field.path = one_line(&field.path, 4 * WORD_CHARS_MAX);
                (key, field)
            })
            .collect())
    }

    /// The items of a list, which must not be empty.
    ///
    /// # Errors
    /// It is no list, or empty.
    pub(crate) fn list(&self) -> Result<Vec<Field<'a>>, Mistake> {
        let items = self.node.items().ok_or_else(|| self.unfit("a list"))?;
        if items.is_empty() {
            return Err(self.mistake(format!("`{}` is an empty list", self.name())));
        }
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, node)| Field {
                source: self.source,
                node,
                path: format!("{}[{index}]", self.path),
            })
            .collect())
    }

    /// A text.
    ///
    /// # Errors
    /// It is no single value, or nothing.
    pub(crate) fn text(&self) -> Result<&'a str, Mistake> {
        self.node.said().ok_or_else(|| self.unfit("a single value"))
    }

    /// A whole number from `least` up to `most`.
    ///
    /// # Errors
    /// It is none, or out of range.
    pub(crate) fn whole(&self, least: u64, most: u64) -> Result<u64, Mistake> {
        let text = self.text()?;
        let is_plain = text == "0" || !text.starts_with(['0', '+']);
        match text.parse::<u64>() {
            Ok(value) if is_plain && (least..=most).contains(&value) => Ok(value),
            Ok(_) if is_plain => Err(self
                .mistake(format!("`{}` cannot be {text}", self.name()))
                .hint(format!("a whole number from {least} to {most}"))),
            _ => Err(self
                .mistake(format!("`{}` is {}, which is no whole number", self.name(), shown(text)))
                .hint("digits alone, as 4096")),
        }
    }

    /// A number of at least `least`.
    ///
    /// # Errors
    /// It is none, or too small.
    pub(crate) fn number(&self, least: f64) -> Result<f64, Mistake> {
        let text = self.text()?;
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() && value >= least => Ok(value),
            Ok(value) if value.is_finite() => {
                Err(self.mistake(format!("`{}` cannot be below {least}", self.name())))
            }
            _ => Err(self
                .mistake(format!("`{}` is {}, which is no number", self.name(), shown(text)))
                .hint("a number, as 15 or 22.8")),
        }
    }

    /// A duration with its unit, longer than 0 and at most `most`.
    ///
    /// # Errors
    /// It has no unit, is 0, or too long.
    pub(crate) fn duration(&self, most: Duration) -> Result<Duration, Mistake> {
        let text = self.text()?;
        let value = unit::duration(text).map_err(|message| {
            let mistake = self.mistake(one_line(&message, 4 * WORD_CHARS_MAX));
            match text.parse::<u64>() {
                Ok(_) => mistake.hint(format!("{text}s, {text}m or {text}h")),
                Err(_) => mistake,
            }
        })?;
        if value.is_zero() || value > most {
            let range = format!("more than 0s, up to {}", humantime::format_duration(most));
            return Err(self.mistake(format!("`{}` cannot be {text}", self.name())).hint(range));
        }
        Ok(value)
    }

    /// A count of laps: `1 lap`, `2 laps`.
    ///
    /// # Errors
    /// It is written otherwise.
    pub(crate) fn laps(&self) -> Result<u64, Mistake> {
        let text = self.text()?;
        let number = text.strip_suffix("laps").or_else(|| text.strip_suffix("lap"));
        let value = number.and_then(|number| number.trim().parse::<u64>().ok());
        value.filter(|value| *value <= LAPS_MAX).ok_or_else(|| {
            let mistake = self.mistake(format!("`{}` is {}", self.name(), shown(text)));
            match text.parse::<u64>() {
                Ok(1) => mistake.hint("1 lap"),
                Ok(number) if number <= LAPS_MAX => mistake.hint(format!("{number} laps")),
                _ => mistake.hint("a number of laps, as 1 lap or 2 laps"),
            }
        })
    }

    /// A switch: `true` or `false`.
    ///
    /// # Errors
    /// It is written otherwise.
    pub(crate) fn switch(&self) -> Result<bool, Mistake> {
        match self.text()? {
            "true" => Ok(true),
            "false" => Ok(false),
            text => Err(self
                .mistake(format!("`{}` is {}", self.name(), shown(text)))
                .hint("true or false")),
        }
    }

    /// One of several words.
    ///
    /// # Errors
    /// It is none of them.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, Mistake> {
        let text = self.text()?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let mistake = self.mistake(format!("`{}` cannot be {}", self.name(), shown(text)));
        let known = || words.iter().map(|(word, _)| *word);
        Err(match nearest(text, known()) {
            Some(near) => mistake.hint(near),
            None => mistake.hint(known().collect::<Vec<_>>().join(", ")),
        })
    }

    fn unfit(&self, wanted: &str) -> Mistake {
        let name = match self.name() {
            "" => self.source.name.as_str(),
            name => name,
        };
        self.mistake(format!("`{name}` is {}; it takes {wanted}", self.node.kind()))
    }
}

/// Bounds arithmetic on laps: more would never end.
pub(crate) const LAPS_MAX: u64 = 1_000_000;
