//! Builds the table of percentiles with their intervals, a row for each measure of each cell.

use crate::measure::{Measure, Quantity, Statistic};
use crate::stats::Estimate;

use super::{CellNumbers, Grid, GridValue, Heading, Numbers};

/// Builds the table of the steady phases.
pub(super) fn grid(cells: &[CellNumbers<'_>]) -> Grid {
    let mut headings = ["phase", "cell", "class", "measure"].map(Heading::left).to_vec();
    headings.extend(["n", "p50", "p95", "p99"].map(Heading::right));
    let steady = cells.iter().filter(|cell| cell.phase.is_steady());
    let rows = steady.flat_map(|cell| {
        let numbers = quantities(cell).into_iter();
        numbers.filter_map(|quantity| Some(row(cell, quantity, cell.measures.get(&quantity)?)))
    });
    Grid { headings, rows: rows.collect() }
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
