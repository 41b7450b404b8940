use insta::assert_snapshot;

use super::*;
use crate::analysis::fixture::asked;
use crate::analysis::trend::TrendWord;
use crate::analysis::trends::tests::{analysed, soak};
use crate::compare::fixture::side;
use crate::compare::{CompareTerms, CompareWord, Comparison, PolicyWord, Variable, compare};
use crate::exit::Exit;
use crate::fact::Fact;
use crate::stats::theil_sen::Slope;

const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1_024.0 * MIB;

/// Returns a start of so many hours whose processes take so many MiB an hour.
pub(crate) fn leaking(name: &str, hours: u32, per_h: f64) -> Start {
    worsening(name, hours, per_h, 0.0)
}

/// Returns the same of a server that is slower by a share every hour.
pub(crate) fn worsening(name: &str, hours: u32, per_h: f64, slower: f64) -> Start {
    let taken = move |hour: f64| per_h * MIB * hour + (hour * 37.0).sin() * 2.0 * MIB;
    let mut story = soak(hours, |hour| 10.0 * GIB + taken(hour), |_| 40.0 * GIB);
    for entry in &mut story.entries {
        if let Fact::Request(request) = &mut entry.fact {
            let more = slower * request.sent.seconds() / 3_600.0 * 127.0 * 4_000.0;
            request.last_us = request.last_us.map(|us| us + more as u64);
        }
    }
    let start = side(name, &[200.0]).remove(0);
    Start { trends: analysed(&story, &asked(&[0])).trends, ..start }
}

fn compared(base: &[Start], candidate: &[Start]) -> Comparison {
    compare(base, candidate, &CompareTerms::default()).unwrap()
}

fn one(base: (u32, f64), candidate: (u32, f64)) -> Comparison {
    compared(&[leaking("a", base.0, base.1)], &[leaking("b", candidate.0, candidate.1)])
}

/// Returns the course of a start that grows by so much an hour, and a request.
fn course(slope: Slope, by_request: Option<Slope>) -> Course {
    Course {
        word: TrendWord::Growing,
        blocks: 60,
        hours: 10.0,
        too_short: None,
        slope: Some(slope),
        by_request,
        threshold: 32.0 * MIB,
        rises: true,
        why: String::new(),
    }
}

fn process_anonymous() -> TrendSubject {
    let judged = crate::series::growth::JudgedSeries::parse("process_anonymous").unwrap();
    TrendSubject::Series(judged, String::new())
}

fn memory(comparison: &Comparison) -> &ComparedTrend {
    let is_memory = |it: &&ComparedTrend| it.title == "process_anonymous";
    comparison.trends.iter().find(is_memory).unwrap()
}

fn policy(comparison: &Comparison) -> Option<PolicyWord> {
    comparison.policies.iter().find(|it| it.name == "growth").map(|it| it.word)
}

#[test]
fn a_leak_that_the_base_does_not_have_is_a_regression_named_with_what_was_changed() {
    let base = leaking("a", 12, 0.0);
    let mut candidate = leaking("b", 12, 120.0);
    candidate.command = Some("vllm serve m --async-scheduling".to_owned());
    let comparison = compared(&[base], &[candidate]);
    assert_eq!(memory(&comparison).word, TrendChange::Regression);
    assert_eq!(comparison.decision.word, CompareWord::Regression);
    assert_eq!(comparison.decision.exit, Exit::Fail);
    assert_snapshot!(comparison.decision.because[0].words, @"growth 0 → 1: process_anonymous grows by 120 MiB/h, 2.00 MiB a request, over 10 h 47 m in the candidate, and is stable in the base; changed with it: command vllm serve m → vllm serve m --async-scheduling");
    assert_snapshot!(memory(&comparison).line(), @"process_anonymous stable over 10 h 47 m → growing by 120 MiB/h over 10 h 47 m; 120 MiB/h more [119 MiB, 121 MiB], 2.00 MiB a request more");
}

#[test]
fn a_base_whose_warm_up_left_few_blocks_excludes_a_growth_all_the_same() {
    let side = |word, blocks, per_h: f64, too_short| {
        let slope = Slope { value: per_h, low: per_h, high: per_h };
        let rises = word == TrendWord::Growing;
        let course = Course { word, blocks, too_short, rises, ..course(slope, None) };
        Some(TrendSide { courses: vec![course] })
    };
    let base = |too_short| side(TrendWord::Stable, 22, 0.0, too_short);
    let grows = || side(TrendWord::Growing, 35, 100.0 * MIB, None);
    let word = |base| trend(process_anonymous(), String::new(), [base, grows()]).word;
    assert_eq!(word(base(None)), TrendChange::Regression);
    let short = Some("6 h 00 m seen, 8 h 00 m needed".to_owned());
    assert_eq!(word(base(short)), TrendChange::Unresolved);
}

#[test]
fn a_leak_on_both_sides_is_told_and_no_regression() {
    let comparison = one((12, 120.0), (12, 121.0));
    assert_eq!(memory(&comparison).word, TrendChange::Alike);
    assert_eq!(
        (policy(&comparison), comparison.decision.exit),
        (Some(PolicyWord::Held), Exit::Pass)
    );
    assert_snapshot!(memory(&comparison).line(), @"process_anonymous growing by 120 MiB/h over 10 h 47 m → growing by 121 MiB/h over 10 h 47 m; 1.00 MiB/h more [175 KiB, 1.83 MiB], 17.1 KiB a request more: alike");
}

