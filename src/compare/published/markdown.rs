//! Reads the Markdown table that llama-benchy prints and that people paste:
//! `mean ± deviation` in every cell, to two digits.

use crate::analysis::arena::{Column, Row, Spread, Table};
use crate::error::Mistake;

use super::{figure, shown, wrong};

/// What a column of the table is.
#[derive(Clone, Copy, PartialEq)]
enum Field {
    Model,
    Test,
    Figure(Column),
    /// The only rate of a table of one stream: that of all streams and of each.
    Rate,
    Other,
}

/// Reads the first table of the text that names tests; what is no line of a table is prose.
pub(super) fn read(origin: &str, text: &str) -> Result<Table, Mistake> {
    let mut fields: Vec<Field> = Vec::new();
    let mut table = Table::default();
    for (line, text) in (1_u64..).zip(text.lines()) {
        let Some(cells) = cells(text) else {
            if table.rows.is_empty() {
                fields.clear();
                continue;
            }
            break;
        };
        if fields.is_empty() {
            let heads: Vec<Field> = cells.iter().map(|cell| field(cell)).collect();
            if heads.contains(&Field::Test) {
                fields = heads;
            }
        } else if !cells.iter().all(|cell| is_ruler(cell)) {
            take(&mut table, &fields, &cells).map_err(|why| wrong(origin, line, why))?;
        }
    }
    if fields.is_empty() {
        return Err(Mistake::new("no table here has a column `test`")
            .at(origin)
            .hint("| model | test | t/s (total) | …, as llama-benchy prints it"));
    }
    Ok(table)
}

/// The cells of a line of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let line = line.trim().strip_prefix('|')?;
    Some(line.strip_suffix('|').unwrap_or(line).split('|').map(str::trim).collect())
}

/// Whether it is of the line under the heads.
fn is_ruler(cell: &str) -> bool {
    cell.contains('-') && cell.chars().all(|c| matches!(c, '-' | ':'))
}

fn field(head: &str) -> Field {
    match head {
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

fn take(table: &mut Table, fields: &[Field], cells: &[&str]) -> Result<(), String> {
    let with = |wanted: Field| {
        let index = fields.iter().position(|field| *field == wanted);
        index.and_then(|index| cells.get(index)).copied().unwrap_or_default()
    };
    let mut row = Row::named(with(Field::Test))?;
    for (field, cell) in fields.iter().zip(cells) {
        let columns: &[Column] = match field {
            Field::Figure(column) => &[*column],
            Field::Rate => &[Column::Ts, Column::TsReq],
            _ => continue,
        };
        let Some(spread) = spread(cell)? else { continue };
        row.columns.extend(columns.iter().map(|column| (*column, spread.clone())));
    }
    if table.model.is_empty() {
        with(Field::Model).clone_into(&mut table.model);
    }
    if !row.columns.is_empty() {
        table.rows.push(row);
    }
    Ok(())
}

/// `35.33 ± 0.00`; nothing where the cell is empty.
fn spread(cell: &str) -> Result<Option<Spread>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    let (mean, std) = cell.split_once('±').unwrap_or((cell, "0"));
    let spread = figure(mean).zip(figure(std)).map(|(mean, std)| Spread::told(mean, std));
    spread.map(Some).ok_or_else(|| format!("{} is no `mean ± deviation`", shown(cell)))
}
