//! Lays out the tables behind the report at their full width.

use super::layout::{finish, grid, table};
use super::page::{Grid, IncidentWords, Page, seqs};
use super::terminal::incident_lines;

/// Width of an incident's sentence in columns.
const INCIDENT_CHARS_MAX: usize = 240;

/// Bound on a line in columns. Tables have their full width; it only guards against absurd lines.
const COLUMNS_MAX: usize = 400;

/// Returns all tables, a blank line before each. The command that repeats the run is whole: it is
/// there to be copied.
pub(super) fn text(page: &Page<'_>) -> String {
    let again = &page.asked.again;
    let is_again = |line: &String| !again.is_empty() && line.trim_end().ends_with(again.as_str());
    lines(page)
        .iter()
        .map(|line| {
            finish(
                std::slice::from_ref(line),
                if is_again(line) { usize::MAX } else { COLUMNS_MAX },
            )
        })
        .collect()
}

fn lines(page: &Page<'_>) -> Vec<String> {
    let tables = &page.tables;
    let sections = [
        ("run", grid(&tables.run)),
        ("cells", grid(&tables.cells)),
        (
            "percentiles [95 % interval]",
            noted(&tables.percentiles, page.percentiles_left_out.as_slice()),
        ),
        ("streams", grid(&tables.streams)),
        ("speculative decoding", grid(&tables.acceptance)),
        ("endings", grid(&tables.endings)),
        ("settings", grid(&tables.settings)),
        ("gates", grid(&tables.gates)),
        ("what the time proves", grid(&tables.bounds)),
        ("findings", grid(&tables.findings)),
        ("incidents", incidents(&page.incidents)),
        ("errors in words", grid(&tables.errors)),
        ("coverage", grid(&tables.coverage)),
        ("changes over the hours", grid(&tables.trends)),
        ("growth by time and work [each bound 95 %]", grid(&tables.rates)),
        ("levels", grid(&tables.levels)),
        ("series", noted(&tables.series, &page.series_left_out)),
    ];
    let label = if page.asked.simulated { " (SIMULATED)" } else { "" };
    let mut lines = Vec::new();
    for (name, body) in sections.into_iter().filter(|(_, body)| !body.is_empty()) {
        lines.extend([String::new(), format!("{name}{label}")]);
        lines.extend(body);
    }
    lines
}

/// Returns a table, with the notes on what was left out below it.
fn noted(table: &Grid, left_out: &[String]) -> Vec<String> {
    let mut lines = grid(table);
    if !lines.is_empty() {
        lines.extend(left_out.iter().map(|words| format!("  {words}")));
    }
    lines
}

fn incidents(incidents: &[IncidentWords<'_>]) -> Vec<String> {
    let row = |words: &IncidentWords<'_>| {
        let kinds: Vec<&str> = words.incident.kinds.iter().map(|kind| kind.word()).collect();
        let sentence = incident_lines(words, INCIDENT_CHARS_MAX, 1).concat();
        vec![kinds.join(" + "), format!("{sentence}{}", seqs(&words.incident.evidence))]
    };
    table(&incidents.iter().map(row).collect::<Vec<_>>(), 2)
}
