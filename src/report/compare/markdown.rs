//! A comparison as a pull-request comment: the decision in its first line, and
//! never more than a forge takes.

use std::fmt::Write;

use crate::compare::{Comparison, Row};

use crate::report::published::{self, Columns};

use super::{
    beside, columns, headline, is_published, is_told, method, noted, policy, seen, starts, tally,
    variable, variables, verdicts,
};

/// Bytes of a comment; forges take 65,536 characters.
pub const BYTES_MAX: usize = 60_000;

/// What is kept free for what stands below the rows.
const FOOT_BYTES: usize = 1_000;

/// Writes it.
pub fn render(comparison: &Comparison) -> String {
    let mut out = format!(
        "**{}** · {} · {}\n",
        headline(comparison),
        escaped(&variables(comparison)),
        starts(comparison)
    );
    for (label, names) in ["Base", "Candidate"].iter().zip(&comparison.names) {
        let _ = write!(out, "\n{label}: {}\n", runs(names));
    }
    list(&mut out, "Because", &comparison.decision.because);
    if comparison.differs.variables.len() > 1 {
        let items: Vec<String> = comparison.differs.variables.iter().map(variable).collect();
        list(&mut out, "Changed", &items);
    }
    list(&mut out, "Beside it", &beside(comparison));
    let rows = &comparison.rows;
    let (told, others): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| is_told(row));
    let mut left_out = 0;
    if !told.is_empty() {
        out.push('\n');
        left_out += table(&mut out, &told, rows);
    }
    if is_published(comparison) {
        out.push('\n');
        out.push_str(&published::markdown(
            &comparison.published,
            Columns::Primary,
            BYTES_MAX - 2 * FOOT_BYTES - out.len(),
        ));
    }
    let policies: Vec<String> = comparison.policies.iter().map(policy).collect();
    let _ = write!(out, "\nPolicy: {}\n", escaped(&policies.join(" · ")));
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

/// The runs of a side, as many as a comment should name.
fn runs(names: &[String]) -> String {
    const RUNS_MAX: usize = 8;
    const NAME_CHARS_MAX: usize = 120;
    let name = |name: &String| escaped(&crate::escape::one_line(name, NAME_CHARS_MAX));
    let mut words: Vec<String> = names.iter().take(RUNS_MAX).map(name).collect();
    if names.len() > RUNS_MAX {
        words.push(format!("and {} more", names.len() - RUNS_MAX));
    }
    words.join(", ")
}

/// Items as a list, each on a line of its own, as many as a comment should have.
fn list(out: &mut String, title: &str, items: &[String]) {
    const ITEMS_MAX: usize = 20;
    const ITEM_CHARS_MAX: usize = 400;
    if items.is_empty() {
        return;
    }
    let _ = write!(out, "\n{title}:\n\n");
    for item in items.iter().take(ITEMS_MAX) {
        let item: String = item.chars().take(ITEM_CHARS_MAX).collect();
        let _ = writeln!(out, "- {}", escaped(&item));
    }
    if items.len() > ITEMS_MAX {
        let _ = writeln!(out, "- and {} more", items.len() - ITEMS_MAX);
    }
}

/// Rows as a table; gives back how many found no place.
fn table(out: &mut String, told: &[&Row], rows: &[Row]) -> usize {
    out.push_str("| where | measure | base | candidate | change | 95 % | n | |\n");
    out.push_str("|:--|:--|--:|--:|--:|--:|--:|:--|\n");
    for (index, row) in told.iter().enumerate() {
        let mut cells = columns(row, rows);
        let at = cells.len() - 1;
        cells.insert(at, format!("{} / {}", row.base.n, row.candidate.n));
        if row.primary {
            cells[0] = format!("**{}**", cells[0]);
        }
        let line = format!("| {} |\n", cells.join(" | "));
        if out.len() + line.len() + FOOT_BYTES > BYTES_MAX {
            return told.len() - index;
        }
        out.push_str(&line);
    }
    0
}

/// What others wrote must not become markup.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '~' | '@' => {
                out.push('\\');
                out.push(character);
            }
            other if other.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}
