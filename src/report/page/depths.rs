//! Builds the table of times and rates: a row for each depth and load, with phases pooled.

use std::cmp::Ordering::Equal;

use crate::analysis::Analysis;
use crate::fact::{Cell, Ended, Load};
use crate::measure::Quantity;
use crate::spec::Select;
use crate::verdict::{Verdict, VerdictWord};

use super::{Grid, GridValue, Heading, Numbers};

/// Table of times and rates.
#[derive(Clone, Debug, Default)]
pub(crate) struct DepthTable {
    grid: Grid,
    /// Indices of the rows, the most telling first.
    order: Vec<usize>,
}

impl DepthTable {
    /// Returns the number of rows.
    pub(crate) fn len(&self) -> usize {
        self.grid.rows.len()
    }

    /// Returns the name of what a row is about.
    pub(crate) fn noun(&self) -> &'static str {
        self.grid.headings.first().map_or("row", |heading| heading.words)
    }

    /// Returns the table with the most telling rows, in their order.
    pub(crate) fn of_rows(&self, rows_max: usize) -> Grid {
        let shown = self.order.get(..rows_max).unwrap_or(&self.order);
        let rows = self.grid.rows.iter().enumerate();
        let rows = rows.filter(|(index, _)| shown.contains(index)).map(|(_, row)| row.clone());
        Grid { headings: self.grid.headings.clone(), rows: rows.collect() }
    }
}

/// Returns the rows of the table, each with its name. Where a run has several loads, each has a row
/// of its own: the times of one stream among four are not those of one alone. Groups without a cell
/// have a row for each class, below the depths.
fn parts(analysis: &Analysis) -> Vec<(String, Select)> {
    let mut planned: Vec<&Cell> = analysis.planned.iter().collect();
    planned.sort_by(|one, other| one.order().partial_cmp(&other.order()).unwrap_or(Equal));
    let mut asked: Vec<(u64, Load)> = planned.iter().map(|cell| (cell.depth, cell.load)).collect();
    asked.dedup();
    let is_open = |(_, load): &(u64, Load)| matches!(load, Load::PerSecond(_));
    let is_apart = asked.iter().any(|(_, load)| Some(load) != asked.first().map(|(_, it)| it));
    let is_named = is_apart || asked.iter().any(is_open);
    let part = |(depth, load): (u64, Load)| {
        let select = Select { depth: Some(depth), ..Select::default() };
        if is_named {
            (format!("d{depth} {load}"), Select { load: Some(load), ..select })
        } else {
            (format!("d{depth}"), select)
        }
    };
    let mut parts: Vec<(String, Select)> = asked.into_iter().map(part).collect();
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

/// Returns the indices of the rows, the most telling first: those that broke a gate, the shallowest
/// and the deepest with the lowest load and with the highest, then one load before many.
fn order(parts: &[(String, Select)], verdict: &Verdict) -> Vec<usize> {
    let broken = |select: &Select| {
        verdict.gates.iter().filter(|gate| gate.word == VerdictWord::Fail).any(|gate| {
            let is_of_row = |asked: Option<bool>| asked.unwrap_or(true);
            gate.select.depth.is_some()
                && is_of_row(gate.select.depth.map(|depth| Some(depth) == select.depth))
                && is_of_row(gate.select.load.map(|load| select.load.is_none_or(|it| it == load)))
        })
    };
    let of_depth = |depth: Option<u64>| parts.iter().filter(move |(_, it)| it.depth == depth);
    let depths = || parts.iter().filter_map(|(_, select)| select.depth);
    let rank = |(_, select): &(String, Select)| {
        let is_end = select.depth == depths().min() || select.depth == depths().max();
        let is = |part: Option<&(String, Select)>| part.is_some_and(|(_, it)| it == select);
        let is_lowest = is(of_depth(select.depth).next());
        let is_highest = is(of_depth(select.depth).next_back());
        match () {
            () if select.depth.is_none() || broken(select) => 0,
            () if is_end && is_lowest => 1,
            () if is_end && is_highest => 2,
            () if is_lowest => 3,
            () => 4,
        }
    };
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|index| parts.get(*index).map(rank));
    order
}

/// Builds the table of depths.
pub(super) fn depths(analysis: &Analysis, verdict: &Verdict) -> DepthTable {
    let parts = parts(analysis);
    let order = order(&parts, verdict);
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
    DepthTable { grid: Grid { headings, rows }, order }
}
