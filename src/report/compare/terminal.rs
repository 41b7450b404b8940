//! Formats a comparison for a terminal or a forum: 80 columns.

use crate::compare::{Comparison, Variable};
use crate::measure::Unit;
use crate::report::layout::{LABEL, cut, finish, labelled, packed, table_within};
use crate::report::printable::Printable;
use crate::report::published::{self, ColumnSet};
use crate::report::words::counted;

use super::proves::proves;
use super::{
    beside, columns, headline, is_told, method, noted, policies, seen, streams, tally, trends,
    variables, verdicts, with_intervals,
};

/// Width of the report in columns.
const WIDTH: usize = 80;

/// Short name of a throughput in a narrow column.
const TOKENS_PER_S: &str = "tok/s";

/// Bound on reasons, changes and similar items without `wide`.
const ITEMS_MAX: usize = 8;

/// Bound on the lines of an item with `wide`.
const LINES_MAX_WIDE: usize = 40;

/// Columns left out of a table that is too wide: first both sides' values, then the interval. The
/// change and its word stay.
const COLUMNS_DROPPED: [&[usize]; 2] = [&[3, 2], &[3]];

/// Writes the report; with `wide`, every row.
pub(crate) fn render(comparison: &Comparison, wide: bool) -> Printable {
    let mut lines = cut(&format!("{}  {}", headline(comparison), variables(comparison)), WIDTH, 2);
    lines.push(String::new());
    let under = |label: &str, items: &[String], lines_max: usize| {
        let lines_max = if wide { LINES_MAX_WIDE } else { lines_max };
        let most = if wide { items.len() } else { ITEMS_MAX };
        let reported = items.iter().take(most);
        let mut all: Vec<String> =
            reported.flat_map(|item| cut(item, WIDTH - LABEL, lines_max)).collect();
        if items.len() > most {
            all.push(format!("and {} more: --wide", items.len() - most));
        }
        labelled(label, all)
    };
    for (label, names) in ["base", "candidate"].iter().zip(&comparison.names) {
        lines.extend(under(label, &[side(names, wide)], 1));
    }
    if comparison.differs.variables.len() > 1 {
        let items: Vec<String> =
            comparison.differs.variables.iter().map(Variable::in_words).collect();
        lines.extend(under("changed", &items, 2));
    }
    lines.extend(under("beside", &beside(comparison), 2));
    lines.extend(under("because", &comparison.decision.sentences(), 3));
    if let Some(table) = &comparison.table {
        lines.extend(under("summary", &published::summary(table), 3));
    }
    if let Some(table) = &comparison.table {
        lines.push(String::new());
        let columns = if wide { ColumnSet::All } else { ColumnSet::Primary };
        let shown = published::selected(&comparison.published, table, wide);
        lines.extend(published::lines(&shown, &comparison.published, columns, WIDTH));
    } else {
        lines.extend(rows(comparison, wide));
    }
    if wide && !comparison.streams.is_empty() {
        lines.push(String::new());
        lines.extend(streams::levels(&comparison.streams));
    }
    lines.push(String::new());
    let mut by_streams = streams::lines(&comparison.streams, wide);
    by_streams.extend(streams::others(&comparison.streams).filter(|_| !wide));
    lines.extend(under("streams", &by_streams, 2));
    for (label, items) in ["growth", "drift"].iter().zip(trends::lines(comparison, wide)) {
        lines.extend(under(label, &items, 4));
    }
    let policies = policies(comparison, !wide);
    lines.extend(labelled("policy", packed(&policies, WIDTH - LABEL)));
    lines.extend(labelled("proves", packed(&proves(comparison), WIDTH - LABEL)));
    let mut also: Vec<String> = comparison.noted.iter().map(noted).collect();
    also.insert(0, verdicts(comparison));
    lines.extend(labelled("also", packed(&also, WIDTH - LABEL)));
    lines.extend(labelled("seen", packed(&seen(comparison), WIDTH - LABEL)));
    lines.extend(under("method", &[method(comparison)], 3));
    Printable::terminal(&finish(&lines, if wide { 400 } else { WIDTH }))
}

fn side(names: &[String], wide: bool) -> String {
    match names {
        [one] => one.clone(),
        [first, ..] if !wide => {
            format!("{}: {first} …", counted(names.len() as u64, "start", "starts"))
        }
        _ => names.join(" "),
    }
}

fn rows(comparison: &Comparison, wide: bool) -> Vec<String> {
    let rows = &comparison.rows;
    let (reported, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| wide || is_told(row));
    if rows.is_empty() {
        return vec![String::new(), "  nothing was measured on both sides".to_owned()];
    }
    let head = ["where", "measure", "base", "candidate", "change", "95 %", ""];
    let mut cells = vec![head.map(str::to_owned).to_vec()];
    cells.extend(reported.iter().map(|row| {
        let mut columns = columns(row, rows);
        if wide {
            columns.splice(2..4, with_intervals(row));
        }
        if row.key.measure.unit() == Unit::TokensPerSecond {
            // One column names the unit for both values, so that the word behind them has room.
            TOKENS_PER_S.clone_into(&mut columns[1]);
            for value in &mut columns[2..4] {
                *value = value.replace(&format!(" {TOKENS_PER_S}"), "");
            }
        }
        if !wide && let Some(word) = columns.last_mut() {
            // The full phrase does not fit into 80 columns; `changed` alone has the same meaning.
            *word = word.replace("changed below the margin", "changed");
        }
        columns
    }));
    // The word is aligned left in its column, behind the numbers.
    let width = cells.iter().filter_map(|row| row.last()).map(|it| it.chars().count()).max();
    for row in &mut cells {
        if let (Some(word), Some(width)) = (row.last_mut(), width) {
            *word = format!("{word:<width$}");
        }
    }
    let mut lines = vec![String::new()];
    lines.extend(table_within(cells, 2, WIDTH, if wide { &[] } else { &COLUMNS_DROPPED }));
    if !others.is_empty() {
        lines.push(format!("  {}: --wide", tally(others.into_iter())));
    }
    lines
}
