//! Writes Spark Arena's `benchmark.csv`: the table in sparkrun's form, sixteen columns, lines that
//! end in CR LF, an empty field for an unknown value.

use crate::analysis::arena::{Column, Table};

use super::printable::Printable;

/// Returns the table as `benchmark.csv`. Figures are not rounded.
pub(crate) fn csv(table: &Table) -> Printable {
    let names = Column::ALL.map(Column::word);
    let columns = names.iter().flat_map(|name| [format!("{name}_mean"), format!("{name}_std")]);
    let header = ["model".to_owned(), "test_name".to_owned()].into_iter().chain(columns).collect();
    let with_streams = table.streams_max() > 1;
    let mut rows = vec![header];
    for row in &table.rows {
        let mut record = vec![table.model.clone(), row.name(with_streams)];
        for column in Column::ALL {
            let spread = row.columns.get(&column);
            // Python writes floats as `4.0`, not `4`.
            let figure = |value: Option<f64>| value.map(|it| format!("{it:?}")).unwrap_or_default();
            record.extend([figure(spread.map(|it| it.mean)), figure(spread.and_then(|it| it.std))]);
        }
        rows.push(record);
    }
    Printable::csv(rows)
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
    fn a_run_is_written_as_spark_arena_publishes_it() {
        let golden = include_str!("arena/benchmark.csv");
        let rendered = csv(&table());
        assert!(rendered.text().ends_with("\r\n"));
        assert_eq!(rendered.text().replace("\r\n", "\n"), golden);
    }

    #[test]
    fn what_is_written_is_read_back_and_written_the_same() {
        let rendered = csv(&table());
        let read = published::read("benchmark.csv", rendered.text(), None).unwrap();
        assert_eq!(csv(&read).text(), rendered.text());
        let (one, other) = (&read.rows[2], &table().rows[2]);
        assert_eq!((one.key(), one.mean(Column::Ts)), (other.key(), other.mean(Column::Ts)));
    }

    #[test]
    fn of_one_stream_alone_no_test_names_streams_and_a_comma_is_quoted() {
        let mut table = table();
        table.rows.truncate(2);
        table.model = "a,b".to_owned();
        insta::assert_snapshot!("one_stream", csv(&table).text().replace("\r\n", "\n"));
    }
}
