//! Builds the table of percentiles with their intervals, a row for each measure of each cell.

use crate::measure::{Measure, Quantity, Statistic};
use crate::stats::Estimate;

use super::cells::Intervals;
use super::{CellNumbers, Grid, GridValue, Heading, Numbers};
use crate::report::words::counted;

/// Builds the table of the steady phases. Numbers without an interval have no row.
pub(super) fn grid(cells: &[CellNumbers<'_>]) -> Grid {
    let mut headings = ["phase", "cell", "class", "measure"].map(Heading::left).to_vec();
    headings.extend(["n", "p50", "p95", "p99"].map(Heading::right));
    let rows = steady(cells).filter(|(.., of)| has_interval(of));
    Grid { headings, rows: rows.map(|(cell, quantity, of)| row(cell, quantity, of)).collect() }
}

/// Says how many rows the table leaves out; `None` where it has all.
pub(super) fn left_out(cells: &[CellNumbers<'_>]) -> Option<String> {
    let left_out = steady(cells).filter(|(.., of)| !has_interval(of)).count();
    let rows = counted(left_out as u64, "row", "rows");
    (left_out > 0).then(|| format!("{rows} left out: too few samples for an interval"))
}

/// Returns the numbers of the steady phases.
fn steady<'a>(
    cells: &'a [CellNumbers<'_>],
) -> impl Iterator<Item = (&'a CellNumbers<'a>, Quantity, &'a Numbers)> {
    let steady = cells.iter().filter(|cell| cell.phase.is_steady());
    steady.flat_map(|cell| {
        let numbers = quantities(cell).into_iter();
        numbers.filter_map(move |quantity| Some((cell, quantity, cell.measures.get(&quantity)?)))
    })
}

fn has_interval(of: &Numbers) -> bool {
    let Intervals { p50, p95, p99 } = of.intervals;
    p50.or(p95).or(p99).is_some()
}

/// Returns the quantities of a cell that have a row.
fn quantities(cell: &CellNumbers<'_>) -> Vec<Quantity> {
    let mut all = vec![Quantity::Ttft, Quantity::Tpot, Quantity::E2e, Quantity::PrefillPerS];
    if cell.group.streams() > 1 {
        all.push(Quantity::Throughput);
    }
    if cell.is_open() {
        all.extend([Quantity::TtftDue, Quantity::E2eDue]);
    }
    all
}

fn row(cell: &CellNumbers<'_>, quantity: Quantity, of: &Numbers) -> Vec<GridValue> {
    let within = |statistic, value: Option<Estimate>, interval| {
        let measure = Measure::Of(quantity, statistic);
        value.map_or(GridValue::Nothing, |value| GridValue::Within(measure, value, interval))
    };
    vec![
        GridValue::text(cell.phase.word()),
        GridValue::Text(cell.group.cell_word()),
        GridValue::text(cell.group.class.word()),
        GridValue::text(quantity.word()),
        GridValue::Count(of.n),
        within(Statistic::P50, of.p50, of.intervals.p50),
        within(Statistic::P95, of.p95, of.intervals.p95),
        within(Statistic::P99, of.p99, of.intervals.p99),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::analysis::fixture::asked;
    use crate::incident::fixture::Story;

    #[test]
    fn numbers_without_an_interval_have_no_row_and_are_counted() {
        let mut story = Story::soaking();
        story.goods(10.0, 5, 0).goods(100.0, 6, 4_096);
        let analysis = analyse(&asked(&[0, 4_096]), story.entries.iter());
        let cells: Vec<CellNumbers<'_>> = analysis.atoms.iter().map(CellNumbers::of).collect();
        let table = grid(&cells);
        assert!(
            !table.rows.is_empty() && table.rows.iter().all(|row| row[4] == GridValue::Count(6))
        );
        let words = format!("{} rows left out: too few samples for an interval", table.rows.len());
        assert_eq!(left_out(&cells), Some(words));
    }
}
