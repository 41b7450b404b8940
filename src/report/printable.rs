//! Defines the one type that may be printed: a finished text whose format is known. Each format has
//! its constructor here; all of them escape, so that a text cannot get past the rules of `escape`.

use std::fmt::Write;

use serde::Serialize;

use super::markdown::Markdown;
use crate::escape;

/// Finished text of a known format, with no character in it that controls a terminal.
#[derive(Clone, Debug)]
pub(crate) struct Printable {
    text: String,
    /// Rule of the format that a whole text keeps, however it was made.
    rule: fn(&str) -> String,
    /// Colours, added after the rule.
    paint: Option<fn(&str) -> String>,
}

impl Printable {
    fn new(text: &str, rule: fn(&str) -> String) -> Printable {
        Printable { text: rule(text), rule, paint: None }
    }

    /// Returns text for people.
    pub(crate) fn terminal(text: &str) -> Printable {
        Printable::new(text, escape::terminal)
    }

    /// Returns a value as JSON with a final line feed.
    pub(crate) fn json(value: &impl Serialize) -> Printable {
        // Texts, numbers and lists always serialise.
        let text = serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
        Printable::new(&text, escape::json)
    }

    /// Returns rows as CSV with lines that end in CR LF.
    pub(crate) fn csv(rows: impl IntoIterator<Item = Vec<String>>) -> Printable {
        let terminator = csv::Terminator::CRLF;
        let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
        for row in rows {
            // Writing into memory does not fail, and all rows are as long.
            let _ = writer.write_record(row.iter().map(|cell| escape::csv_cell(cell)));
        }
        let text = String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default();
        let rule = |text: &str| {
            let lines: Vec<String> = text.split("\r\n").map(escape::terminal).collect();
            lines.join("\r\n")
        };
        Printable::new(&text, rule)
    }

    /// Returns Markdown, whose foreign text was escaped while it was made.
    pub(crate) fn markdown(text: &Markdown) -> Printable {
        Printable::new(text.as_str(), escape::lines)
    }

    /// Returns annotations of a workflow: a line each, of a level and a text.
    pub(crate) fn annotations(
        title: &'static str,
        lines: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Printable {
        let mut out = String::new();
        for (level, text) in lines {
            let _ = writeln!(out, "::{level} title={title}::{}", escape::annotation(&text));
        }
        Printable::new(&out, escape::lines)
    }

    /// Returns a report as JUnit.
    ///
    /// # Errors
    /// XML that cannot be written to memory.
    pub(crate) fn junit(report: &quick_junit::Report) -> Result<Printable, String> {
        let text = report.to_string().map_err(|error| error.to_string())?;
        Ok(Printable::new(&text, escape::xml))
    }

    /// Adds colours, which `paint` knows by the words.
    #[must_use]
    pub(crate) fn painted(self, paint: fn(&str) -> String) -> Printable {
        Printable { paint: Some(paint), ..self }
    }

    /// Returns the text without colours.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text to print: what `clean` leaves of it, by the format's rule, with colours.
    pub(crate) fn printed(&self, clean: impl Fn(&str) -> String) -> String {
        let text = (self.rule)(&clean(&self.text));
        self.paint.map_or(text.clone(), |paint| paint(&text))
    }
}

#[cfg(test)]
mod tests;
