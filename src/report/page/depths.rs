//! Builds the table of times and rates by depth, with phases pooled.

use crate::analysis::Analysis;
use crate::fact::{Ended, Load};
use crate::measure::Quantity;
use crate::spec::Select;

use super::{Grid, GridValue, Heading, Numbers};

/// Returns the rows of the table, each with its name. Concurrencies of a depth are pooled; `--wide`
/// separates them. A depth with an open loop has a row for each load, since the times of an open
/// loop depend on its rate. Groups without a cell have a row for each class, below the depths.
fn parts(analysis: &Analysis) -> Vec<(String, Select)> {
    let mut selects = Vec::new();
    for depth in analysis.planned_depths() {
        let mut loads: Vec<Load> = Vec::new();
        for cell in analysis.planned.iter().filter(|cell| cell.depth == depth) {
            if !loads.contains(&cell.load) {
                loads.push(cell.load);
            }
        }
        let open = loads.iter().any(|load| matches!(load, Load::PerSecond(_)));
        let of = |load| Select { depth: Some(depth), load, ..Select::default() };
        if open {
            selects.extend(loads.into_iter().map(|load| of(Some(load))));
        } else {
            selects.push(of(None));
        }
    }
    let name = |select: &Select| {
        let load = select.load.map_or(String::new(), |load| format!(" {load}"));
        format!("d{}{load}", select.depth.unwrap_or(0))
    };
    let mut parts: Vec<(String, Select)> =
        selects.into_iter().map(|select| (name(&select), select)).collect();
    let every = Select::default();
    let without = analysis.without_cell(&every).into_iter();
    parts.extend(without.map(|group| (group.to_string(), every.within(group))));
    let is_asked = |select: &Select| analysis.atoms_of(select).next().is_some();
    // A cell that was planned and never asked has a row without numbers beside those that were.
    if !parts.iter().any(|(_, select)| is_asked(select)) {
        parts.clear();
    }
    parts
}

/// Builds the table of depths.
pub(super) fn depths(analysis: &Analysis) -> Grid {
    let parts = parts(analysis);
    let apart = parts.iter().any(|(_, select)| select.load.is_some() || select.depth.is_none());
    let headings = vec![
        Heading::left(if apart { "cell" } else { "depth" }),
        Heading::right("n"),
        Heading::time("TTFT p50", Quantity::Ttft),
        Heading::time("p95", Quantity::Ttft),
        Heading::time("TPOT p50", Quantity::Tpot),
        Heading::time("p95", Quantity::Tpot),
        Heading::right("tok/s"),
        Heading::right("bad"),
    ];
    let row = |(name, select): &(String, Select)| {
        if analysis.atoms_of(select).next().is_none() {
            let mut row = vec![GridValue::Text(name.clone())];
            row.resize(headings.len(), GridValue::Nothing);
            return row;
        }
        let of = |quantity| Numbers::of(&analysis.dist(quantity, select));
        let (ttft, tpot) = (of(Quantity::Ttft), of(Quantity::Tpot));
        vec![
            GridValue::Text(name.clone()),
            // The sample count of the percentiles in this row.
            GridValue::Count(ttft.n.max(of(Quantity::E2e).n)),
            GridValue::maybe(ttft.p50, GridValue::Time),
            GridValue::maybe(ttft.p95, GridValue::Time),
            GridValue::maybe(tpot.p50, GridValue::Time),
            GridValue::maybe(tpot.p95, GridValue::Time),
            GridValue::maybe(of(Quantity::TokensPerS).p50, GridValue::PerSecond),
            GridValue::Count(analysis.count_ended(select, Ended::is_bad)),
        ]
    };
    let rows = parts.iter().map(row).collect();
    Grid { headings, rows }
}
