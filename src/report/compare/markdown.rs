//! Writes a comparison as a pull-request comment: the decision in its first line, within the size
//! limit of a forge.

use crate::compare::{ComparedRow, Comparison, Variable};
use crate::escape::one_line;

use crate::report::markdown::Markdown;
use crate::report::printable::Printable;
use crate::report::published::{self, ColumnSet};

use super::proves::proves;
use super::{
    beside, columns, headline, is_published, is_told, method, noted, policies, seen, starts,
    streams, tally, trends, variables, verdicts,
};

/// Largest size of a comment in bytes; forges accept 65,536 characters.
pub(crate) const BYTES_MAX: usize = 60_000;

/// Bytes reserved for the text below the rows.
const FOOT_BYTES: usize = 6_000;

/// Bounds on a list, and on a text of one line.
const LIST_BYTES_MAX: usize = 5_000;
const LINE_BYTES_MAX: usize = 3_000;

pub(crate) fn render(comparison: &Comparison) -> Printable {
    let mut out = Markdown::default();
    out.markup("**").text(&headline(comparison)).markup("** · ").text(&variables(comparison));
    out.markup(" · ").text(&starts(comparison)).markup("\n");
    for (label, names) in ["\nBase: ", "\nCandidate: "].iter().zip(&comparison.names) {
        out.markup(label).append(&runs(names)).markup("\n");
    }
    list(&mut out, "Because", &comparison.decision.sentences());
    if let Some(table) = &comparison.table {
        list(&mut out, "Summary", &published::summary(table));
    }
    if comparison.differs.variables.len() > 1 {
        let items: Vec<String> =
            comparison.differs.variables.iter().map(Variable::in_words).collect();
        list(&mut out, "Changed", &items);
    }
    list(&mut out, "Beside it", &beside(comparison));
    let rows = &comparison.rows;
    let (reported, others): (Vec<&ComparedRow>, Vec<&ComparedRow>) =
        rows.iter().partition(|row| is_told(row));
    let mut left_out = 0;
    if !reported.is_empty() {
        out.markup("\n");
        left_out += table(&mut out, &reported, rows);
    }
    if is_published(comparison) {
        let bytes_max = BYTES_MAX.saturating_sub(2 * FOOT_BYTES + out.len() + 1);
        let published = &comparison.published;
        out.markup("\n").append(&published::markdown(published, ColumnSet::Primary, bytes_max));
    }
    list(&mut out, "Streams", &streams::lines(&comparison.streams, false));
    for (title, items) in ["Growth", "Drift"].iter().zip(trends::lines(comparison, false)) {
        list(&mut out, title, &items);
    }
    foot(&mut out, comparison);
    if !others.is_empty() {
        let tally = tally(others.iter().copied());
        out.markup("\n<details><summary>").text(&tally).markup("</summary>\n\n");
        left_out += table(&mut out, &others, rows);
        out.markup("\n</details>\n");
    }
    if left_out > 0 {
        out.markup("\n").text(&left_out.to_string());
        out.markup(" rows left out: a comment holds no more.\n");
    }
    Printable::markdown(&out)
}

/// Writes the lines below the rows.
fn foot(out: &mut Markdown, comparison: &Comparison) {
    out.markup("\nPolicy: ").append(&joined(&policies(comparison, true), " · ")).markup("\n");
    let proves = proves(comparison);
    if !proves.is_empty() {
        out.markup("\nProves: ").text(&proves.join(" · ")).markup("\n");
    }
    let mut also: Vec<String> = comparison.noted.iter().map(noted).collect();
    also.insert(0, verdicts(comparison));
    out.markup("\nAlso: ").text(&also.join(" · ")).markup("\n");
    out.markup("\nSeen: ").text(&seen(comparison).join(" · ")).markup("\n");
    out.markup("\nMethod: ").text(&method(comparison)).markup(".\n");
}

/// Formats the runs of a side, as many as a comment should name.
fn runs(names: &[String]) -> Markdown {
    const NAME_CHARS_MAX: usize = 120;
    let names: Vec<String> = names.iter().map(|name| one_line(name, NAME_CHARS_MAX)).collect();
    joined(&names, ", ")
}

/// Joins items on a line, as many as fit.
fn joined(items: &[String], between: &'static str) -> Markdown {
    const ITEMS_MAX: usize = 20;
    let mut out = Markdown::default();
    for (index, item) in items.iter().enumerate() {
        let mut next = Markdown::default();
        next.markup(if index == 0 { "" } else { between }).text(item);
        if index >= ITEMS_MAX || out.len() + next.len() > LINE_BYTES_MAX {
            out.markup(between).text(&format!("and {} more", items.len() - index));
            break;
        }
        out.append(&next);
    }
    out
}

/// Writes items as a list, a line each, as many as a comment should have.
fn list(out: &mut Markdown, title: &'static str, items: &[String]) {
    const ITEMS_MAX: usize = 20;
    const ITEM_CHARS_MAX: usize = 400;
    if items.is_empty() {
        return;
    }
    out.markup("\n").markup(title).markup(":\n\n");
    let begin = out.len();
    for (index, item) in items.iter().enumerate() {
        let mut line = Markdown::default();
        line.markup("- ").text(&one_line(item, ITEM_CHARS_MAX)).markup("\n");
        if index >= ITEMS_MAX || out.len() - begin + line.len() > LIST_BYTES_MAX {
            out.markup("- ").text(&format!("and {} more", items.len() - index)).markup("\n");
            break;
        }
        out.append(&line);
    }
}

/// Writes rows as a table, and returns how many were left out.
fn table(out: &mut Markdown, reported: &[&ComparedRow], rows: &[ComparedRow]) -> usize {
    out.markup("| where | measure | base | candidate | change | 95 % | n | |\n");
    out.markup("|:--|:--|--:|--:|--:|--:|--:|:--|\n");
    for (index, row) in reported.iter().enumerate() {
        let mut cells = columns(row, rows);
        let at = cells.len() - 1;
        cells.insert(at, format!("{} / {}", row.base.n, row.candidate.n));
        let mut line = Markdown::default();
        if row.primary {
            line.markup("| **").text(&cells.remove(0)).markup("** ");
        }
        line.row(&cells);
        if out.len() + line.len() + FOOT_BYTES > BYTES_MAX {
            return reported.len() - index;
        }
        out.append(&line);
    }
    0
}
