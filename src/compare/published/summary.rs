//! Summarises a run beside a published table: how many tests are within a band of the published
//! means, which are outside, and which could not be held against each other. A table has no spread
//! between starts, so the summary is a description and no test.

use std::collections::BTreeMap;

use crate::analysis::arena::Column;
use crate::words::words;

use super::Published;

/// Band of a mean: starts of one recipe on one machine have differed by 8 % in published tables.
pub(crate) const BAND: f64 = 0.10;

/// Word of a run beside a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableWord {
    /// The median test is within the band.
    Within,
    /// The median test is faster than the table, by more than the band.
    Faster,
    /// The median test is slower than the table, by more than the band.
    Slower,
    /// No test could be held against the table.
    Apart,
}

words!(TableWord {
    Within: "within the band",
    Faster: "faster than the table",
    Slower: "slower than the table",
    Apart: "not comparable",
});

/// Summary of a run beside a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableSummary {
    pub word: TableWord,
    /// Median of the run's speed over the table's; `None` where no test could be held.
    pub median: Option<f64>,
    /// Tests that are within the band.
    pub within: usize,
    /// Tests outside of it, in the order of the table: name, speed over the table's.
    pub outside: Vec<(String, f64)>,
    /// Tests that could not be held against each other, by reason.
    pub apart: BTreeMap<String, usize>,
    /// Tests of the table that the run does not have.
    pub missing: usize,
}

impl TableSummary {
    /// Returns the summary of these rows.
    pub(crate) fn of(rows: &[Published]) -> TableSummary {
        let mut tests: Vec<(&str, Vec<&Published>)> = Vec::new();
        for row in rows {
            match tests.last_mut().filter(|(test, _)| *test == row.test) {
                Some((_, rows)) => rows.push(row),
                None => tests.push((&row.test, vec![row])),
            }
        }
        let (mut speeds, mut outside, mut apart) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut missing = 0;
        for (test, rows) in tests {
            if let Some(speed) = speed(&rows) {
                speeds.push(speed);
                if !is_within(speed) {
                    outside.push((test.to_owned(), speed));
                }
            } else if let Some(why) = rows.iter().find_map(|row| row.apart.clone()) {
                *apart.entry(why).or_insert(0) += 1;
            } else {
                missing += usize::from(rows.iter().all(|row| row.candidate.is_none()));
            }
        }
        let within = speeds.len() - outside.len();
        speeds.sort_by(f64::total_cmp);
        let median = crate::stats::shift::median(&speeds);
        let word = match median {
            None => TableWord::Apart,
            Some(median) if is_within(median) => TableWord::Within,
            Some(median) if median > 1.0 => TableWord::Faster,
            Some(_) => TableWord::Slower,
        };
        TableSummary { word, median, within, outside, apart, missing }
    }
}

/// Whether a speed over the table's is within the band.
fn is_within(speed: f64) -> bool {
    speed.ln().abs() <= BAND.ln_1p()
}

/// Returns the run's speed over the table's in a test: by the corrected measure where one side's
/// number is an artefact, otherwise by the first column that both have.
fn speed(rows: &[&Published]) -> Option<f64> {
    [Column::Ts, Column::TsReq, Column::E2eTtft].into_iter().find_map(|column| {
        let row = rows.iter().find(|row| row.column == column)?;
        let ratio = match &row.honest {
            Some(honest) => honest.ratio(),
            None => row.ratio,
        }?;
        let speed = if column == Column::E2eTtft { ratio.recip() } else { ratio };
        (speed > 0.0 && speed.is_finite()).then_some(speed)
    })
}
