//! Formats two tables of a benchmark side by side, as lines for a terminal and as a Markdown table.
//! A row under an artefact has the corrected measure. The reasons follow at the end, once for each
//! kind.

use crate::analysis::arena::{Column, Spread};
use crate::compare::advice::percent;
use crate::compare::published::summary::BAND;
use crate::compare::published::{
    Artefact, CorrectedMeasure, NOT_PUBLISHED, Published, TableSummary, TableWord,
};
use crate::unit::{figures, grouped};
use std::collections::{BTreeMap, BTreeSet};

use super::layout::{table, wrap};
use super::markdown::Markdown;
use super::words::{counted, percent_short};

/// Text for a value that a table does not give.
const UNKNOWN: &str = "unknown";

/// Bytes reserved for the note that rows were left out.
const LEFT_OUT_BYTES: usize = 80;

/// Columns to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnSet {
    /// Total, time to the first frame, and peak of an answer.
    Primary,
    All,
}

/// Bounds on the tests that a summary names, and on those in a table.
const NAMED_MAX: usize = 4;
const TESTS_MAX: usize = 16;

/// Formats the word of a run beside a table: `SLOWER THAN THE TABLE by 12 % (median of 40 tests)`.
pub(crate) fn headline(table: &TableSummary) -> String {
    let Some(median) = table.median else {
        return "NOT COMPARABLE WITH THE TABLE".to_owned();
    };
    let tests = counted((table.within + table.outside.len()) as u64, "test", "tests");
    let by = percent_short((median - 1.0).abs());
    match table.word {
        TableWord::Slower => format!("SLOWER THAN THE TABLE by {by}, the median of {tests}"),
        TableWord::Faster => format!("FASTER THAN THE TABLE by {by}, the median of {tests}"),
        TableWord::Within | TableWord::Apart => {
            let (band, change) = (percent_short(BAND), percent(median));
            format!("WITHIN {band} OF THE TABLE: {change}, the median of {tests}")
        }
    }
}

/// Returns the summary, in sentences: what is alike, slower and faster, what could not be held
/// against each other, and what to do for a sharper answer.
pub(crate) fn summary(table: &TableSummary) -> Vec<String> {
    let tests = |n: usize| counted(n as u64, "test", "tests");
    let mut items = Vec::new();
    if table.median.is_some() {
        items.push(format!("within {}: {}", percent_short(BAND), tests(table.within)));
    }
    for (word, is_slower) in [("slower", true), ("faster", false)] {
        let mut of: Vec<&(String, f64)> =
            table.outside.iter().filter(|(_, speed)| (*speed < 1.0) == is_slower).collect();
        if of.is_empty() {
            continue;
        }
        of.sort_by(|one, other| other.1.ln().abs().total_cmp(&one.1.ln().abs()));
        let named = of.iter().take(NAMED_MAX);
        let named: Vec<String> =
            named.map(|(test, speed)| format!("{test} {}", percent(*speed))).collect();
        let more = if of.len() > NAMED_MAX { " …" } else { "" };
        items.push(format!("{word}: {}: {}{more}", tests(of.len()), named.join(", ")));
    }
    for (why, n) in &table.apart {
        items.push(format!("not held against each other: {}: {why}", tests(*n)));
    }
    if table.missing > 0 {
        items.push(format!("only in the table: {}", tests(table.missing)));
    }
    items.push(next(table).to_owned());
    items
}

/// Returns what to do for a sharper answer.
fn next(table: &TableSummary) -> &'static str {
    if !table.apart.is_empty() {
        "next: a run that sends as the table's did: --scenario spark_arena_v2 where it has ctx_ \
         rows, a cold ladder (prefix: cold) where it has none"
    } else if table.missing > 0 {
        "next: a run of all the table's tests: --scenario spark_arena_v2 where it has ctx_ rows, \
         else its --depths and --concurrency"
    } else {
        "next: a table has no spread: two sides of longhaul's own runs can be decided"
    }
}

