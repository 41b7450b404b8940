//! Times and rates by depth, phases taken together.

use crate::analysis::Analysis;
use crate::fact::{Ended, Load};
use crate::measure::Quantity;
use crate::spec::Select;

use super::{Datum, Grid, Heading, Numbers};

/// The rows of the table. Concurrencies of a depth are pooled, `--wide` has them apart; where
/// one of its loads is an open loop each has a row, since what an open loop takes is up to
/// its rate.
fn selects(analysis: &Analysis) -> Vec<Select> {
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
    selects.retain(|select| analysis.atoms_of(select).next().is_some());
    selects
}

/// The table of depths.
pub fn depths(analysis: &Analysis) -> Grid {
    let selects = selects(analysis);
    let apart = selects.iter().any(|select| select.load.is_some());
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
    let row = |select: &Select| {
        let of = |quantity| Numbers::of(&analysis.dist(quantity, select));
        let (ttft, tpot) = (of(Quantity::Ttft), of(Quantity::Tpot));
        let load = select.load.map_or(String::new(), |load| format!(" {load}"));
        vec![
            Datum::Text(format!("d{}{load}", select.depth.unwrap_or(0))),
            // What the percentiles beside it were taken from.
            Datum::Count(of(Quantity::E2e).n),
            Datum::maybe(ttft.p50, Datum::Time),
            Datum::maybe(ttft.p95, Datum::Time),
            Datum::maybe(tpot.p50, Datum::Time),
            Datum::maybe(tpot.p95, Datum::Time),
            Datum::maybe(of(Quantity::TokensPerS).p50, Datum::PerSecond),
            Datum::Count(analysis.count_ended(select, Ended::is_bad)),
        ]
    };
    Grid { headings, rows: selects.iter().map(row).collect() }
}
