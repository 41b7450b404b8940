//! Formats a comparison as annotations of a workflow: one line each, which the runner shows beside
//! the change.

use crate::compare::{CompareWord, Comparison};
use crate::escape::one_line;
use crate::exit::Exit;
use crate::report::printable::Printable;

use super::{headline, variables};

/// Bound on the reasons, since a runner shows few annotations of a step; the decision comes first.
const REASONS_MAX: usize = 9;

/// Bound on the text of an annotation.
const TEXT_CHARS_MAX: usize = 1_000;

/// Writes the annotations: the decision, then the reasons, the gravest first.
pub(crate) fn render(comparison: &Comparison) -> Printable {
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
    let first = (level, format!("{} · {}", headline(comparison), variables(comparison)));
    let because = decision.because.iter().take(REASONS_MAX);
    let lines = std::iter::once(first).chain(because.map(|why| (reason, why.words.clone())));
    let lines = lines.map(|(level, text)| (level, one_line(&text, TEXT_CHARS_MAX)));
    Printable::annotations("longhaul", lines)
}
