//! A published table as the base of a comparison: read in whatever form it was
//! published, and laid beside another test by test. Where a published number
//! measures something else than it says, the honest measure stands beside it.
//!
//! What such a table cannot say is unknown, never zero.

mod artefact;
mod csv;
mod index;
mod json;
mod markdown;

pub(crate) use artefact::Artefact;

use crate::analysis::arena::{ArenaRow, Column, Spread, Table};
use crate::error::Mistake;
use crate::escape::one_line;

use index::{Index, Nth};

/// What neither Spark Arena nor llama-benchy publishes of a server.
pub(crate) const UNSAID: [&str; 6] =
    ["errors", "crashes and restarts", "OOMs", "percentiles", "cached tokens", "memory"];

/// Bounds the rows that are read.
const ROWS_MAX: usize = 20_000;

/// A column of a test, on both sides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Published {
    /// The test's name: `pp2048 @ d100000 (c1)`; ` #2` behind it is the second row of that name
    /// on each side.
    pub test: String,
    /// Which row of that name it is, the first is 1.
    pub nth: usize,
    pub column: Column,
    /// As the base has it, in the column's unit; `None` where it is unknown.
    pub base: Option<Spread>,
    /// As the candidate has it.
    pub candidate: Option<Spread>,
    /// Candidate / base, of the means.
    pub ratio: Option<f64>,
    /// The honest measure, where a side's number is an artefact.
    pub honest: Option<Honest>,
}

/// What to read in place of a number that is an artefact of how it was measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Honest {
    /// What it measures.
    pub what: Artefact,
    /// Of the base, in the column's unit; `None` where it is unknown.
    pub base: Option<f64>,
    /// Of the candidate.
    pub candidate: Option<f64>,
    /// What is wrong with the published number, and on which side, in a sentence without a
    /// full stop.
    pub why: String,
}

impl Honest {
    /// Candidate / base.
    pub(crate) fn ratio(&self) -> Option<f64> {
        ratio(self.base, self.candidate)
    }
}

/// Reads a published table: `benchmark.csv` of Spark Arena, llama-benchy's JSON or CSV, or its
/// Markdown table, prose around it or not. `origin` is what a mistake calls it.
///
/// # Errors
/// It is none of these, a row is broken, or there is no row in it.
pub(crate) fn read(origin: &str, text: &str) -> Result<Table, Mistake> {
    let text = text.trim_start_matches('\u{feff}');
    let header = |line: &str| line.starts_with("model,test_name");
    let table = if text.trim_start().starts_with('{') {
        json::read(origin, text)
    } else if text.lines().any(header) {
        csv::read(origin, text)
    } else if text.lines().any(|line| line.trim_start().starts_with('|')) {
        markdown::read(origin, text)
    } else {
        Err(Mistake::new("this is no published benchmark")
            .at(origin)
            .hint("benchmark.csv of a Spark Arena submission")
            .hint("what llama-benchy writes with --format json, csv or md")
            .hint("a run folder of longhaul's own"))
    }?;
    if table.rows.is_empty() {
        return Err(Mistake::new("there is no row with a figure in it").at(origin));
    }
    if table.rows.len() > ROWS_MAX {
        return Err(Mistake::new(format!("more than {ROWS_MAX} rows are no benchmark")).at(origin));
    }
    Ok(table)
}

/// Lays two tables side by side: the base's tests in its order, then those that only the
/// candidate has; of each the columns that either side has. Rows of one name are held against
/// each other in their order.
pub(crate) fn against(base: &Table, candidate: &Table) -> Vec<Published> {
    let with_streams = base.streams_max().max(candidate.streams_max()) > 1;
    let sides = [base, candidate].map(Index::of);
    let only = index::counted(candidate).into_iter();
    let only = only.filter(|(row, nth)| sides[0].row(row.key(), *nth).is_none());
    let all = index::counted(base).into_iter().chain(only);
    all.flat_map(|(row, nth)| test(row, nth, with_streams, &sides)).collect()
}

