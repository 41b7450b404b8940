//! Compares published tables: reads every published form, and aligns two tables test by test.
//! Beside a published number that is an artefact it puts the corrected measure.
//!
//! A value that such a table does not contain is unknown, never zero.

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

/// Facts that neither Spark Arena nor llama-benchy publishes of a server.
pub(crate) const NOT_PUBLISHED: [&str; 6] =
    ["errors", "crashes and restarts", "OOMs", "percentiles", "cached tokens", "memory"];

/// Bound on the rows that are read.
const ROWS_MAX: usize = 20_000;

/// Column of a test, on both sides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Published {
    /// Test name: `pp2048 @ d100000 (c1)`; the suffix ` #2` marks the second row of that name on
    /// each side.
    pub test: String,
    /// Number of the row among those of that name, from 1.
    pub nth: usize,
    pub column: Column,
    /// Value of the base, in the column's unit; `None` where it is unknown.
    pub base: Option<Spread>,
    /// Value of the candidate.
    pub candidate: Option<Spread>,
    /// Candidate over base, of the means.
    pub ratio: Option<f64>,
    /// Corrected measure, where a side's number is an artefact.
    pub honest: Option<CorrectedMeasure>,
}

/// Corrected measure to read in place of a number that is an artefact of its measurement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CorrectedMeasure {
    /// Kind of the artefact.
    pub what: Artefact,
    /// Value of the base, in the column's unit; `None` where it is unknown.
    pub base: Option<f64>,
    /// Value of the candidate.
    pub candidate: Option<f64>,
    /// Explanation of the artefact and its side, in a sentence without a full stop.
    pub why: String,
}

impl CorrectedMeasure {
    /// Returns candidate over base.
    pub(crate) fn ratio(&self) -> Option<f64> {
        ratio(self.base, self.candidate)
    }
}

/// Reads a published table: `benchmark.csv` of Spark Arena, llama-benchy's JSON or CSV, or its
/// Markdown table, with or without prose around it. `origin` names the text in a mistake.
///
/// # Errors
/// A text of another form, a broken row, or no row.
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
        Err(Mistake::new("this is not a published benchmark")
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

/// Aligns two tables: the base's tests in its order, then those that only the candidate has; of
/// each the columns that either side has. Rows of the same name are paired in their order.
pub(crate) fn against(base: &Table, candidate: &Table) -> Vec<Published> {
    let with_streams = base.streams_max().max(candidate.streams_max()) > 1;
    let sides = [base, candidate].map(Index::of);
    let only = index::counted(candidate).into_iter();
    let only = only.filter(|(row, nth)| sides[0].row(row.key(), *nth).is_none());
    let all = index::counted(base).into_iter().chain(only);
    all.flat_map(|(row, nth)| test(row, nth, with_streams, &sides)).collect()
}

/// Returns the columns of one test.
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

/// Returns the corrected measure of both sides, where one of them has an artefact.
fn honest(
    wrong: &[Option<artefact::FoundArtefact>; 2],
    rows: [Option<&ArenaRow>; 2],
) -> Option<CorrectedMeasure> {
    let what = wrong.iter().flatten().map(|found| found.what).next()?;
    let value = |side: usize| match &wrong[side] {
        Some(found) if found.what == what => Some(found.honest),
        // A side without the artefact has the same measure as a column, if at all.
        _ => rows[side].and_then(|row| what.of(row)),
    };
    let sides = [("base", &wrong[0]), ("candidate", &wrong[1])];
    let why = sides.iter().filter_map(|(side, found)| {
        let found = found.as_ref()?;
        Some(format!("{side}: {}", found.why))
    });
    let why = why.collect::<Vec<_>>().join("; ");
    Some(CorrectedMeasure { what, base: value(0), candidate: value(1), why })
}

fn ratio(base: Option<f64>, candidate: Option<f64>) -> Option<f64> {
    let (base, candidate) = base.zip(candidate)?;
    (base > 0.0).then(|| candidate / base)
}

/// Parses a figure of a table; only a finite number is valid.
fn figure(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// Returns a figure with thousands separators, `1,154.28`, without its commas.
fn without_commas(text: &str) -> Option<String> {
    let text = text.trim();
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (first, rest) = whole.split_once(',')?;
    let is_first = (1..=3).contains(&first.len()) && is_digits(first);
    let are_thousands = rest.split(',').all(|part| part.len() == 3 && is_digits(part));
    (is_first && are_thousands && is_digits(places)).then(|| text.replace(',', ""))
}

/// Sets a column of a row, if its figures are valid.
fn set_spread(row: &mut ArenaRow, column: Column, spread: Spread) -> Result<(), String> {
    if let Some(why) = column.refuses(spread.mean, spread.std) {
        return Err(format!("`{}` of {} {why}", column.word(), row.name(true)));
    }
    row.columns.insert(column, spread);
    Ok(())
}

/// Adds a row that has columns, and sets the model.
fn put(table: &mut Table, row: ArenaRow, model: &str) -> Result<(), String> {
    if table.model.is_empty() {
        model.clone_into(&mut table.model);
    } else if !model.is_empty() && model != table.model {
        let (one, other) = (shown(&table.model), shown(model));
        return Err(format!("rows of several models are not one benchmark: {one}, {other}"));
    }
    if !row.columns.is_empty() {
        table.rows.push(row);
    }
    Ok(())
}

/// Returns a mistake at a line of a table.
fn wrong(origin: &str, line: u64, what: impl Into<String>) -> Mistake {
    Mistake::new(what).at(format!("{origin}:{line}"))
}

/// Quotes foreign text for a mistake.
fn shown(text: &str) -> String {
    format!("`{}`", one_line(text, 60))
}

#[cfg(test)]
mod tests;
