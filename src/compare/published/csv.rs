//! Reads `benchmark.csv`. Columns are found by name, since later versions may add some.

use crate::analysis::arena::{ArenaRow, Column, Spread, Table};
use crate::error::{Mistake, nearest};

use super::{figure, put, set_spread, shown, without_commas, wrong};

/// Positions of the columns in the file.
struct Places {
    /// Number of fields of a line.
    fields: usize,
    model: usize,
    test: usize,
    /// Columns with the positions of mean and deviation.
    columns: Vec<(Column, usize, usize)>,
}

/// Reads the file. No field of a benchmark contains a line break, so a line is a row.
pub(super) fn read(origin: &str, text: &str) -> Result<Table, Mistake> {
    let mut lines = (1_u64..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let (line, header) = lines.next().unwrap_or((1, ""));
    let places =
        places(&fields(header)).map_err(|(what, hint)| wrong(origin, line, what).hint(hint))?;
    let mut table = Table::default();
    for (line, text) in lines {
        let fields = fields(text);
        if fields.len() != places.fields {
            let (has, wants) = (fields.len(), places.fields);
            return Err(wrong(origin, line, format!("a row of {has} fields under {wants} heads"))
                .hint("the whole file: a row that was cut says nothing")
                .hint("no comma in a figure; quotes around a name that has one"));
        }
        row(&mut table, &places, &fields).map_err(|(what, hint)| {
            let mistake = wrong(origin, line, what);
            hint.into_iter().fold(mistake, Mistake::hint)
        })?;
    }
    Ok(table)
}

/// Splits a line into its fields.
fn fields(line: &str) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).buffer_capacity(line.len() + 1);
    // Reading from memory does not fail, and a line is a record.
    let record = reader.from_reader(line.as_bytes()).into_records().next();
    let record = record.and_then(Result::ok).unwrap_or_default();
    record.iter().map(|field| field.trim().to_owned()).collect()
}

/// Finds the columns; otherwise returns the missing one, with a similar name as a hint.
fn places(header: &[String]) -> Result<Places, (String, String)> {
    let pairs = Column::ALL.map(|it| [format!("{}_mean", it.word()), format!("{}_std", it.word())]);
    let known = |head: &str| pairs.iter().flatten().any(|it| it == head);
    let place = |name: &str| {
        let missing = || {
            // A heading that is a known column is no misspelling of another.
            let heads = header.iter().map(String::as_str).filter(|head| !known(head));
            let hint = match nearest(name, heads) {
                Some(near) => format!("{name}, where the header has {near}"),
                None => "the 16 columns of benchmark.csv".to_owned(),
            };
            (format!("there is no column `{name}`"), hint)
        };
        header.iter().position(|it| it == name).ok_or_else(missing)
    };
    let (model, test) = (place("model")?, place("test_name")?);
    let mut columns = Vec::new();
    for (column, [mean, std]) in Column::ALL.iter().zip(&pairs) {
        columns.push((*column, place(mean)?, place(std)?));
    }
    Ok(Places { fields: header.len(), model, test, columns })
}

/// Reads a row; otherwise returns the mistake, with a suggestion where there is one.
fn row(
    table: &mut Table,
    places: &Places,
    fields: &[String],
) -> Result<(), (String, Option<String>)> {
    let plain = |why: String| (why, None);
    let mut row = ArenaRow::named(&fields[places.test]).map_err(plain)?;
    for (column, mean, std) in &places.columns {
        let (mean, std) = (number(&fields[*mean])?, number(&fields[*std])?);
        match (mean, std) {
            (Some(mean), std) => {
                set_spread(&mut row, *column, Spread::reported(mean, std)).map_err(plain)?;
            }
            (None, Some(_)) => {
                let name = column.word();
                return Err(plain(format!("`{name}_std` has a figure and `{name}_mean` has none")));
            }
            (None, None) => {}
        }
    }
    put(table, row, &fields[places.model]).map_err(plain)
}

/// Parses a field, which is a figure or empty.
fn number(text: &str) -> Result<Option<f64>, (String, Option<String>)> {
    if text.is_empty() {
        return Ok(None);
    }
    figure(text).map(Some).ok_or_else(|| {
        let hint = match without_commas(text) {
            Some(plain) => format!("{plain}, without commas"),
            None if text.contains('±') => {
                "mean and deviation each in a column of its own, `_mean` and `_std`".to_owned()
            }
            None => "an empty field where there is no figure".to_owned(),
        };
        (format!("{} is not a number", shown(text)), Some(hint))
    })
}
