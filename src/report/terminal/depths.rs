//! The table of depths, and how it is made short.

use crate::analysis::Analysis;
use crate::fact::{Ended, Load};
use crate::measure::Quantity;
use crate::report::layout::{NONE, counted, table, times};
use crate::spec::Select;
use crate::unit::{figures, grouped};

/// The rows of the table, each with its name. Concurrencies of a depth are pooled, `--wide` has
/// them apart; where one of its loads is an open loop each has a row, since what an open loop
/// takes is up to its rate. What has no cell has a row for each class, below the depths.
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
    parts.retain(|(_, select)| analysis.atoms_of(select).next().is_some());
    parts
}

/// The table of depths.
pub fn depths(analysis: &Analysis) -> Vec<String> {
    let parts = parts(analysis);
    if parts.is_empty() {
        return Vec::new();
    }
    let column = |quantity: Quantity, share: f64, needed: u64| -> Vec<Option<f64>> {
        let value = |(_, select): &(String, Select)| {
            let dist = analysis.dist(quantity, select);
            dist.percentile(share).filter(|_| dist.n() >= needed)
        };
        parts.iter().map(value).collect()
    };
    let (ttft, ttft_p95) = (column(Quantity::Ttft, 0.5, 1), column(Quantity::Ttft, 0.95, 60));
    let (tpot, tpot_p95) = (column(Quantity::Tpot, 0.5, 1), column(Quantity::Tpot, 0.95, 60));
    let speed = column(Quantity::TokensPerS, 0.5, 1);
    let (ttft, tpot) = (times(&[ttft, ttft_p95].concat()), times(&[tpot, tpot_p95].concat()));
    let apart = parts.iter().any(|(_, select)| select.load.is_some() || select.depth.is_none());
    let first = if apart { "cell" } else { "depth" };
    let heads = [first, "n", "TTFT p50", "p95", "TPOT p50", "p95", "tok/s", "bad"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for (index, (name, select)) in parts.iter().enumerate() {
        // What the percentiles beside it were taken from.
        let n = analysis.dist(Quantity::E2e, select).n();
        let bad = analysis.count_ended(select, Ended::is_bad);
        rows.push(vec![
            name.clone(),
            grouped(n as f64),
            ttft[index].clone(),
            ttft[parts.len() + index].clone(),
            tpot[index].clone(),
            tpot[parts.len() + index].clone(),
            speed[index].map_or(NONE.to_owned(), figures),
            grouped(bad as f64),
        ]);
    }
    table(&rows, 1)
}

/// A table with its middle left out, in at most `room` lines, a blank line included.
pub fn shorter(mut rows: Vec<String>, room: usize) -> Vec<String> {
    let room = room.saturating_sub(1);
    if rows.len() <= room || room < 4 {
        rows.truncate(room);
        return rows;
    }
    let left_out = rows.len() - room + 1;
    let middle = room / 2;
    // What the first column is a list of.
    let noun = rows.first().and_then(|head| head.split_whitespace().next()).unwrap_or("row");
    let (one, many) = (format!("more {noun}"), format!("more {noun}s"));
    let words = format!("  … {}: --wide", counted(left_out as u64, &one, &many));
    rows.splice(middle..middle + left_out, [words]);
    rows
}
