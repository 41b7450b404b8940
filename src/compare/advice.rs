//! Recommends what to do after several candidates were compared with one base, with the confidence.
//! Only an exact interval over starts makes a candidate better; undecided rows and other
//! regressions are reported beside it.
//!
//! Pure: knows neither files of arms, nor folders, nor how results are reported.

use std::fmt::Write;

use super::decide::{Basis, CompareWord, ComparedRow};
use super::decision::measured;
use super::{Comparison, PolicyWord};
use crate::escape::one_line;

/// Bound on the named rows to be looked into.
pub(crate) const NAMED_MAX: usize = 3;

/// Bound on the reason why a candidate is worse.
const WHY_CHARS_MAX: usize = 80;

/// Candidate that was compared with the base.
pub(crate) struct Candidate<'a> {
    pub name: String,
    /// Number of its starts.
    pub starts: usize,
    /// Number of failed starts among these.
    pub failed: usize,
    /// Comparison with the base.
    pub comparison: &'a Comparison,
}

/// Whether a row shows that the candidate is better.
pub(crate) fn is_better(row: &ComparedRow) -> bool {
    row.word == CompareWord::Improved && matches!(row.basis, Basis::Exact(_))
}

/// Formats a ratio as a change.
pub(crate) fn percent(ratio: f64) -> String {
    if !ratio.is_finite() || ratio <= 0.0 {
        return "beyond a limit".to_owned();
    }
    let text = format!("{:+.1} %", (ratio - 1.0) * 100.0);
    if text == "-0.0 %" { "+0.0 %".to_owned() } else { text }
}

/// Formats a row's measure and place: `ttft d0/c1`, as short as it is unique among the rows.
pub(crate) fn measured_in(row: &ComparedRow, among: &[ComparedRow]) -> String {
    measured(&row.key, among).replacen(" at ", " ", 1)
}

/// Returns the regressions among rows that decide nothing, the worst first.
pub(crate) fn to_look_into(comparison: &Comparison) -> Vec<&ComparedRow> {
    let others = comparison.rows.iter().filter(|row| !row.primary);
    let mut worse: Vec<&ComparedRow> =
        others.filter(|row| row.word == CompareWord::Regression).collect();
    worse.sort_by(|one, other| other.cost().total_cmp(&one.cost()));
    worse
}

/// Names the worst of these rows, and counts the others.
pub(crate) fn worst(rows: &[&ComparedRow], among: &[ComparedRow]) -> String {
    let named = rows.iter().take(NAMED_MAX);
    let named = named.map(|row| format!("{} {}", measured_in(row, among), percent(row.ratio)));
    let named = named.collect::<Vec<_>>().join(", ");
    match rows.len().saturating_sub(NAMED_MAX) {
        0 => named,
        1 => format!("{named} and 1 more row"),
        more => format!("{named} and {more} more rows"),
    }
}

