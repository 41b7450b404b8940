//! Formats a run as annotations of a workflow: one line each, which the runner shows beside the
//! change.

use super::page::Page;
use super::printable::Printable;
use crate::escape::one_line;
use crate::unit::span;
use crate::verdict::VerdictWord;

/// Bound on the reasons, since a runner shows few annotations of a step; the verdict comes first.
const REASONS_MAX: usize = 9;

/// Bound on the text of an annotation.
const TEXT_CHARS_MAX: usize = 1_000;

/// Writes the annotations: the verdict, then the reasons and the gates that did not pass.
pub(crate) fn render(page: &Page<'_>) -> Printable {
    let (asked, word) = (page.asked, page.verdict.word);
    let level = |word: VerdictWord| match word {
        VerdictWord::Pass => "notice",
        VerdictWord::Inconclusive => "warning",
        VerdictWord::Fail => "error",
    };
    let label = if asked.simulated { "SIMULATED " } else { "" };
    let (name, load) = (word.word(), span(page.load_s));
    let first =
        format!("{label}{name} · {} · {} · {load} under load", asked.recipe, asked.scenario);
    let reasons = page.verdict.reasons.iter().map(|why| (level(word), why));
    let broken = page.gates.iter().filter(|of| of.word != VerdictWord::Pass);
    let broken = broken.flat_map(|of| of.items.iter().map(|item| (level(of.word), item)));
    let others = reasons.chain(broken).take(REASONS_MAX).map(|(level, it)| (level, it.clone()));
    let lines = std::iter::once((level(word), first)).chain(others);
    Printable::annotations(
        "longhaul",
        lines.map(|(level, it)| (level, one_line(&it, TEXT_CHARS_MAX))),
    )
}
