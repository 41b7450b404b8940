//! Reads the Markdown tables that llama-benchy prints and that users paste: `mean ± deviation` in
//! every cell, to two digits. All tables of a text with tests and figures are read as one; other
//! tables, and prose, are skipped.

use crate::analysis::arena::{ArenaRow, Column, Spread, Table};
use crate::error::Mistake;

use super::{figure, put, set_spread, shown, without_commas, wrong};

/// Kind of a column of the table.
#[derive(Clone, Copy, PartialEq)]
enum Field {
    Model,
    Test,
    Figure(Column),
    /// Only rate in a table of one stream: the total and the rate per stream are equal.
    Rate,
    Other,
}

/// Context of a line in a text.
enum LineContext {
    Prose,
    /// Table of something else.
    Foreign,
    /// Table of tests, with its columns.
    Under(Vec<Field>),
}

/// Reads the tables of a text.
pub(super) fn read(origin: &str, text: &str) -> Result<Table, Mistake> {
    let mut place = LineContext::Prose;
    let mut is_found = false;
    let mut table = Table::default();
    for (line, text) in (1_u64..).zip(text.lines()) {
        let inside = !matches!(place, LineContext::Prose);
        let Some(cells) = cells(text, inside) else {
            place = LineContext::Prose;
            continue;
        };
        match &place {
            LineContext::Prose => {
                place = under(&cells).map_err(|why| {
                    wrong(origin, line, why).hint("its heads in a line above: | model | test | …")
                })?;
                is_found |= matches!(place, LineContext::Under(_));
            }
            LineContext::Foreign => {}
            LineContext::Under(_) if cells.iter().all(|cell| is_separator_row(cell)) => {}
            LineContext::Under(fields) => {
                row(&mut table, fields, &cells).map_err(|why| wrong(origin, line, why))?;
            }
        }
    }
    if !is_found {
        return Err(Mistake::new("no table here has a column `test` and one of figures")
            .at(origin)
            .hint("| model | test | t/s (total) | …, as llama-benchy prints it"));
    }
    Ok(table)
}

/// Splits a line of a table into cells. Below its first line a table may omit the outer bars.
fn cells(line: &str, inside: bool) -> Option<Vec<&str>> {
    let line = line.trim();
    let bare = line.strip_prefix('|').or((inside && line.contains('|')).then_some(line))?;
    let cells = bare.strip_suffix('|').unwrap_or(bare).split('|');
    Some(cells.map(|cell| cell.trim().trim_matches(['*', '`']).trim()).collect())
}

/// Returns the context that the first line of a table begins.
fn under(cells: &[&str]) -> Result<LineContext, String> {
    let fields: Vec<Field> = cells.iter().map(|cell| field(cell)).collect();
    let has_figures = fields.iter().any(|it| matches!(it, Field::Figure(_) | Field::Rate));
    if fields.contains(&Field::Test) && has_figures {
        return Ok(LineContext::Under(fields));
    }
    match cells.iter().find(|cell| ArenaRow::named(cell).is_ok()) {
        Some(test) => Err(format!("{} begins a table that has no heads", shown(test))),
        None => Ok(LineContext::Foreign),
    }
}

/// Whether a cell belongs to the line below the headings.
fn is_separator_row(cell: &str) -> bool {
    cell.contains('-') && cell.chars().all(|c| matches!(c, '-' | ':'))
}

fn field(head: &str) -> Field {
    match head.to_lowercase().as_str() {
        "model" => Field::Model,
        "test" | "test_name" => Field::Test,
        "t/s" => Field::Rate,
        "t/s (total)" => Field::Figure(Column::Ts),
        "t/s (req)" => Field::Figure(Column::TsReq),
        "peak t/s" => Field::Figure(Column::PeakTs),
        "peak t/s (req)" => Field::Figure(Column::PeakTsReq),
        "ttfr (ms)" => Field::Figure(Column::Ttfr),
        "est_ppt (ms)" => Field::Figure(Column::EstPpt),
        "e2e_ttft (ms)" => Field::Figure(Column::E2eTtft),
        _ => Field::Other,
    }
}

fn row(table: &mut Table, fields: &[Field], cells: &[&str]) -> Result<(), String> {
    if cells.len() != fields.len() {
        let (has, wants) = (cells.len(), fields.len());
        return Err(format!("a row of {has} cells under {wants} heads"));
    }
    let with = |wanted: Field| {
        let index = fields.iter().position(|field| *field == wanted);
        index.and_then(|index| cells.get(index)).copied().unwrap_or_default()
    };
    let mut row = ArenaRow::named(with(Field::Test))?;
    for (field, cell) in fields.iter().zip(cells) {
        let columns: &[Column] = match field {
            Field::Figure(column) => &[*column],
            Field::Rate => &[Column::Ts, Column::TsReq],
            _ => continue,
        };
        let Some(spread) = spread(cell)? else { continue };
        for column in columns {
            set_spread(&mut row, *column, spread.clone())?;
        }
    }
    put(table, row, with(Field::Model))
}

/// Parses `35.33 ± 0.00`, or a mean alone, whose deviation is unknown; `None` for an empty cell.
fn spread(cell: &str) -> Result<Option<Spread>, String> {
    if matches!(cell, "" | "-" | "–" | "—") {
        return Ok(None);
    }
    let number = |text: &str| {
        let text = text.trim().trim_matches('*');
        figure(&without_commas(text).unwrap_or_else(|| text.to_owned()))
    };
    let parts = cell.split_once('±').or_else(|| cell.split_once("+/-"));
    let spread = match parts {
        Some((mean, std)) => {
            number(mean).zip(number(std)).map(|(mean, std)| Spread::reported(mean, std))
        }
        None => number(cell).map(|mean| Spread::reported(mean, None)),
    };
    spread.map(Some).ok_or_else(|| format!("{} is no `mean ± deviation`", shown(cell)))
}
