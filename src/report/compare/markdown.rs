//! Writes a comparison as a pull-request comment: the decision in its first line, within the size
//! limit of a forge.

use std::fmt::Write;

use crate::compare::{ComparedRow, Comparison, Variable};

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

pub(crate) fn render(comparison: &Comparison) -> String {
    let mut out = format!(
        "**{}** · {} · {}\n",
        headline(comparison),
        escaped(&variables(comparison)),
        starts(comparison)
    );
    for (label, names) in ["Base", "Candidate"].iter().zip(&comparison.names) {
        let _ = write!(out, "\n{label}: {}\n", runs(names));
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
        out.push('\n');
        left_out += table(&mut out, &reported, rows);
    }
    if is_published(comparison) {
        out.push('\n');
        out.push_str(&published::markdown(
            &comparison.published,
            ColumnSet::Primary,
            BYTES_MAX.saturating_sub(2 * FOOT_BYTES + out.len()),
        ));
    }
    list(&mut out, "Streams", &streams::lines(&comparison.streams, false));
    for (title, items) in ["Growth", "Drift"].iter().zip(trends::lines(comparison, false)) {
        list(&mut out, title, &items);
    }
    let _ = write!(out, "\nPolicy: {}\n", joined(&policies(comparison, true), " · "));
    let proves = proves(comparison);
    if !proves.is_empty() {
        let _ = write!(out, "\nProves: {}\n", escaped(&proves.join(" · ")));
    }
    let mut also: Vec<String> = comparison.noted.iter().map(noted).collect();
    also.insert(0, verdicts(comparison));
    let _ = write!(out, "\nAlso: {}\n", escaped(&also.join(" · ")));
    let _ = write!(out, "\nSeen: {}\n", escaped(&seen(comparison).join(" · ")));
    let _ = write!(out, "\nMethod: {}.\n", escaped(&method(comparison)));
    if !others.is_empty() {
        let tally = tally(others.iter().copied());
        let _ = write!(out, "\n<details><summary>{tally}</summary>\n\n");
        left_out += table(&mut out, &others, rows);
        out.push_str("\n</details>\n");
    }
    if left_out > 0 {
        let _ = write!(out, "\n{left_out} rows left out: a comment holds no more.\n");
    }
    out
}

/// Formats the runs of a side, as many as a comment should name.
fn runs(names: &[String]) -> String {
    const NAME_CHARS_MAX: usize = 120;
    let names: Vec<String> =
        names.iter().map(|name| crate::escape::one_line(name, NAME_CHARS_MAX)).collect();
    joined(&names, ", ")
}

/// Joins items on a line, as many as fit.
fn joined(items: &[String], between: &str) -> String {
    const ITEMS_MAX: usize = 20;
    let mut out = String::new();
    for (index, item) in items.iter().enumerate() {
        let item = escaped(item);
        let between = if index == 0 { "" } else { between };
        if index >= ITEMS_MAX || out.len() + item.len() > LINE_BYTES_MAX {
            let _ = write!(out, "{between}and {} more", items.len() - index);
            break;
        }
        out.push_str(between);
        out.push_str(&item);
    }
    out
}

/// Writes items as a list, a line each, as many as a comment should have.
fn list(out: &mut String, title: &str, items: &[String]) {
    const ITEMS_MAX: usize = 20;
    const ITEM_CHARS_MAX: usize = 400;
    if items.is_empty() {
        return;
    }
    let _ = write!(out, "\n{title}:\n\n");
    let begin = out.len();
    for (index, item) in items.iter().enumerate() {
        let item = escaped(&crate::escape::one_line(item, ITEM_CHARS_MAX));
        if index >= ITEMS_MAX || out.len() - begin + item.len() > LIST_BYTES_MAX {
            let _ = writeln!(out, "- and {} more", items.len() - index);
            break;
        }
        let _ = writeln!(out, "- {item}");
    }
}

/// Writes rows as a table, and returns how many were left out.
fn table(out: &mut String, reported: &[&ComparedRow], rows: &[ComparedRow]) -> usize {
    out.push_str("| where | measure | base | candidate | change | 95 % | n | |\n");
    out.push_str("|:--|:--|--:|--:|--:|--:|--:|:--|\n");
    for (index, row) in reported.iter().enumerate() {
        let mut cells = columns(row, rows);
        let at = cells.len() - 1;
        cells.insert(at, format!("{} / {}", row.base.n, row.candidate.n));
        if row.primary {
            cells[0] = format!("**{}**", cells[0]);
        }
        let line = format!("| {} |\n", cells.join(" | "));
        if out.len() + line.len() + FOOT_BYTES > BYTES_MAX {
            return reported.len() - index;
        }
        out.push_str(&line);
    }
    0
}

/// Escapes foreign text, so that it becomes no markup, link, mention or image. A forge searches the
/// rendered text for these, so an empty comment must separate their characters.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let shown = crate::escape::one_line(text, usize::MAX);
    let mut characters = shown.chars().peekable();
    while let Some(character) = characters.next() {
        let is_joined = characters.peek().is_some_and(|next| !next.is_whitespace());
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '$' => out.push_str("<span>$</span>"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '~' => {
                out.push('\\');
                out.push(character);
            }
            '@' | '#' | ':' if is_joined => {
                out.push(character);
                out.push_str(TABLE_SEPARATOR);
            }
            other => out.push(other),
        }
    }
    let www = format!("www{TABLE_SEPARATOR}.");
    out.replace("www.", &www).replace("GH-", &format!("GH{TABLE_SEPARATOR}-"))
}

/// Empty comment that separates characters.
const TABLE_SEPARATOR: &str = "<!-- -->";
