//! Formats a comparison as annotations of a workflow: one line each, which the runner shows beside
//! the change.

use std::fmt::Write;

use crate::compare::{CompareWord, Comparison};
use crate::escape::one_line;
use crate::exit::Exit;

use super::{headline, variables};

/// Bound on the reasons, since a runner shows few annotations of a step; the decision comes first.
const REASONS_MAX: usize = 9;

/// Bound on the text of an annotation.
const TEXT_CHARS_MAX: usize = 1_000;

/// Writes the annotations: the decision, then the reasons, the gravest first.
pub(crate) fn render(comparison: &Comparison) -> String {
    let mut out = String::new();
    let mut say = |level: &str, text: &str| {
        let _ = writeln!(out, "::{level} title={}::{}", property("longhaul"), escaped(text));
    };
    let decision = &comparison.decision;
    let is_calm = matches!(
        decision.word,
        CompareWord::Improved | CompareWord::Equivalent | CompareWord::Changed
    ) && comparison.differs.forced.is_empty();
    let (level, reason) = match (decision.exit, is_calm) {
        (Exit::Pass, true) => ("notice", "warning"),
        (Exit::Pass, false) => ("warning", "warning"),
        _ => ("error", "error"),
    };
    say(level, &format!("{} · {}", headline(comparison), variables(comparison)));
    decision.because.iter().take(REASONS_MAX).for_each(|why| say(reason, &why.words));
    out
}

/// Escapes the text after the two colons; line feeds and invisible characters become visible.
fn escaped(text: &str) -> String {
    one_line(text, TEXT_CHARS_MAX).replace('%', "%25")
}

/// Escapes the text of a property.
fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}
