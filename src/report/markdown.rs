//! Writes Markdown. Markup is longhaul's own and known when longhaul is compiled; any other text is
//! escaped.

use crate::escape;

/// Markdown in which no text of others is markup.
#[derive(Clone, Debug, Default)]
pub(crate) struct Markdown(String);

impl Markdown {
    /// Adds markup.
    pub(crate) fn markup(&mut self, markup: &'static str) -> &mut Markdown {
        self.0.push_str(markup);
        self
    }

    /// Adds a text, which is escaped.
    pub(crate) fn text(&mut self, text: &str) -> &mut Markdown {
        self.0.push_str(&escape::markdown(text));
        self
    }

    /// Adds a row of a table.
    pub(crate) fn row(&mut self, cells: &[String]) -> &mut Markdown {
        for cell in cells {
            self.markup("| ").text(cell).markup(" ");
        }
        self.markup("|\n")
    }

    /// Adds what was written apart.
    pub(crate) fn append(&mut self, other: &Markdown) -> &mut Markdown {
        self.0.push_str(&other.0);
        self
    }

    /// Returns the length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
