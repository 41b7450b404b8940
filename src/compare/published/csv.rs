//! Reads `benchmark.csv`. Columns are found by their names: later ones may come.

use crate::analysis::arena::{Column, Row, Spread, Table};
use crate::error::{Mistake, nearest};

use super::{figure, shown, wrong};

/// Reads the file.
pub(super) fn read(origin: &str, text: &str) -> Result<Table, Mistake> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let broken = |why: csv::Error| Mistake::new(format!("the CSV is broken: {why}")).at(origin);
    let header: Vec<String> = reader.headers().map_err(broken)?.iter().map(str::to_owned).collect();
    let place = |name: &str| {
        let missing = || {
            let near = nearest(name, header.iter().map(String::as_str));
            let near = near.map_or("the 16 columns of benchmark.csv".to_owned(), str::to_owned);
            wrong(origin, 1, format!("there is no column `{name}`")).hint(near)
        };
        header.iter().position(|it| it == name).ok_or_else(missing)
    };
    let (model, test) = (place("model")?, place("test_name")?);
    let mut columns = Vec::new();
    for column in Column::ALL {
        let name = column.name();
        columns.push((column, place(&format!("{name}_mean"))?, place(&format!("{name}_std"))?));
    }
    let mut table = Table::default();
    // The header is line 1; no field of a benchmark has a line break in it.
    for (line, record) in (2..).zip(reader.records()) {
        let record = record.map_err(broken)?;
        let field = |index: usize| record.get(index).unwrap_or_default();
        let mut row = Row::named(field(test)).map_err(|why| wrong(origin, line, why))?;
        for (column, mean, std) in &columns {
            let number = |index: usize| match field(index) {
                "" => Ok(None),
                text => figure(text).map(Some).ok_or_else(|| {
                    wrong(origin, line, format!("{} is no number", shown(text)))
                        .hint("an empty field where there is no figure")
                }),
            };
            let (mean, std) = (number(*mean)?, number(*std)?);
            if let Some(mean) = mean {
                row.columns.insert(*column, Spread::told(mean, std.unwrap_or(0.0)));
            }
        }
        if table.model.is_empty() {
            field(model).clone_into(&mut table.model);
        }
        if !row.columns.is_empty() {
            table.rows.push(row);
        }
    }
    Ok(table)
}
