//! Pairs a YAML node with its place, so that every mistake in longhaul's own files names line and
//! path and what to write instead.
//!
//! Knows plain values and their units, not the meaning of keys.

use std::time::Duration;

use super::SpecFile;
use super::node::{self, Document, Flaw, Node};
use crate::error::{Mistake, nearest};
use crate::escape::one_line;
use crate::unit;

/// Maximum length of a quoted word from a file in a message, characters.
const WORD_CHARS_MAX: usize = 60;

/// Value in a file of longhaul's own format: its node and its dotted path.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    pub source: &'a SpecFile,
    pub node: &'a Node,
    /// Path, as `workloads[0].ladder.depths`; empty at the root.
    pub path: String,
}

/// Parses a file as YAML.
///
/// # Errors
/// The file is no YAML that longhaul reads; names the line.
pub(crate) fn document(source: &SpecFile) -> Result<Document, Mistake> {
    node::parse(&source.text).map_err(|flaw| {
        let message = match flaw.hints.as_slice() {
            [] => format!("{} is no YAML file: {}", source.origin, flaw.message),
            _ => flaw.message.clone(),
        };
        flawed(source, Flaw { message, ..flaw })
    })
}

/// Converts a flaw of a file into a mistake of the user.
pub(crate) fn flawed(source: &SpecFile, flaw: Flaw) -> Mistake {
    let mistake = Mistake::new(flaw.message).at(format!("{}:{}", source.origin, flaw.line));
    flaw.hints.into_iter().fold(mistake, Mistake::hint)
}

/// Parses a file as YAML without duplicate keys.
///
/// # Errors
/// As [`document`], or a duplicate key.
pub(crate) fn strict_document(source: &SpecFile) -> Result<Document, Mistake> {
    let document = document(source)?;
    no_duplicate(source, &document)?;
    Ok(document)
}

/// Refuses duplicate keys.
///
/// # Errors
/// The first duplicate key, with both lines.
pub(crate) fn no_duplicate(source: &SpecFile, document: &Document) -> Result<(), Mistake> {
    if let Some(duplicate) = document.duplicates.first() {
        let key = shown(&duplicate.key);
        return Err(Mistake::new(format!("{key} stands twice"))
            .at(format!("{}:{} {}", source.origin, duplicate.again, duplicate.key))
            .hint(format!("remove it here or on line {}", duplicate.first)));
    }
    Ok(())
}

/// Quotes a word from a file for a message: on one line, in backticks.
pub(crate) fn shown(word: &str) -> String {
    format!("`{}`", one_line(word, WORD_CHARS_MAX))
}

impl<'a> Field<'a> {
    /// Returns the root of a document.
    pub(crate) fn root(source: &'a SpecFile, document: &'a Document) -> Field<'a> {
        Field { source, node: &document.root, path: String::new() }
    }

    /// Returns the field of a value under a key of this map.
    #[must_use]
    pub(crate) fn below(&self, key: &str, node: &'a Node) -> Field<'a> {
        let path =
            if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Field { source: self.source, node, path }
    }

    /// Creates a mistake at this place.
    pub(crate) fn mistake(&self, what: impl Into<String>) -> Mistake {
        let place = format!("{}:{} {}", self.source.origin, self.node.line, self.path);
        Mistake::new(what).at(place.trim_end())
    }

    /// Returns the last part of the path, for messages.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    /// Returns the values of a map, and refuses keys that are not in `known`.
    ///
    /// # Errors
    /// The value is not a map, or has an unknown key.
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

    /// Returns the values of a map with any keys.
    ///
    /// # Errors
    /// The value is not a map, or a key is not a scalar.
    pub(crate) fn any_map(&self) -> Result<Vec<(&'a str, Field<'a>)>, Mistake> {
        if !self.node.is_map() {
            return Err(self.unfit("a mapping"));
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

    /// Returns the items of a non-empty list.
    ///
    /// # Errors
    /// The value is not a list, or empty.
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

    /// Returns the text of a scalar.
    ///
    /// # Errors
    /// The value is not a scalar, or null.
    pub(crate) fn text(&self) -> Result<&'a str, Mistake> {
        self.node.said().ok_or_else(|| self.unfit("a single value"))
    }

    /// Parses a whole number from `least` to `most`.
    ///
    /// # Errors
    /// The value is not a whole number, or out of range.
    pub(crate) fn whole(&self, least: u64, most: u64) -> Result<u64, Mistake> {
        let text = self.text()?;
        let is_plain = text == "0" || !text.starts_with(['0', '+']);
        match text.parse::<u64>() {
            Ok(value) if is_plain && (least..=most).contains(&value) => Ok(value),
            Ok(_) if is_plain => Err(self.out_of_range(text, least, most)),
            _ => Err(self.not_whole(text).hint("digits alone, as 4096")),
        }
    }

    fn not_whole(&self, text: &str) -> Mistake {
        let (name, text) = (self.name(), shown(text));
        self.mistake(format!("`{name}` is {text}, which is not a whole number"))
    }

    fn out_of_range(&self, text: &str, least: u64, most: u64) -> Mistake {
        self.mistake(format!("`{}` cannot be {text}", self.name()))
            .hint(format!("a whole number from {least} to {most}"))
    }

    /// Parses a whole number of tokens: digits, or a number with a `k` or `M`.
    ///
    /// # Errors
    /// The value is not a whole number, or out of range.
    pub(crate) fn tokens(&self, least: u64, most: u64) -> Result<u64, Mistake> {
        let text = self.text()?;
        match unit::tokens(text) {
            Some(value) if (least..=most).contains(&value) => Ok(value),
            Some(_) => Err(self.out_of_range(text, least, most)),
            None => match unit::no_tokens(text) {
                Some(why) => Err(self.not_whole(text).hint(why)),
                None => self.whole(least, most),
            },
        }
    }

    /// Parses a number of at least `least`.
    ///
    /// # Errors
    /// The value is not a number, or too small.
    pub(crate) fn number(&self, least: f64) -> Result<f64, Mistake> {
        let text = self.text()?;
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() && value >= least => Ok(value),
            Ok(value) if value.is_finite() => {
                Err(self.mistake(format!("`{}` cannot be below {least}", self.name())))
            }
            _ => Err(self
                .mistake(format!("`{}` is {}, which is not a number", self.name(), shown(text)))
                .hint("a number, as 15 or 22.8")),
        }
    }

    /// Parses a duration with its unit, longer than 0 and at most `most`.
    ///
    /// # Errors
    /// The value has no unit, is 0, or too long.
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

    /// Parses a count of laps: `1 lap`, `2 laps`.
    ///
    /// # Errors
    /// The value has another form.
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

    /// Parses `true` or `false`.
    ///
    /// # Errors
    /// The value has another form.
    pub(crate) fn switch(&self) -> Result<bool, Mistake> {
        match self.text()? {
            "true" => Ok(true),
            "false" => Ok(false),
            text => Err(self
                .mistake(format!("`{}` is {}", self.name(), shown(text)))
                .hint("true or false")),
        }
    }

    /// Parses one of several words.
    ///
    /// # Errors
    /// The value is none of them.
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

/// Maximum number of laps: bounds arithmetic; more would never end.
pub(crate) const LAPS_MAX: u64 = 1_000_000;
