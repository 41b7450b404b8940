//! Two tables of a benchmark side by side, as lines for a terminal and as a
//! Markdown table. A row under a number that is an artefact has the honest
//! measure; the reasons stand at the end, once for each kind.

use std::collections::BTreeMap;

use crate::analysis::arena::{Column, Spread};
use crate::compare::published::{Artefact, Honest, Published, UNSAID};
use crate::unit::{figures, grouped};

use super::layout::{counted, table, wrap};

/// What stands where a table says nothing.
const UNKNOWN: &str = "unknown";

/// Which columns are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// The total, the time to the first frame, and the peak of an answer.
    Primary,
    /// All.
    All,
}

/// The rows for a terminal, at most `width` columns. `names` are those of base and candidate.
pub fn lines(rows: &[Published], names: [&str; 2], columns: Columns, width: usize) -> Vec<String> {
    let mut lines = wrap(&format!("base       {}", names[0]), width);
    lines.extend(wrap(&format!("candidate  {}", names[1]), width));
    lines.push(String::new());
    let body = body(rows, columns);
    if body.len() > 1 {
        lines.extend(table(&body, 2));
    }
    for reason in reasons(rows) {
        lines.push(String::new());
        lines.extend(indented(&reason, width));
    }
    lines.push(String::new());
    lines.extend(wrap(&unsaid(), width));
    lines
}

/// The same as lines of Markdown.
pub fn markdown(rows: &[Published], names: [&str; 2], columns: Columns) -> Vec<String> {
    let body = body(rows, columns);
    let plain = |text: &str| text.replace('|', "\\|");
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().map(|cell| plain(cell)).collect();
        format!("| {} |", cells.join(" | "))
    };
    let mut lines = vec![
        format!("Base: {}. Candidate: {}.", plain(names[0]), plain(names[1])),
        String::new(),
        line(&body[0]),
        "|:--|:--|--:|--:|--:|".to_owned(),
    ];
    lines.extend(body[1..].iter().map(line));
    lines.push(String::new());
    lines.extend(reasons(rows).iter().map(|reason| format!("- {}", plain(reason))));
    lines.extend([String::new(), unsaid()]);
    lines
}

/// What no published table says.
pub fn unsaid() -> String {
    let (last, others) = (UNSAID[UNSAID.len() - 1], &UNSAID[..UNSAID.len() - 1]);
    format!("{UNKNOWN} in a published table: {} and {last}.", others.join(", "))
}

fn body(rows: &[Published], columns: Columns) -> Vec<Vec<String>> {
    let heads = ["test", "", "base", "candidate", "ratio"];
    let mut body = vec![heads.map(str::to_owned).to_vec()];
    let mut test = "";
    for row in rows.iter().filter(|row| columns == Columns::All || is_primary(row.column)) {
        // The name stands once, at the first of its columns.
        let name = if row.test == test { "" } else { &row.test };
        test = &row.test;
        let unit = unit(row.column);
        let side = |spread: &Option<Spread>| match spread {
            Some(spread) => amount(spread.mean * unit.1, Some(spread.std * unit.1)),
            None => UNKNOWN.to_owned(),
        };
        let (base, candidate) = (side(&row.base), side(&row.candidate));
        body.push(vec![name.to_owned(), unit.0.to_owned(), base, candidate, ratio(row.ratio)]);
        if let Some(honest) = &row.honest {
            body.push(beneath(honest));
        }
    }
    body
}

/// The row under a number that is an artefact.
fn beneath(honest: &Honest) -> Vec<String> {
    let side = |value: Option<f64>| value.map_or(UNKNOWN.to_owned(), |value| amount(value, None));
    let sides = [side(honest.base), side(honest.candidate)];
    let [base, candidate] = sides;
    vec![String::new(), "  honest".to_owned(), base, candidate, ratio(honest.ratio())]
}

/// The reasons, once for each kind of artefact, by the example that is furthest off.
fn reasons(rows: &[Published]) -> Vec<String> {
    let mut kinds: BTreeMap<Artefact, (Vec<&str>, f64, String)> = BTreeMap::new();
    for row in rows {
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
    let told = kinds.into_iter().map(|(what, (tests, _, example))| {
        let tests = counted(tests.len() as u64, "test", "tests");
        format!("honest ({tests}): {}. {example}.", what.words())
    });
    told.collect()
}

fn is_primary(column: Column) -> bool {
    matches!(column, Column::Ts | Column::PeakTs | Column::Ttfr)
}

/// How a column is called, and what its values are multiplied with: times are shown in seconds.
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

/// `35.3 ± 0.1`: three figures, the deviation to as many places.
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

/// A paragraph whose lines after the first stand further in.
fn indented(text: &str, width: usize) -> Vec<String> {
    let lines = wrap(text, width.saturating_sub(2));
    let margin = |index: usize| if index == 0 { "" } else { "  " };
    lines.iter().enumerate().map(|(index, line)| format!("{}{line}", margin(index))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::published::{against, read};

    fn rows() -> Vec<Published> {
        let base = read("july.md", include_str!("../compare/published/july.md")).unwrap();
        let mut candidate = base.clone();
        candidate.rows.pop();
        against(&base, &candidate)
    }

    #[test]
    fn the_honest_measure_stands_under_a_number_that_is_an_artefact() {
        let lines = lines(&rows(), ["july.md", "tonight"], Columns::Primary, 80);
        let at = |test: &str| lines.iter().position(|line| line.contains(test)).unwrap();
        let published = at("pp2048 @ d100000 (c1)");
        assert!(lines[published].contains("35.3 ± 0.0"), "{}", lines.join("\n"));
        assert!(lines[published + 1].contains("honest") && lines[published + 1].contains("1,760"));
        assert!(!lines[at("pp2048 (c1)") + 1].contains("honest"));
        assert!(lines.iter().any(|line| line.starts_with("honest (3 tests): context and prompt")));
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{}", lines.join("\n"));
    }

    #[test]
    fn what_is_not_known_is_called_unknown() {
        let lines = lines(&rows(), ["july.md", "tonight"], Columns::All, 80);
        let last = lines.iter().find(|line| line.contains("tg128 @ d100000 (c10)")).unwrap();
        assert!(last.contains("2.35 ± 0.05") && last.contains(UNKNOWN), "{last}");
        assert!(lines.last().unwrap().contains("memory"));
        assert!(lines.iter().any(|line| line.contains("unknown in a published table: errors")));
        assert!(lines.iter().any(|line| line.contains("peak t/s req")));
    }

    #[test]
    fn markdown_has_the_same_rows() {
        let lines = markdown(&rows(), ["a|b", "tonight"], Columns::Primary);
        assert!(lines[0].contains("a\\|b"));
        assert!(lines.contains(&"| test |  | base | candidate | ratio |".to_owned()));
        assert!(
            lines.iter().any(|line| line.starts_with("|  |   honest | 1,760 | 1,760 | 1.00 |"))
        );
        assert!(lines.iter().any(|line| line.starts_with("- honest (")));
    }
}
