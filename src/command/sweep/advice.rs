//! What to do after a sweep, and how sure that is. Only what an exact interval
//! over starts shows is called better; what it leaves open is told beside it.

use std::fmt::Write;

use super::STARTS_MIN;
use crate::compare::{Basis, Row, Word};
use crate::report::layout::counted;

/// An arm that was held against the base.
pub struct Held<'a> {
    /// Its name.
    pub name: String,
    /// What the comparison came to; what is only suggested counts as open.
    pub word: Word,
    /// The rows that decide.
    pub rows: Vec<&'a Row>,
}

/// Whether a row shows that the arm is better.
pub fn is_better(row: &Row) -> bool {
    row.word == Word::Improved && matches!(row.basis, Basis::Exact(_))
}

/// A ratio as a change.
pub fn percent(ratio: f64) -> String {
    format!("{:+.1} %", (ratio - 1.0) * 100.0)
}

/// What a row is of: `ttft d0/c1`.
pub fn measured_in(row: &Row) -> String {
    let words = row.key.measure.to_string();
    let cell = row.key.place.cell;
    format!("{} d{}/{}", words.strip_suffix("_p50").unwrap_or(&words), cell.depth, cell.load)
}

impl Held<'_> {
    fn better(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().copied().filter(|row| is_better(row))
    }

    fn is_better(&self) -> bool {
        self.word != Word::Regression && self.better().next().is_some()
    }

    /// How much worse it is over the rows that decide, as the mean of logarithms.
    fn cost(&self) -> f64 {
        let costs: Vec<f64> = self.rows.iter().map(|row| row.cost().ln()).collect();
        costs.iter().sum::<f64>() / costs.len().max(1) as f64
    }

    /// How sure it is that it is better, alone and among all arms (Bonferroni), in what, and what
    /// is open.
    fn told(&self, arms: usize) -> String {
        let alone = self.better().filter_map(confidence).fold(1.0, f64::min);
        let all = (1.0 - arms as f64 * (1.0 - alone)).max(0.0) * 100.0;
        let gains: Vec<String> = self
            .better()
            .map(|row| format!("{} {}", measured_in(row), percent(row.ratio)))
            .collect();
        let among =
            if arms > 1 { format!(", {all:.1} % among {arms} arms") } else { String::new() };
        let mut text = format!(
            "{}: better than the base in {}, at {:.1} % confidence{among}",
            self.name,
            gains.join(", "),
            alone * 100.0
        );
        let open = self.rows.iter().filter(|row| row.word == Word::Inconclusive);
        let open: Vec<String> = open.map(|row| open_row(row)).collect();
        if !open.is_empty() {
            let _ = write!(text, "; open is {}", open.join(", "));
        }
        text + "."
    }
}

/// How sure a row is: by its interval, and by its test among the rows of its family.
fn confidence(row: &Row) -> Option<f64> {
    match row.basis {
        Basis::Exact(confidence) => Some(confidence.min(1.0 - row.p.unwrap_or(0.0))),
        _ => None,
    }
}

fn open_row(row: &Row) -> String {
    let within = row
        .interval
        .map(|(low, high)| format!(" (between {} and {})", percent(low), percent(high)));
    measured_in(row) + &within.unwrap_or_default()
}