#[test]
fn a_leak_that_became_faster_is_a_regression_and_one_that_is_gone_or_slower_is_better() {
    use TrendChange::{Improved, Regression, Stable};
    let words = [(60.0, 200.0), (200.0, 60.0), (200.0, 0.0), (0.0, 0.0)]
        .map(|(base, candidate)| memory(&one((12, base), (12, candidate))).word);
    assert_eq!(words, [Regression, Improved, Improved, Stable]);
}

#[test]
fn a_leak_in_too_few_hours_is_told_and_decides_only_when_asked_strictly() {
    let sides = [leaking("a", 12, 0.0)];
    let candidate = [leaking("b", 6, 200.0)];
    let comparison = compared(&sides, &candidate);
    assert_eq!(memory(&comparison).word, TrendChange::Unresolved);
    assert_eq!(
        (policy(&comparison), comparison.decision.exit),
        (Some(PolicyWord::Unseen), Exit::Pass)
    );
    assert_snapshot!(unresolved(&comparison.trends).join("\n"), @"
        open: process_anonymous: in the candidate: growing, unresolved at this length: 5 h 59 m seen, 8 h 00 m needed
        open: host_mem_available: in the candidate: 5 h 59 m seen, 8 h 00 m needed
    ");
    assert!(!memory(&comparison).line().contains("MiB"), "no rate is quoted under eight hours");
    let strict = CompareTerms { strict: true, ..CompareTerms::default() };
    assert_eq!(compare(&sides, &candidate, &strict).unwrap().decision.exit, Exit::Inconclusive);
}

#[test]
fn short_runs_have_no_policy_on_growth() {
    let comparison = one((2, 0.0), (2, 200.0));
    assert_eq!((memory(&comparison).word, policy(&comparison)), (TrendChange::NotJudged, None));
    assert_eq!(unresolved(&comparison.trends), Vec::<String>::new());
}

#[test]
fn a_leak_beside_a_base_that_was_not_read_or_is_too_short_is_open() {
    let candidate = [leaking("b", 12, 200.0)];
    let unread = side("a", &[200.0]);
    let open = memory(&compared(&unread, &candidate)).clone();
    assert_eq!(
        (open.word, open.why.as_str()),
        (TrendChange::Unresolved, "not measured in the base")
    );
    let short = compared(&[leaking("a", 4, 0.0)], &candidate);
    assert_eq!(memory(&short).word, TrendChange::Unresolved);
    assert_snapshot!(memory(&short).why, @"in the base: 3 h 59 m seen, 8 h 00 m needed");
}

#[test]
fn three_starts_a_side_are_held_against_each_other_by_their_slopes() {
    let starts = |name: &str, leaks: [f64; 3]| -> Vec<Start> {
        let numbered = leaks.iter().enumerate();
        numbered.map(|(nth, per_h)| leaking(&format!("{name}{nth}"), 12, *per_h)).collect()
    };
    let comparison = compared(&starts("a", [0.0, 1.0, 2.0]), &starts("b", [100.0, 120.0, 140.0]));
    let memory = memory(&comparison);
    assert_eq!(memory.word, TrendChange::Regression);
    assert_eq!(memory.hourly.unwrap().basis, SlopeBasis::Starts);
    let because = &comparison.decision.because[0].words;
    assert!(because.contains(" in 3 of 3 starts of the candidate, and "), "{because}");
    assert_snapshot!(memory.line(), @"process_anonymous stable over 10 h 47 m → growing by 100 MiB/h over 10 h 47 m; 119 MiB/h more [98.0 MiB, 140 MiB], 1.98 MiB a request more");
}

#[test]
fn a_leak_per_request_that_more_requests_make_faster_is_the_same_leak() {
    let side = |per_h: f64, requests_per_h: f64| {
        let around = |value: f64| Slope { value, low: value * 0.98, high: value * 1.02 };
        let by_request = around(per_h * MIB / requests_per_h);
        TrendSide { courses: vec![course(around(per_h * MIB), Some(by_request))] }
    };
    let word = |base, candidate| {
        trend(process_anonymous(), String::new(), [Some(base), Some(candidate)]).word
    };
    assert_eq!(word(side(100.0, 500.0), side(200.0, 1_000.0)), TrendChange::Alike);
    assert_eq!(word(side(100.0, 500.0), side(200.0, 500.0)), TrendChange::Regression);
}

#[test]
fn a_change_is_named_and_several_are_listed() {
    let variable = |what: &str| Variable {
        what: what.to_owned(),
        base: Some("4".to_owned()),
        candidate: Some("8".to_owned()),
    };
    let with = |variables: &[&str], unknown| crate::compare::RunDifferences {
        variables: variables.iter().map(|what| variable(what)).collect(),
        unknown: [unknown, false],
        ..crate::compare::RunDifferences::default()
    };
    let said = [
        with(&["max_num_seqs"], false),
        with(&["max_num_seqs", "kv_cache_dtype"], false),
        with(&[], false),
        with(&[], true),
    ];
    assert_snapshot!(said.map(|it| it.came_with()).join("\n"), @"
        changed with it: max_num_seqs 4 → 8
        changed with it: max_num_seqs, kv_cache_dtype
        no setting was changed with it
        what was changed with it is unknown
    ");
}