/// Returns the rows to show: without `wide` those of tests that both sides have; where these are
/// many, those outside of the band, and one for each kind of artefact.
pub(crate) fn selected(rows: &[Published], table: &TableSummary, wide: bool) -> Vec<Published> {
    if wide {
        return rows.to_vec();
    }
    let is_shared = |row: &&Published| row.base.is_some() && row.candidate.is_some();
    let mut shown: BTreeSet<&str> =
        rows.iter().filter(is_shared).map(|row| row.test.as_str()).collect();
    if shown.len() > TESTS_MAX {
        shown = table.outside.iter().take(TESTS_MAX).map(|(test, _)| test.as_str()).collect();
        let mut artefacts = BTreeMap::new();
        for row in rows.iter().filter(is_shared) {
            if let Some(honest) = &row.honest {
                artefacts.entry(honest.what).or_insert(row.test.as_str());
            }
        }
        shown.extend(artefacts.into_values());
    }
    rows.iter().filter(|row| shown.contains(row.test.as_str())).cloned().collect()
}

/// Returns a line on the tests that are not shown, where there are some.
fn left_out(rows: &[Published], shown: &[Published]) -> Option<String> {
    let left = tests(rows).len() - tests(shown).len();
    (left > 0).then(|| format!("{}: --wide", counted(left as u64, "more test", "more tests")))
}

/// Returns the names of the tests, in order.
fn tests(rows: &[Published]) -> Vec<&str> {
    let mut tests: Vec<&str> = rows.iter().map(|row| row.test.as_str()).collect();
    tests.dedup();
    tests
}

/// Returns the rows for a terminal, at most `width` columns.
/// `all` holds also those that are not shown; artefacts are counted among all.
pub(crate) fn lines(
    rows: &[Published],
    all: &[Published],
    columns: ColumnSet,
    width: usize,
) -> Vec<String> {
    let mut lines = Vec::new();
    let body = body(rows, columns);
    if body.len() > 1 {
        lines.extend(table(&body, 2));
    }
    if let Some(alone) = alone(rows, columns) {
        lines.push(format!("  {alone}: --wide"));
    }
    lines.extend(left_out(all, rows).map(|left_out| format!("  {left_out}")));
    for reason in reasons(all, columns).into_iter().chain(repeated(rows)) {
        lines.push(String::new());
        lines.extend(indented(&reason, width));
    }
    lines.push(String::new());
    lines.extend(indented(&missing_from_tables(), width));
    lines
}

/// Returns the rows as Markdown, as many as fit into `bytes_max`.
pub(crate) fn markdown(rows: &[Published], columns: ColumnSet, bytes_max: usize) -> Markdown {
    let body = body(rows, columns);
    let mut end = Markdown::default();
    end.markup("\n");
    let alone = alone(rows, columns).map(|alone| format!("{alone}."));
    for reason in reasons(rows, columns).into_iter().chain(repeated(rows)).chain(alone) {
        end.markup("- ").text(&reason).markup("\n");
    }
    end.markup("\n").text(&missing_from_tables()).markup("\n");
    let mut out = Markdown::default();
    out.row(&body[0]).markup("|:--|:--|--:|--:|--:|\n");
    for (index, row) in body[1..].iter().enumerate() {
        let mut line = Markdown::default();
        line.row(row);
        if out.len() + line.len() + end.len() + LEFT_OUT_BYTES > bytes_max {
            let left_out = body.len() - 1 - index;
            out.markup("\n").text(&left_out.to_string());
            out.markup(" rows left out: a comment holds no more.\n");
            break;
        }
        out.append(&line);
    }
    out.append(&end);
    out
}

/// Returns a sentence on what no published table contains.
pub(crate) fn missing_from_tables() -> String {
    let (last, others) =
        (NOT_PUBLISHED[NOT_PUBLISHED.len() - 1], &NOT_PUBLISHED[..NOT_PUBLISHED.len() - 1]);
    format!("{UNKNOWN} in a published table: {} and {last}.", others.join(", "))
}

