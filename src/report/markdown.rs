//! Writes Markdown. Markup is longhaul's own and known when longhaul is compiled; any other text is
//! escaped.

use std::fmt::Write;

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

    /// Adds a command or another text as it stands, in a block of its own: only control characters
    /// are escaped, and no run of backticks in it ends the block.
    pub(crate) fn code(&mut self, text: &str) -> &mut Markdown {
        let mut longest = 0;
        for run in text.split(|character| character != '`') {
            longest = longest.max(run.len());
        }
        let fence = "`".repeat(3.max(longest + 1));
        let _ = write!(self.0, "{fence}\n{}\n{fence}\n", escape::lines(text));
        self
    }

    /// Returns the number of lines.
    pub(crate) fn lines(&self) -> usize {
        self.0.lines().count()
    }

    /// Returns the length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