/// The columns of one test.
fn test(row: &ArenaRow, nth: Nth, with_streams: bool, sides: &[Index; 2]) -> Vec<Published> {
    let name = row.name(with_streams);
    let name = if nth == 0 { name } else { format!("{name} #{}", nth + 1) };
    let rows = [0, 1].map(|side: usize| sides[side].row(row.key(), nth));
    let mut found = [0, 1].map(|side: usize| {
        rows[side].map(|row| artefact::artefacts(&sides[side], row, nth)).unwrap_or_default()
    });
    let columns = row.kind.columns().iter().map(|column| {
        let spread = |side: usize| rows[side].and_then(|row| row.columns.get(column)).cloned();
        let (base, candidate) = (spread(0), spread(1));
        let means = [&base, &candidate].map(|spread| spread.as_ref().map(|spread| spread.mean));
        let wrong = [0, 1].map(|side| found[side].remove(column));
        Published {
            test: name.clone(),
            nth: nth + 1,
            column: *column,
            ratio: ratio(means[0], means[1]),
            honest: honest(&wrong, rows),
            base,
            candidate,
        }
    });
    columns.filter(|it| it.base.is_some() || it.candidate.is_some()).collect()
}

/// The honest measure of both sides, where one of them has an artefact.
fn honest(
    wrong: &[Option<artefact::FoundArtefact>; 2],
    rows: [Option<&ArenaRow>; 2],
) -> Option<Honest> {
    let what = wrong.iter().flatten().map(|found| found.what).next()?;
    let value = |side: usize| match &wrong[side] {
        Some(found) if found.what == what => Some(found.honest),
        // A side without the artefact has the measure all the same, where it is a column.
        _ => rows[side].and_then(|row| what.of(row)),
    };
    let sides = [("base", &wrong[0]), ("candidate", &wrong[1])];
    let why = sides.iter().filter_map(|(side, found)| {
        let found = found.as_ref()?;
        Some(format!("{side}: {}", found.why))
    });
    let why = why.collect::<Vec<_>>().join("; ");
    Some(Honest { what, base: value(0), candidate: value(1), why })
}

fn ratio(base: Option<f64>, candidate: Option<f64>) -> Option<f64> {
    let (base, candidate) = base.zip(candidate)?;
    (base > 0.0).then(|| candidate / base)
}

/// A figure of a table; what is no finite number is a mistake.
fn figure(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// A figure whose thousands are apart, `1,154.28`, without its commas.
fn without_commas(text: &str) -> Option<String> {
    let text = text.trim();
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (first, rest) = whole.split_once(',')?;
    let is_first = (1..=3).contains(&first.len()) && is_digits(first);
    let are_thousands = rest.split(',').all(|part| part.len() == 3 && is_digits(part));
    (is_first && are_thousands && is_digits(places)).then(|| text.replace(',', ""))
}

/// A column of a row, where its figures are some.
fn set_spread(row: &mut ArenaRow, column: Column, spread: Spread) -> Result<(), String> {
    if let Some(why) = column.refuses(spread.mean, spread.std) {
        return Err(format!("`{}` of {} {why}", column.word(), row.name(true)));
    }
    row.columns.insert(column, spread);
    Ok(())
}

/// Takes a row, where it says something, and the model that it is of.
fn put(table: &mut Table, row: ArenaRow, model: &str) -> Result<(), String> {
    if table.model.is_empty() {
        model.clone_into(&mut table.model);
    } else if !model.is_empty() && model != table.model {
        let (one, other) = (shown(&table.model), shown(model));
        return Err(format!("rows of several models are no one benchmark: {one}, {other}"));
    }
    if !row.columns.is_empty() {
        table.rows.push(row);
    }
    Ok(())
}

/// A mistake at a line of a table.
fn wrong(origin: &str, line: u64, what: impl Into<String>) -> Mistake {
    Mistake::new(what).at(format!("{origin}:{line}"))
}

/// Foreign text as a mistake may show it.
fn shown(text: &str) -> String {
    format!("`{}`", one_line(text, 60))
}

#[cfg(test)]
mod tests;