/// The advice. `dead` are arms that never started.
pub fn advice(held: &[Held<'_>], dead: &[String]) -> String {
    let mut better: Vec<&Held<'_>> = held.iter().filter(|arm| arm.is_better()).collect();
    better.sort_by(|one, other| one.cost().total_cmp(&other.cost()));
    let of = |word: Word| -> Vec<&str> {
        let own = held.iter().filter(|arm| arm.word == word && !arm.is_better());
        own.map(|arm| arm.name.as_str()).collect()
    };
    let (worse, alike) = (of(Word::Regression), of(Word::Equivalent));
    let mut text = match better.as_slice() {
        [] if held.is_empty() => "nothing: no arm could be held against the base.".to_owned(),
        [] => "the base: nothing was shown to be better.".to_owned(),
        [first, rest @ ..] => {
            let mut text = first.told(held.len());
            if !rest.is_empty() {
                let names: Vec<&str> = rest.iter().map(|arm| arm.name.as_str()).collect();
                let _ = write!(
                    text,
                    " Better than the base too: {}; which of them is best was not tested.",
                    names.join(", ")
                );
            }
            text
        }
    };
    if !worse.is_empty() {
        let _ = write!(text, " Worse: {}.", worse.join(", "));
    }
    if !alike.is_empty() {
        let _ = write!(text, " The same within the margin: {}.", alike.join(", "));
    }
    let open = held.len() - better.len() - worse.len() - alike.len();
    if open > 0 {
        let rows = held.iter().flat_map(|arm| &arm.rows);
        let fewest = rows.map(|row| row.base.starts.min(row.candidate.starts)).min();
        let why = match fewest {
            Some(starts) if starts < STARTS_MIN as usize => {
                "an exact interval needs four starts a side"
            }
            _ => "more starts would narrow the intervals",
        };
        let arms = counted(open as u64, "arm is", "arms are");
        let _ = write!(text, " {arms} undecided: {why}.");
    }
    if !dead.is_empty() {
        let _ = write!(text, " Do not use {}: it did not start.", dead.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Key, Place, Side};
    use crate::fact::Class;
    use crate::measure::Measure;

    fn row(depth: u64, word: Word, ratio: f64) -> Row {
        let side = Side { value: 1.0, starts: 6, n: 60 };
        let cell = format!("d{depth}/c1/p128/o16").parse().expect("a cell");
        Row {
            key: Key {
                place: Place { cell, class: Class::Cold },
                measure: Measure::parse("ttft_p50").expect("a measure"),
            },
            primary: true,
            base: side,
            candidate: side,
            ratio,
            interval: Some((ratio - 0.02, ratio + 0.03)),
            basis: Basis::Exact(0.97),
            margin: 0.05,
            p: None,
            word,
            why: String::new(),
        }
    }

    fn held<'a>(name: &str, word: Word, rows: &[&'a Row]) -> Held<'a> {
        Held { name: name.to_owned(), word, rows: rows.to_vec() }
    }

    #[test]
    fn what_is_better_in_one_row_is_told_with_what_is_open_in_another() {
        let (better, open) = (row(0, Word::Improved, 0.5), row(4096, Word::Inconclusive, 1.0));
        let alike = row(0, Word::Equivalent, 1.0);
        let arms = [
            held("a", Word::Inconclusive, &[&better, &open]),
            held("b", Word::Equivalent, &[&alike]),
        ];
        let told = advice(&arms, &["c".to_owned()]);
        assert_eq!(
            told,
            "a: better than the base in ttft d0/c1 -50.0 %, at 97.0 % confidence, 94.0 % among 2 \
             arms; open is ttft d4096/c1 (between -2.0 % and +3.0 %). The same within the margin: \
             b. Do not use c: it did not start."
        );
    }

    #[test]
    fn of_several_the_largest_gain_comes_first_and_a_regression_is_no_gain() {
        let (much, some) = (row(0, Word::Improved, 0.5), row(0, Word::Improved, 0.8));
        let worse = row(4096, Word::Regression, 1.5);
        let arms = [
            held("some", Word::Improved, &[&some]),
            held("much", Word::Improved, &[&much]),
            held("mixed", Word::Regression, &[&much, &worse]),
        ];
        let told = advice(&arms, &[]);
        assert!(told.starts_with("much: ") && told.contains("too: some;"), "{told}");
        assert!(told.ends_with(" Worse: mixed."), "{told}");
    }

    #[test]
    fn where_nothing_is_shown_the_base_stays_and_too_few_starts_are_named() {
        let mut open = row(0, Word::Inconclusive, 0.5);
        open.base.starts = 2;
        let told = advice(&[held("a", Word::Inconclusive, &[&open])], &[]);
        assert!(told.starts_with("the base: ") && told.contains("four starts a side"), "{told}");
        assert!(advice(&[], &[]).starts_with("nothing: "));
    }
}
