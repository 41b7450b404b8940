//! The table of depths, and how it is made short.

use crate::analysis::Analysis;
use crate::fact::Ended;
use crate::measure::Quantity;
use crate::report::layout::{NONE, counted, table, times};
use crate::spec::Select;
use crate::unit::{figures, grouped};

/// The table of depths; concurrencies are pooled, `--wide` has them apart.
pub fn depths(analysis: &Analysis) -> Vec<String> {
    let depths: Vec<u64> = analysis.planned_depths();
    let selects: Vec<Select> = depths
        .iter()
        .map(|depth| Select { depth: Some(*depth), ..Select::default() })
        .filter(|select| analysis.atoms_of(select).next().is_some())
        .collect();
    if selects.is_empty() {
        return Vec::new();
    }
    let column = |quantity: Quantity, share: f64, needed: u64| -> Vec<Option<f64>> {
        let value = |select| {
            let dist = analysis.dist(quantity, select);
            dist.percentile(share).filter(|_| dist.n() >= needed)
        };
        selects.iter().map(value).collect()
    };
    let (ttft, ttft_p95) = (column(Quantity::Ttft, 0.5, 1), column(Quantity::Ttft, 0.95, 60));
    let (tpot, tpot_p95) = (column(Quantity::Tpot, 0.5, 1), column(Quantity::Tpot, 0.95, 60));
    let speed = column(Quantity::TokensPerS, 0.5, 1);
    let (ttft, tpot) = (times(&[ttft, ttft_p95].concat()), times(&[tpot, tpot_p95].concat()));
    let heads = ["depth", "n", "TTFT p50", "p95", "TPOT p50", "p95", "tok/s", "bad"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for (index, select) in selects.iter().enumerate() {
        // What the percentiles beside it were taken from.
        let n = analysis.dist(Quantity::E2e, select).n();
        let bad = analysis.count_ended(select, Ended::is_bad);
        rows.push(vec![
            format!("d{}", select.depth.unwrap_or(0)),
            grouped(n as f64),
            ttft[index].clone(),
            ttft[selects.len() + index].clone(),
            tpot[index].clone(),
            tpot[selects.len() + index].clone(),
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
    let words = format!("  … {}: --wide", counted(left_out as u64, "more depth", "more depths"));
    rows.splice(middle..middle + left_out, [words]);
    rows
}
