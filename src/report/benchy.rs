//! Writes the table as llama-benchy's JSON, so that a run can be compared with a llama-benchy run.

use crate::analysis::arena::Table;
use crate::analysis::arena::benchy::BenchyJson;

use super::printable::Printable;

/// Returns the table as JSON with the keys of llama-benchy 0.4.0; an unknown value is null.
pub(crate) fn json(table: &Table) -> Printable {
    Printable::json(&BenchyJson::of(table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::arena::ArenaFold;
    use crate::analysis::arena::fixture::replay;
    use crate::compare::published;

    fn table() -> Table {
        let mut fold = ArenaFold::new();
        replay().entries.iter().for_each(|entry| fold.fold(entry));
        fold.finish("nemotron")
    }

    #[test]
    fn a_run_is_written_as_llama_benchy_writes_it() {
        assert_eq!(json(&table()).text(), include_str!("arena/benchy.json"));
    }

    #[test]
    fn what_is_written_is_read_back_whole() {
        let read = published::read("benchy.json", json(&table()).text(), None).unwrap();
        let about = |table: &Table| (table.model.clone(), table.origin.clone());
        assert_eq!(about(&read), about(&table()));
        for (read, row) in read.rows.iter().zip(&table().rows) {
            assert_eq!((read.key(), read.prompt, read.output), (row.key(), row.prompt, row.output));
            assert_eq!(read.columns.len(), row.columns.len());
            for (column, spread) in &read.columns {
                // The last digit of a float may change in JSON.
                let other = &row.columns[column];
                assert!((spread.mean - other.mean).abs() < 1e-9, "{column:?}");
                let off = spread.std.zip(other.std).map(|(std, other)| (std - other).abs());
                assert!(off.unwrap() < 1e-9, "{column:?}");
                assert_eq!((spread.n, spread.values.len()), (other.n, other.values.len()));
            }
        }
        assert_eq!(read.rows.len(), table().rows.len());
    }
}