fn body(rows: &[Published], columns: ColumnSet) -> Vec<Vec<String>> {
    let heads = ["test", "", "base", "candidate", "ratio"];
    let mut body = vec![heads.map(str::to_owned).to_vec()];
    let mut test = "";
    for row in rows.iter().filter(|row| is_shown(row, columns)) {
        // The name is shown only at the first of its columns.
        let name = if row.test == test { "" } else { &row.test };
        test = &row.test;
        let unit = unit(row.column);
        let side = |spread: &Option<Spread>| match spread {
            Some(spread) => amount(spread.mean * unit.1, spread.std.map(|std| std * unit.1)),
            None => UNKNOWN.to_owned(),
        };
        let (base, candidate) = (side(&row.base), side(&row.candidate));
        let last = match row.apart {
            Some(_) => "not held".to_owned(),
            None => ratio(row.ratio),
        };
        body.push(vec![name.to_owned(), unit.0.to_owned(), base, candidate, last]);
        if let Some(honest) = &row.honest {
            body.push(row_below_artefact(honest));
        }
    }
    body
}

/// Returns the row under an artefact.
fn row_below_artefact(honest: &CorrectedMeasure) -> Vec<String> {
    let side = |value: Option<f64>| value.map_or(UNKNOWN.to_owned(), |value| amount(value, None));
    let sides = [side(honest.base), side(honest.candidate)];
    let [base, candidate] = sides;
    vec![String::new(), "  honest".to_owned(), base, candidate, ratio(honest.ratio())]
}

/// Returns the reasons, once for each kind of artefact, with the example of the largest deviation.
fn reasons(rows: &[Published], columns: ColumnSet) -> Vec<String> {
    let mut kinds: BTreeMap<Artefact, (Vec<&str>, f64, String)> = BTreeMap::new();
    for row in rows.iter().filter(|row| is_shown(row, columns)) {
        let Some(honest) = &row.honest else { continue };
        let off = |spread: &Option<Spread>, value: Option<f64>| {
            let (spread, value) = spread.as_ref().zip(value)?;
            (spread.mean > 0.0 && value > 0.0).then(|| (value / spread.mean).ln().abs())
        };
        let sides = [off(&row.base, honest.base), off(&row.candidate, honest.candidate)];
        let off = sides.into_iter().flatten().fold(0.0, f64::max);
        let kind = kinds.entry(honest.what).or_insert_with(|| (Vec::new(), -1.0, String::new()));
        if kind.0.last() != Some(&row.test.as_str()) {
            kind.0.push(&row.test);
        }
        if off > kind.1 {
            (kind.1, kind.2) = (off, format!("{}: {}", row.test, honest.why));
        }
    }
    let reported = kinds.into_iter().map(|(what, (tests, _, example))| {
        let tests = counted(tests.len() as u64, "test", "tests");
        format!("honest ({tests}): {}. {example}.", what.words())
    });
    reported.collect()
}

/// Whether a row is shown. Without all columns, rows of only one side are only counted.
fn is_shown(row: &Published, columns: ColumnSet) -> bool {
    columns == ColumnSet::All
        || is_primary(row.column) && row.base.is_some() && row.candidate.is_some()
}

/// Returns a note on tests that occur several times, where there are some.
fn repeated(rows: &[Published]) -> Option<String> {
    let again: BTreeSet<&str> =
        rows.iter().filter(|row| row.nth > 1).map(|row| row.test.as_str()).collect();
    let first = again.first()?;
    let more = again.len() - 1;
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Some(format!(
        "{first}{more}: rows of one name, as of prompts whose outputs differ, are compared in their order."
    ))
}