impl Candidate<'_> {
    fn primary(&self) -> impl Iterator<Item = &ComparedRow> {
        self.comparison.rows.iter().filter(|row| row.primary)
    }

    fn better(&self) -> impl Iterator<Item = &ComparedRow> {
        self.primary().filter(|row| is_better(row))
    }

    /// Returns the word of the comparison; a suggestion counts as inconclusive.
    fn word(&self) -> CompareWord {
        let decision = &self.comparison.decision;
        if decision.suggestive { CompareWord::Inconclusive } else { decision.word }
    }

    fn is_better(&self) -> bool {
        let is_sound =
            self.word() != CompareWord::Regression && !self.comparison.decision.incomplete;
        is_sound && self.better().next().is_some()
    }

    /// Returns the cost over the deciding rows, as the mean of logarithms.
    fn cost(&self) -> f64 {
        let costs: Vec<f64> = self.primary().map(|row| row.cost().ln()).collect();
        costs.iter().sum::<f64>() / costs.len().max(1) as f64
    }

    /// Describes a better candidate: its confidence alone and among all candidates (Bonferroni),
    /// its better rows, its undecided rows, and its other regressions.
    fn reported(&self, candidates: usize) -> String {
        let rows = &self.comparison.rows;
        let alone = self.better().filter_map(confidence).fold(1.0, f64::min);
        let all = (1.0 - candidates as f64 * (1.0 - alone)).max(0.0) * 100.0;
        let gains: Vec<String> = self
            .better()
            .map(|row| format!("{} {}", measured_in(row, rows), percent(row.ratio)))
            .collect();
        let among = if candidates > 1 {
            format!(", {all:.1} % among {candidates} arms")
        } else {
            String::new()
        };
        let mut text = format!(
            "{}: better than the base in {}, at {:.1} % confidence{among}",
            self.name,
            gains.join(", "),
            alone * 100.0
        );
        let open = self.primary().filter(|row| row.word == CompareWord::Inconclusive);
        let open: Vec<String> = open.map(|row| open_row(row, rows)).collect();
        if !open.is_empty() {
            let _ = write!(text, "; open is {}", open.join(", "));
        }
        let others = to_look_into(self.comparison);
        if !others.is_empty() {
            let _ = write!(text, "; but {}: look into it", worst(&others, &self.comparison.rows));
        }
        text + "."
    }

    /// Describes a worse candidate, with the gravest reason.
    fn worse(&self) -> String {
        let reason = self.comparison.decision.because.first();
        let reason = reason.map(|why| format!(" ({})", one_line(&why.words, WHY_CHARS_MAX)));
        self.name.clone() + &reason.unwrap_or_default()
    }
}

/// Returns the confidence of a row: by its interval, and by its test among the rows of its family.
fn confidence(row: &ComparedRow) -> Option<f64> {
    match row.basis {
        Basis::Exact(confidence) => Some(confidence.min(1.0 - row.p.unwrap_or(0.0))),
        _ => None,
    }
}

fn open_row(row: &ComparedRow, among: &[ComparedRow]) -> String {
    let within = row
        .interval
        .map(|(low, high)| format!(" (between {} and {})", percent(low), percent(high)));
    measured_in(row, among) + &within.unwrap_or_default()
}

