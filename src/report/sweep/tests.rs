use insta::assert_snapshot;

use super::*;
use crate::compare::decision::Reason;
use crate::compare::fixture::{key, side, start};
use crate::compare::{CompareTerms, Start, compare};
use crate::measure::Measure;

const BASE: [f64; 6] = [100.0, 101.0, 102.0, 103.0, 104.0, 105.0];

fn values(factor: f64) -> Vec<Start> {
    side("arm", &BASE.map(|value| value * factor))
}

fn against_base(arm: &[Start]) -> Comparison {
    compare(&side("base", &BASE), arm, &CompareTerms::default()).unwrap()
}

fn arm(name: &str, comparison: Comparison) -> ArmResult {
    let differs = vec![Difference {
        what: "max_num_seqs".to_owned(),
        one: Some("4".to_owned()),
        other: Some("8".to_owned()),
    }];
    ArmResult {
        name: name.to_owned(),
        differs,
        ran: vec![verdict::VerdictWord::Pass; 6],
        failed: Vec::new(),
        given_up: false,
        shows_nothing: false,
        compared: Some(Ok(comparison)),
    }
}

fn base() -> ArmResult {
    ArmResult { differs: Vec::new(), compared: None, ..arm("base", against_base(&values(1.0))) }
}

fn reported(arms: Vec<ArmResult>) -> String {
    render(&SweepSummary {
        simulated: true,
        recipe: "nemotron".to_owned(),
        starts: 6,
        arms,
        written: vec!["s/arms".to_owned(), "s/sweep.json".to_owned()],
        again: "longhaul sweep --rehearse".to_owned(),
    })
    .text()
    .to_owned()
}

#[test]
fn a_sweep_says_what_each_arm_came_to_and_what_to_do() {
    let text = reported(vec![base(), arm("max_num_seqs=8", against_base(&values(0.5)))]);
    assert_snapshot!("improved", text);
    let text = reported(vec![base(), arm("more streams", against_base(&values(0.5)))]);
    assert_snapshot!("named", text);
}

#[test]
fn a_start_that_failed_is_told_under_its_arm_and_the_arm_is_not_recommended() {
    let mut frail = arm("fast", against_base(&values(0.5)));
    frail.ran.pop();
    let policies = frail.compared.iter_mut().flatten().flat_map(|it| &mut it.policies);
    let starts = policies.into_iter().find(|it| it.name == "failed_starts").unwrap();
    (starts.word, starts.candidate) = (PolicyWord::Broken, Some(1));
    "CUDA out of memory".clone_into(&mut starts.why);
    frail.failed.push(("s/runs/fast/003".into(), "CUDA out of memory".to_owned()));
    assert_snapshot!("failed_start", reported(vec![base(), frail]));
}

#[test]
fn an_arm_that_never_started_is_told_once_with_its_reason() {
    let mut dead = arm("longer", against_base(&values(1.0)));
    dead.failed = vec![("s/runs/longer/001".into(), "exit code 1".to_owned()); 2];
    (dead.ran, dead.given_up) = (Vec::new(), true);
    dead.compared = Some(Err("it never started".to_owned()));
    assert_snapshot!("never_started", reported(vec![base(), dead]));
}

#[test]
fn why_there_is_no_comparison_is_told_to_its_end() {
    let mut other = arm("other", against_base(&values(1.0)));
    let why = format!(
        "the two runs did not get the same requests: {} differ",
        ["prompt lengths"; 9].join(", ")
    );
    other.compared = Some(Err(why));
    assert_snapshot!("not_compared", reported(vec![base(), other]));
}

#[test]
fn broken_policies_and_rows_to_be_looked_into_stand_under_the_arm() {
    let mut candidate = values(0.5);
    candidate[1].events[0].seen = 1;
    let mut comparison = against_base(&candidate);
    for (measure, ratio) in [("ttft_p95", 1.18), ("tpot_p95", 1.12)] {
        let mut row = comparison.rows[0].clone();
        row.key.measure = Measure::parse(measure).unwrap();
        (row.primary, row.word, row.ratio) = (false, CompareWord::Regression, ratio);
        comparison.rows.push(row);
    }
    assert_snapshot!("broken_policy", reported(vec![base(), arm("a", comparison)]));
}

#[test]
fn of_many_reasons_some_are_told_and_the_others_counted() {
    let mut comparison = against_base(&values(1.1));
    comparison.decision.because =
        (0..20).map(|n| Reason { kind: ReasonKind::Other, words: format!("reason {n}") }).collect();
    assert_snapshot!("many_reasons", reported(vec![base(), arm("a", comparison)]));
}

/// Returns an arm with the longest names and the most rows.
fn wide(name: &str, factor: f64, word: CompareWord) -> ArmResult {
    let long = |factor: f64| -> Vec<Start> {
        let of = |(index, value): (usize, &f64)| {
            let row = |(depth, measure, scale): (u64, &str, f64)| {
                (key(depth, measure), value * factor * scale)
            };
            let rows = [
                (0, "ttft", 1e-3),
                (0, "tpot", 1e-3),
                (100_000_000, "ttft", 1e3),
                (100_000_000, "tpot", 1e3),
            ];
            start(&format!("{factor}-{index}"), &rows.map(row))
        };
        BASE.iter().enumerate().map(of).collect()
    };
    let mut comparison = compare(&long(1.0), &long(factor), &CompareTerms::default()).unwrap();
    comparison.decision.word = word;
    comparison.decision.suggestive = true;
    for row in &mut comparison.rows {
        row.word = word;
    }
    let mut arm = arm(name, comparison);
    arm.differs[0].what = "a_setting_".repeat(30);
    arm.failed = vec![(format!("s/{}", "folder/".repeat(40)).into(), "no ".repeat(400))];
    arm
}

#[test]
fn no_line_is_longer_than_eighty_columns_whatever_the_names_and_numbers() {
    let name = "container=ghcr.io/some/very/long/name@sha256:".to_owned() + &"0123".repeat(16);
    for word in [
        CompareWord::Changed,
        CompareWord::Improved,
        CompareWord::Regression,
        CompareWord::Inconclusive,
    ] {
        for factor in [0.000_123, 1.03, 123_456.0] {
            let names = [name.as_str(), "\u{1b}[31m\n\u{202e}".repeat(9).leak(), "é😀"];
            let mut arms: Vec<ArmResult> =
                names.iter().map(|name| wide(name, factor, word)).collect();
            arms.insert(0, ArmResult { name: name.clone(), ..base() });
            let text = reported(arms);
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "{line}\n{text}");
            }
            assert!(!text.contains('\u{1b}'), "{text}");
            assert!(!text.contains("below the margin  "), "{text}");
        }
    }
}

#[test]
fn a_table_that_is_too_wide_loses_values_before_its_interval_and_keeps_its_words() {
    let text = reported(vec![base(), wide("a", 123_456.0, CompareWord::Regression)]);
    assert_snapshot!("too_wide", text);
}

#[test]
fn progress_is_one_line_whatever_a_server_or_a_name_says() {
    let line = progress(&Step {
        done: 3,
        all: 12,
        name: "a\nb",
        start: 2,
        came: Err(&"boom\n".repeat(100)),
    });
    assert_snapshot!(line, @r"  3/12  a\nb start 2: did not start: boom\nboom\nboom\nboom\nboom\nboom\nboom\nboom\nboom\nboom\nboom\nboom\nboom\nboom\nboom\nboom\nboom\nboom\nboom\nboom…");
}