/// Returns a note on tests without any shown row: `3 tests on one side only`.
fn alone(rows: &[Published], columns: ColumnSet) -> Option<String> {
    let tests = |is_counted: &dyn Fn(&Published) -> bool| -> BTreeSet<&str> {
        rows.iter().filter(|row| is_counted(row)).map(|row| row.test.as_str()).collect()
    };
    let shown = tests(&|row| is_shown(row, columns));
    let alone = tests(&|_| true).difference(&shown).count();
    (alone > 0).then(|| format!("{} on one side only", counted(alone as u64, "test", "tests")))
}

fn is_primary(column: Column) -> bool {
    matches!(column, Column::Ts | Column::PeakTs | Column::Ttfr)
}

/// Returns a column's unit and the factor of its values: times are shown in seconds.
fn unit(column: Column) -> (&'static str, f64) {
    match column {
        Column::Ts => ("t/s", 1.0),
        Column::TsReq => ("t/s req", 1.0),
        Column::PeakTs => ("peak t/s", 1.0),
        Column::PeakTsReq => ("peak t/s req", 1.0),
        Column::Ttfr => ("ttfr s", 1e-3),
        Column::EstPpt => ("est_ppt s", 1e-3),
        Column::E2eTtft => ("e2e_ttft s", 1e-3),
    }
}

/// Formats `35.3 ± 0.1`: three figures, and the deviation, where known, to as many places.
fn amount(mean: f64, std: Option<f64>) -> String {
    let text = figures(mean);
    let places = text.split_once('.').map_or(0, |(_, places)| places.len());
    match std {
        Some(std) if places == 0 => format!("{text} ± {}", grouped(std)),
        Some(std) => format!("{text} ± {std:.places$}"),
        None => text,
    }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or(UNKNOWN.to_owned(), figures)
}

/// Returns a wrapped paragraph whose lines after the first are indented.
fn indented(text: &str, width: usize) -> Vec<String> {
    let lines = wrap(text, width.saturating_sub(2));
    let margin = |index: usize| if index == 0 { "" } else { "  " };
    lines.iter().enumerate().map(|(index, line)| format!("{}{line}", margin(index))).collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::compare::published::{against, read};

    fn rows() -> Vec<Published> {
        let base = read("july.md", include_str!("../compare/published/july.md"), None).unwrap();
        let mut candidate = base.clone();
        candidate.rows.pop();
        against(&base, &candidate)
    }

    #[test]
    fn the_honest_measure_stands_under_a_number_that_is_an_artefact() {
        let lines = lines(&rows(), &rows(), ColumnSet::Primary, 80);
        assert_snapshot!("primary", lines.join("\n"));
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{}", lines.join("\n"));
    }

    #[test]
    fn what_is_not_known_is_called_unknown() {
        assert_snapshot!("all", lines(&rows(), &rows(), ColumnSet::All, 80).join("\n"));
    }

    #[test]
    fn tests_of_one_side_and_tests_of_one_name_are_told_on_a_terminal_and_in_markdown() {
        let text = "| model | test | t/s |\n|--|--|--|\n| m | pp1 | 5 |\n| m | pp1 | 6 ± 1 |\n";
        let base = read("x", text, None).unwrap();
        let mut candidate = base.clone();
        candidate.rows.push(crate::analysis::arena::ArenaRow::named("tg1").unwrap());
        let of_prompt = candidate.rows[0].columns.clone();
        candidate.rows[2].columns = of_prompt;
        let rows = against(&base, &candidate);
        let terminal = lines(&rows, &rows, ColumnSet::Primary, 80).join("\n");
        let markdown = markdown(&rows, ColumnSet::Primary, 60_000);
        assert_snapshot!("one_name", format!("{terminal}\n\n{}", markdown.as_str()));
    }

    #[test]
    fn markdown_has_the_same_rows() {
        let text = markdown(&rows(), ColumnSet::Primary, 60_000);
        assert_snapshot!("markdown", text.as_str());
        let room = text.len() - 300;
        let short = markdown(&rows(), ColumnSet::Primary, room);
        assert!(short.len() <= room, "{}", short.as_str());
        assert_snapshot!("markdown.short", short.as_str());
    }
}
