//! Compares published tables: reads every published form, and aligns two tables test by test.
//! Beside a published number that is an artefact it puts the corrected measure.
//!
//! A value that such a table does not contain is unknown, never zero.

mod artefact;
mod choice;
mod counted;
mod csv;
mod held;
mod index;
mod json;
mod markdown;
mod serve;
mod sparkrun;
pub(crate) mod summary;

pub(crate) use artefact::Artefact;
pub(crate) use summary::{TableSummary, TableWord};

use crate::analysis::arena::{ArenaRow, Column, Spread, Table};
use crate::error::Mistake;
use crate::escape::one_line;

use held::Held;
use index::{Index, Nth};

/// Facts that neither Spark Arena nor llama-benchy publishes of a server.
pub(crate) const NOT_PUBLISHED: [&str; 6] =
    ["errors", "crashes and restarts", "OOMs", "percentiles", "cached tokens", "memory"];

/// Reason why two rates are not held against each other as they are.
const OTHER_TOKENS: &str = "one side counts context and prompt, the other only the prompt";

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
    /// Candidate over base, of the means; `None` where they are not the same quantity.
    pub ratio: Option<f64>,
    /// Reason why both values cannot be held against each other, where they cannot.
    pub apart: Option<String>,
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

/// Reads a published table: `benchmark.csv` of Spark Arena, llama-benchy's JSON or CSV, its
/// Markdown tables, with or without prose around them, sparkrun's `benchmark_*.yaml`, or the result
/// of `vllm bench serve`. `origin` names the text in a mistake; `choice` names one of several
/// tables.
///
/// # Errors
/// A text of another form, a broken row, no row, or several tables and no choice.
pub(crate) fn read(origin: &str, text: &str, choice: Option<&str>) -> Result<Table, Mistake> {
    let text = text.trim_start_matches('\u{feff}');
    let header = |line: &str| line.starts_with("model,test_name");
    let is_json = text.trim_start().starts_with(['{', '[']);
    let table = if is_json {
        json::read(origin, text)
    } else if text.lines().any(|line| line.starts_with("sparkrun_benchmark:")) {
        sparkrun::read(origin, text)
    } else if text.lines().any(header) {
        csv::read(origin, text)
    } else if text.lines().any(is_csv_of_llama_bench) {
        Err(llama_bench(origin))
    } else if text.lines().any(|line| line.trim_start().starts_with('|')) {
        choice::chosen(origin, markdown::read(origin, text)?, choice)
    } else {
        Err(Mistake::new("this is not a published benchmark")
            .at(origin)
            .hint("benchmark.csv of a Spark Arena submission")
            .hint("what llama-benchy writes with --format json, csv or md")
            .hint("sparkrun's benchmark_*.yaml, or what `vllm bench serve --save-result` writes")
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

/// Whether a line is the header of llama-bench's CSV.
fn is_csv_of_llama_bench(line: &str) -> bool {
    line.starts_with("build_commit,") || line.starts_with("build_number,")
}

/// Returns the mistake that a table is llama-bench's.
fn llama_bench(origin: &str) -> Mistake {
    Mistake::new(
        "this is a table of llama-bench, not of llama-benchy: it times the engine without a server, \
         and its `pp512 @ d4096` counts the prompt alone, behind a context that is not timed",
    )
    .at(origin)
    .hint("what llama-benchy measures over the server's address")
}

/// Aligns two tables: the tests of both, by depth and streams; of
/// each the columns that either side has. Rows of the same name are paired in their order.
pub(crate) fn against(base: &Table, candidate: &Table) -> Vec<Published> {
    let placed = serve::is_table(base).then(|| serve::placed(base, candidate));
    let base = placed.as_ref().unwrap_or(base);
    let with_streams = base.streams_max().max(candidate.streams_max()) > 1;
    let sides = [base, candidate].map(Index::of);
    let only = index::counted(candidate).into_iter();
    let only = only.filter(|(row, nth)| sides[0].row(row.key(), *nth).is_none());
    let mut all: Vec<(&ArenaRow, Nth)> = index::counted(base).into_iter().chain(only).collect();
    all.sort_by_key(|(row, _)| (row.depth, row.streams));
    all.into_iter().flat_map(|(row, nth)| test(row, nth, with_streams, &sides)).collect()
}

/// Returns the columns of one test.
fn test(row: &ArenaRow, nth: Nth, with_streams: bool, sides: &[Index; 2]) -> Vec<Published> {
    let name = row.name(with_streams);
    let name = if nth == 0 { name } else { format!("{name} #{}", nth + 1) };
    let rows = [0, 1].map(|side: usize| sides[side].row(row.key(), nth));
    let mut found = [0, 1].map(|side: usize| {
        rows[side].map(|row| artefact::artefacts(&sides[side], row, nth)).unwrap_or_default()
    });
    let held = held::held(sides, rows, nth);
    let answers_apart = held::answers_apart(sides, rows);
    let columns = row.kind.columns().iter().map(|column| {
        let spread = |side: usize| rows[side].and_then(|row| row.columns.get(column)).cloned();
        let (base, candidate) = (spread(0), spread(1));
        let means = [&base, &candidate].map(|spread| spread.as_ref().map(|spread| spread.mean));
        let mut wrong = [0, 1].map(|side| found[side].remove(column));
        let is_rate = matches!(column, Column::Ts | Column::TsReq);
        let mut apart = match &held {
            Held::Apart(why) => Some(why.clone()),
            _ => answers_apart.clone().filter(|_| *column == Column::Ts),
        };
        if let (Held::ByTokensRead { prompt_only }, true) = (&held, is_rate) {
            let other = 1 - prompt_only;
            wrong[other] = rows[other].and_then(|row| held::by_tokens_read(row, *column));
            apart = Some(OTHER_TOKENS.to_owned());
        }
        if !(base.is_some() && candidate.is_some()) {
            apart = None;
        }
        Published {
            test: name.clone(),
            nth: nth + 1,
            column: *column,
            ratio: ratio(means[0], means[1]).filter(|_| apart.is_none()),
            apart,
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