/// Returns the advice. `dead` names candidates that never started; `base_failed` counts failed
/// starts of the base.
pub(crate) fn advice(held: &[Candidate<'_>], dead: &[String], base_failed: usize) -> String {
    let (frail, sound): (Vec<_>, Vec<_>) =
        held.iter().partition(|it| it.failed > 0 && base_failed == 0);
    let (mut better, others): (Vec<_>, Vec<_>) = sound.into_iter().partition(|it| it.is_better());
    better.sort_by(|one, other| one.cost().total_cmp(&other.cost()));
    let of = |word: CompareWord| others.iter().filter(move |it| it.word() == word);
    let worse: Vec<String> = of(CompareWord::Regression).map(|it| it.worse()).collect();
    let names =
        |word: CompareWord| of(word).map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
    let (alike, changed) = (names(CompareWord::Equivalent), names(CompareWord::Changed));
    let mut text = match better.as_slice() {
        [] if held.is_empty() => "nothing: no arm could be compared with the base.".to_owned(),
        [] => "the base: nothing was shown to be better.".to_owned(),
        [first, rest @ ..] => first.reported(held.len()) + &other_improvements(rest),
    };
    for it in &frail {
        let _ = write!(
            text,
            " Not {}, whatever it measured: {} of its {} starts failed, and none of the base's.",
            it.name, it.failed, it.starts
        );
    }
    if !worse.is_empty() {
        let _ = write!(text, " Worse: {}.", worse.join(", "));
    }
    if !alike.is_empty() {
        let _ = write!(text, " The same within the margin: {alike}.");
    }
    if !changed.is_empty() {
        let _ = write!(text, " Different by less than the margin: {changed}.");
    }
    text += &undecided(&others);
    if !dead.is_empty() {
        let _ = write!(text, " Do not use {}: it did not start.", dead.join(", "));
    }
    text
}

/// Names the other candidates that are better.
fn other_improvements(rest: &[&Candidate<'_>]) -> String {
    if rest.is_empty() {
        return String::new();
    }
    let named = |it: &&Candidate<'_>| match to_look_into(it.comparison).as_slice() {
        [] => it.name.clone(),
        others => format!("{} (but {})", it.name, worst(others, &it.comparison.rows)),
    };
    let names: Vec<String> = rest.iter().map(named).collect();
    format!(
        " Better than the base too: {}; which of them is best was not tested.",
        names.join(", ")
    )
}

/// Counts the undecided candidates, and suggests a remedy.
fn undecided(others: &[&Candidate<'_>]) -> String {
    let is_open = |it: &&&Candidate<'_>| {
        matches!(it.word(), CompareWord::Inconclusive | CompareWord::Improved)
    };
    let open: Vec<&&Candidate<'_>> = others.iter().filter(is_open).collect();
    let (n, are) = match open.len() {
        0 => return String::new(),
        1 => ("1 arm".to_owned(), "is"),
        many => (format!("{many} arms"), "are"),
    };
    let unseen = open.iter().all(|it| {
        it.comparison.policies.iter().any(|policy| policy.word == PolicyWord::NotObserved)
    });
    let lacking = open.iter().all(|it| it.comparison.decision.incomplete);
    let mut rows = open.iter().flat_map(|it| it.primary());
    let why = if unseen {
        "what the contract asks for was not observed"
    } else if lacking {
        "deciding rows lack values"
    } else if rows.any(|row| row.basis == Basis::Nothing) {
        "an exact interval needs four starts a side"
    } else {
        "more starts would narrow the intervals"
    };
    format!(" {n} {are} undecided: {why}.")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::compare::fixture::{key, side};
    use crate::compare::{CompareTerms, Start, compare};

    const BASE: [f64; 6] = [100.0, 101.0, 102.0, 103.0, 104.0, 105.0];

    fn arm(factor: f64) -> Vec<Start> {
        side("arm", &BASE.map(|value| value * factor))
    }

    fn against_base(arm: &[Start]) -> Comparison {
        compare(&side("base", &BASE), arm, &CompareTerms::default()).expect("a comparison")
    }

    /// Returns the comparison with one more row that decides nothing.
    fn with_row(mut comparison: Comparison, measure: &str, ratio: f64) -> Comparison {
        let mut row = comparison.rows[0].clone();
        row.key = key(4096, measure);
        (row.primary, row.word, row.ratio) = (false, CompareWord::Regression, ratio);
        comparison.rows.push(row);
        comparison
    }

    fn held<'a>(name: &str, comparison: &'a Comparison) -> Candidate<'a> {
        Candidate { name: name.to_owned(), starts: 6, failed: 0, comparison }
    }

    #[test]
    fn an_arm_of_which_values_are_missing_is_not_recommended_for_the_others() {
        let mut faster = side("b", &BASE.map(|value| value * 0.5));
        for start in &mut faster {
            start.values.remove(&key(4096, "tpot"));
        }
        let comparison = compare(&side("a", &BASE), &faster, &CompareTerms::default()).unwrap();
        let held =
            Candidate { name: "b".to_owned(), starts: 6, failed: 0, comparison: &comparison };
        assert_snapshot!(advice(&[held], &[], 0), @"the base: nothing was shown to be better. 1 arm is undecided: deciding rows lack values.");
    }

    #[test]
    fn what_is_better_in_one_row_is_told_with_what_is_open_in_another() {
        let mut better = against_base(&arm(0.5));
        better.decision.word = CompareWord::Inconclusive;
        better.rows.truncate(2);
        better.rows[1].word = CompareWord::Inconclusive;
        let alike = against_base(&arm(1.0));
        let reported = advice(&[held("a", &better), held("b", &alike)], &["c".to_owned()], 0);
        assert_snapshot!(reported, @"a: better than the base in ttft d0/c1 -50.0 %, at 95.9 % confidence, 91.8 % among 2 arms; open is tpot d0/c1 (between -51.4 % and -48.5 %). The same within the margin: b. Do not use c: it did not start.");
    }

    #[test]
    fn of_several_the_largest_gain_comes_first_and_a_regression_is_no_gain() {
        let (much, some) = (against_base(&arm(0.5)), against_base(&arm(0.8)));
        let mut crashed = arm(0.4);
        crashed[2].events[0].seen = 1;
        let mixed = against_base(&crashed);
        let arms = [held("some", &some), held("much", &much), held("mixed", &mixed)];
        assert_snapshot!(advice(&arms, &[], 0), @"much: better than the base in ttft d0/c1 -50.0 %, tpot d0/c1 -50.0 %, ttft d4096/c1 -50.0 %, tpot d4096/c1 -50.0 %, at 95.9 % confidence, 87.7 % among 3 arms. Better than the base too: some; which of them is best was not tested. Worse: mixed (crashes 0 → 1: new).");
    }

    #[test]
    fn an_arm_of_which_a_start_failed_is_not_recommended_where_the_bases_all_came_up() {
        let better = against_base(&arm(0.5));
        let frail = || [Candidate { failed: 1, ..held("fast", &better) }];
        assert_snapshot!(advice(&frail(), &[], 0), @"the base: nothing was shown to be better. Not fast, whatever it measured: 1 of its 6 starts failed, and none of the base's.");
        assert_snapshot!(advice(&frail(), &[], 1), @"fast: better than the base in ttft d0/c1 -50.0 %, tpot d0/c1 -50.0 %, ttft d4096/c1 -50.0 %, tpot d4096/c1 -50.0 %, at 95.9 % confidence.");
    }

    #[test]
    fn what_else_got_worse_is_told_with_the_recommendation_the_worst_first() {
        let mut better = against_base(&arm(0.5));
        for (measure, ratio) in
            [("ttft_p95", 1.11), ("tpot_p95", 1.18), ("ttft_p99", 1.15), ("tpot_p99", 1.12)]
        {
            better = with_row(better, measure, ratio);
        }
        assert_snapshot!(advice(&[held("a", &better)], &[], 0), @"a: better than the base in ttft d0/c1 -50.0 %, tpot d0/c1 -50.0 %, ttft d4096/c1 -50.0 %, tpot d4096/c1 -50.0 %, at 95.9 % confidence; but tpot_p95 d4096/c1 +18.0 %, ttft_p99 d4096/c1 +15.0 %, tpot_p99 d4096/c1 +12.0 % and 1 more row: look into it.");
        let best = against_base(&arm(0.4));
        assert_snapshot!(advice(&[held("a", &better), held("best", &best)], &[], 0), @"best: better than the base in ttft d0/c1 -60.0 %, tpot d0/c1 -60.0 %, ttft d4096/c1 -60.0 %, tpot d4096/c1 -60.0 %, at 95.9 % confidence, 91.8 % among 2 arms. Better than the base too: a (but tpot_p95 d4096/c1 +18.0 %, ttft_p99 d4096/c1 +15.0 %, tpot_p99 d4096/c1 +12.0 % and 1 more row); which of them is best was not tested.");
    }

    #[test]
    fn where_nothing_is_shown_the_base_stays_and_too_few_starts_are_named() {
        let few = compare(&side("base", &BASE[..2]), &arm(0.5)[..2], &CompareTerms::default());
        let few = few.expect("a comparison");
        assert_snapshot!(advice(&[held("a", &few)], &[], 0), @"the base: nothing was shown to be better. 1 arm is undecided: an exact interval needs four starts a side.");
        assert_snapshot!(advice(&[], &[], 0), @"nothing: no arm could be compared with the base.");
    }
}
