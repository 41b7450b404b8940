//! Reads the Markdown tables that llama-benchy prints and that users paste: `mean ± deviation` in
//! every cell, to two digits. Each table of a text with tests and figures is one benchmark; other
//! tables, and prose, are skipped.

use crate::analysis::arena::{ArenaRow, Column, Spread, Table};
use crate::error::Mistake;

use super::{figure, llama_bench, put, set_spread, shown, without_commas, wrong};

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

/// Table of a text.
pub(super) struct TextTable {
    /// Heading above it; empty without one.
    pub(super) heading: String,
    /// Line of its heads.
    pub(super) line: u64,
    /// Its content, or the first mistake in it.
    pub(super) read: Result<Table, Mistake>,
}

/// Reads the tables of a text.
///
/// # Errors
/// There is no table of tests and figures.
pub(super) fn read(origin: &str, text: &str) -> Result<Vec<TextTable>, Mistake> {
    let mut place = LineContext::Prose;
    let (mut heading, mut of_llama_bench) = ("", None);
    let mut tables: Vec<TextTable> = Vec::new();
    for (line, text) in (1_u64..).zip(text.lines()) {
        let inside = !matches!(place, LineContext::Prose);
        let Some(cells) = cells(text, inside) else {
            place = LineContext::Prose;
            if text.starts_with('#') {
                heading = text.trim_matches(['#', ' ']);
            }
            continue;
        };
        match &place {
            LineContext::Prose => {
                let begun = under(&cells);
                if matches!(begun, Ok(LineContext::Under(_)) | Err(_)) {
                    let heading = heading.to_owned();
                    tables.push(TextTable { heading, line, read: Ok(Table::default()) });
                }
                if is_llama_bench(&cells) {
                    of_llama_bench = of_llama_bench.or(Some(line));
                }
                place = begun.unwrap_or_else(|why| {
                    let hint = "its heads in a line above: | model | test | …";
                    fail(&mut tables, wrong(origin, line, why).hint(hint));
                    LineContext::Foreign
                });
            }
            LineContext::Foreign => {}
            LineContext::Under(_) if cells.iter().all(|cell| is_separator_row(cell)) => {}
            LineContext::Under(fields) => {
                let Some(TextTable { read: Ok(table), .. }) = tables.last_mut() else { continue };
                if let Err(why) = row(table, fields, &cells) {
                    fail(&mut tables, wrong(origin, line, why));
                }
            }
        }
    }
    match (tables.is_empty(), of_llama_bench) {
        (false, _) => Ok(tables),
        (true, Some(line)) => Err(llama_bench(origin).at(format!("{origin}:{line}"))),
        (true, None) => Err(Mistake::new("no table here has a column `test` and one of figures")
            .at(origin)
            .hint("| model | test | t/s (total) | …, as llama-benchy prints it")),
    }
}

/// Sets the first mistake of the last table.
fn fail(tables: &mut [TextTable], mistake: Mistake) {
    if let Some(table) = tables.last_mut() {
        table.read = Err(mistake);
    }
}

/// Heads that only llama-bench's tables have.
const LLAMA_BENCH: [&str; 8] =
    ["backend", "ngl", "params", "threads", "n_ubatch", "n_batch", "type_k", "mmap"];

/// Whether the heads are those of llama-bench.
fn is_llama_bench(cells: &[String]) -> bool {
    let is_known = |cell: &String| LLAMA_BENCH.contains(&cell.to_lowercase().as_str());
    cells.iter().any(is_known) && cells.iter().any(|cell| field(cell) == Field::Test)
}

/// Splits a line of a table into cells. Below its first line a table may omit the outer bars.
fn cells(line: &str, inside: bool) -> Option<Vec<String>> {
    let line = line.trim();
    let bare = line.strip_prefix('|').or((inside && line.contains('|')).then_some(line))?;
    let cells = bare.strip_suffix('|').unwrap_or(bare).split('|');
    Some(cells.map(|cell| cell.replace(['*', '`'], "").trim().to_owned()).collect())
}

/// Returns the context that the first line of a table begins.
fn under(cells: &[String]) -> Result<LineContext, String> {
    if is_llama_bench(cells) {
        return Ok(LineContext::Foreign);
    }
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
    match head.to_lowercase().replace(['(', ')'], "").as_str() {
        "model" => Field::Model,
        "test" | "test_name" | "test name" => Field::Test,
        "t/s" => Field::Rate,
        "t/s total" => Field::Figure(Column::Ts),
        "t/s req" | "t/s per request" => Field::Figure(Column::TsReq),
        "peak t/s" => Field::Figure(Column::PeakTs),
        "peak t/s req" | "peak t/s per request" => Field::Figure(Column::PeakTsReq),
        "ttfr ms" => Field::Figure(Column::Ttfr),
        "est_ppt ms" | "estimated ppt ms" => Field::Figure(Column::EstPpt),
        "e2e_ttft ms" | "e2e ttft ms" => Field::Figure(Column::E2eTtft),
        _ => Field::Other,
    }
}

fn row(table: &mut Table, fields: &[Field], cells: &[String]) -> Result<(), String> {
    if cells.len() != fields.len() {
        let (has, wants) = (cells.len(), fields.len());
        return Err(format!("a row of {has} cells under {wants} heads"));
    }
    let with = |wanted: Field| {
        let index = fields.iter().position(|field| *field == wanted);
        index.and_then(|index| cells.get(index)).map_or("", String::as_str)
    };
    // What people add to a name: `pp2048 @ d4096 (prefill)`.
    let name = with(Field::Test);
    let name = name.strip_suffix("(prefill)").or(name.strip_suffix("(decode)")).unwrap_or(name);
    let mut row = ArenaRow::named(name)?;
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
