//! Tests the policies.

use super::{A, CompareWord, Policy, SAME, Start, compared, side, times};
use crate::compare::policy::{self, PolicyWord};
use crate::exit::Exit;

#[test]
fn a_faster_candidate_that_died_once_is_no_improvement() {
    let mut faster = side("b", &times(0.8));
    faster[3].events[0].seen = 1;
    let decision = compared(&side("a", &A), &faster).decision;
    assert_eq!((decision.word, decision.exit), (CompareWord::Regression, Exit::Fail));
    assert!(decision.because[0].words.starts_with("crashes 0 → 1: new"), "{:?}", decision.because);
}

#[test]
fn a_crash_as_often_as_in_the_base_is_nothing_new() {
    let crashed = |values: &[f64], times: u64| {
        let mut starts = side("x", values);
        starts[0].events[0].seen = times;
        starts
    };
    let word =
        |base, candidate| policy::policies(&crashed(&A, base), &crashed(&SAME, candidate))[0].word;
    assert_eq!(word(1, 1), PolicyWord::Held);
    assert_eq!(word(1, 2), PolicyWord::Broken);
    assert_eq!(word(0, 1), PolicyWord::Broken);
}

#[test]
fn what_the_contract_asks_for_and_nobody_could_see_is_not_observed() {
    let unseen = |asked: bool| {
        let mut starts = side("b", &SAME);
        for start in &mut starts {
            start.events[1].unseen = vec!["server log not read".to_owned()];
            start.events[1].asked = asked;
        }
        compared(&side("a", &A), &starts)
    };
    assert_eq!(unseen(true).decision.exit, Exit::Inconclusive);
    assert_eq!(unseen(true).decision.word, CompareWord::Inconclusive);
    assert_eq!(unseen(false).decision.exit, Exit::Pass);
    assert_eq!(unseen(false).policies[1].candidate, None);
}

#[test]
fn a_start_that_fails_is_news() {
    let mut starts = side("b", &SAME);
    starts[5].values.clear();
    (starts[5].never_ready, starts[5].failed_starts) =
        (Some("the draft model is not supported".to_owned()), 1);
    let decision = compared(&side("a", &A), &starts).decision;
    assert_eq!(decision.exit, Exit::Fail);
    insta::assert_snapshot!(decision.because[0].words, @"failed_starts 0 → 1: the draft model is not supported");
}

#[test]
fn a_gate_that_the_base_held_and_the_candidate_broke_is_a_policy() {
    use crate::verdict::VerdictWord::{Fail, Pass};
    let with = |word| {
        let mut starts = side("x", &SAME);
        for start in &mut starts {
            start.gates = vec![("ttft_p95: 2s".to_owned(), word, "over its limit".to_owned())];
        }
        starts
    };
    let broken = policy::policies(&with(Pass), &with(Fail));
    assert_eq!(broken.last().unwrap().word, PolicyWord::Broken);
    assert_eq!(policy::policies(&with(Fail), &with(Fail)).len(), 6);
}

#[test]
fn a_start_that_never_came_up_hides_nothing_that_the_others_showed() {
    let mut starts = side("b", &SAME);
    (starts[5].never_ready, starts[5].failed_starts) =
        (Some("no memory for the cache".to_owned()), 1);
    for event in &mut starts[5].events {
        event.unseen = vec!["no load began".to_owned()];
    }
    let comparison = compared(&side("a", &A), &starts);
    assert_eq!(comparison.policies[0].candidate, Some(0));
    assert_eq!(comparison.decision.because.len(), 1, "{:?}", comparison.decision.because);
}

fn found<'a>(policies: &'a [Policy], name: &str) -> &'a Policy {
    policies.iter().find(|policy| policy.name == name).expect("a policy of that name")
}

/// Returns a side whose runs have this gate, each with one of these words.
fn gated(name: &str, words: &[crate::verdict::VerdictWord]) -> Vec<Start> {
    let mut starts = side(name, &SAME[..words.len()]);
    for (start, word) in starts.iter_mut().zip(words) {
        start.gates = vec![("ttft_p95: 2s".to_owned(), *word, "too few".to_owned())];
    }
    starts
}

#[test]
fn one_crash_in_an_hour_allows_no_eight_in_a_night() {
    let crashed = |times: u64, hours: f64| {
        let mut starts = side("x", &SAME[..1]);
        (starts[0].events[0].seen, starts[0].hours) = (times, hours);
        starts
    };
    let word = |base: &[Start], candidate: &[Start]| policy::policies(base, candidate)[0].word;
    assert_eq!(word(&crashed(1, 1.0), &crashed(1, 8.0)), PolicyWord::Held);
    assert_eq!(word(&crashed(1, 1.0), &crashed(8, 8.0)), PolicyWord::Broken);
    assert_eq!(word(&crashed(2, 10.0), &crashed(1, 3.0)), PolicyWord::Held);
    assert_eq!(word(&crashed(2, 10.0), &crashed(2, 3.0)), PolicyWord::Broken);
}

#[test]
fn a_parser_fault_is_counted_by_answers_and_not_by_hours() {
    let of = |faults: u64, answers: u64| {
        let mut starts = side("x", &SAME[..1]);
        (starts[0].parser_faults, starts[0].errors) = (faults, (0, answers));
        starts
    };
    let word = |base: &[Start], candidate: &[Start]| {
        found(&policy::policies(base, candidate), "parser_faults").word
    };
    assert_eq!(word(&of(10, 1000), &of(1, 100)), PolicyWord::Held);
    assert_eq!(word(&of(10, 1000), &of(5, 100)), PolicyWord::Broken);
}

#[test]
fn three_in_ten_that_fail_are_no_equivalent_candidate_and_a_few_by_chance_are() {
    let with = |bad: u64| {
        let mut starts = side("b", &SAME);
        for start in &mut starts {
            start.errors = (bad, 100);
        }
        compared(&side("a", &A), &starts)
    };
    let worse = with(29);
    assert_eq!((worse.decision.word, worse.decision.exit), (CompareWord::Regression, Exit::Fail));
    let why = "failed_requests 0 → 174: 29.0 % of all requests ended badly, 0.0 % in the base";
    assert_eq!(worse.decision.because[0].words, why);
    assert_eq!(with(1).decision.exit, Exit::Pass);
    assert_eq!(with(1).decision.word, CompareWord::Equivalent);
}

#[test]
fn a_gate_that_the_base_showed_and_the_candidate_does_not_is_not_observed() {
    use crate::verdict::VerdictWord::{Fail, Inconclusive, Pass};
    let last = |base: &[crate::verdict::VerdictWord], candidate: &[crate::verdict::VerdictWord]| {
        let policies = policy::policies(&gated("a", base), &gated("b", candidate));
        policies.into_iter().find(|policy| policy.name == "ttft_p95: 2s").map(|it| it.word)
    };
    assert_eq!(last(&[Pass], &[Inconclusive]), Some(PolicyWord::NotObserved));
    assert_eq!(last(&[Pass, Inconclusive], &[Fail, Pass]), Some(PolicyWord::Broken));
    assert_eq!(last(&[Pass], &[Pass, Inconclusive]), None);
    assert_eq!(
        last(&[Inconclusive], &[Fail]),
        Some(PolicyWord::NotObserved),
        "the base left it open"
    );
    assert_eq!(last(&[Inconclusive], &[Inconclusive]), None);
    assert_eq!(last(&[Pass, Fail], &[Fail]), None, "the base did not hold it");
    let decision = compared(&gated("a", &[Pass]), &gated("b", &[Inconclusive])).decision;
    assert_eq!((decision.word, decision.exit), (CompareWord::Inconclusive, Exit::Inconclusive));
}

#[test]
fn what_the_runs_came_to_by_themselves_is_counted() {
    use crate::verdict::VerdictWord::{Fail, Pass};
    let mut starts = side("b", &SAME);
    starts[0].verdict = Fail;
    let verdicts = compared(&side("a", &A), &starts).verdicts;
    assert_eq!(verdicts, [vec![(Pass, 6)], vec![(Pass, 5), (Fail, 1)]]);
}

#[test]
fn of_a_run_without_an_answer_no_parser_fault_is_known() {
    let mut mute = side("b", &SAME[..1]);
    mute[0].errors = (0, 0);
    let policies = policy::policies(&side("a", &A), &mute);
    for name in ["parser_faults", "failed_requests"] {
        let policy = found(&policies, name);
        assert_eq!((policy.word, policy.candidate), (PolicyWord::Unseen, None), "{name}");
    }
}

#[test]
fn as_many_failed_starts_among_fewer_runs_are_nothing_new_and_one_before_a_success_counts() {
    let failed = |name: &str, starts: usize| {
        let values: Vec<f64> = A.iter().chain(&SAME).copied().take(starts).collect();
        let mut starts = side(name, &values);
        (starts[0].never_ready, starts[0].failed_starts) = (Some("no memory".to_owned()), 1);
        starts
    };
    let word = |base: &[Start], candidate: &[Start]| {
        found(&policy::policies(base, candidate), "failed_starts").word
    };
    assert_eq!(word(&failed("a", 7), &failed("b", 6)), PolicyWord::Held);
    let mut later = side("b", &SAME);
    later[2].failed_starts = 2;
    assert_eq!(word(&side("a", &A), &later), PolicyWord::Broken);
    assert_eq!(word(&failed("a", 7), &later), PolicyWord::Broken);
}

#[test]
fn a_hang_where_the_base_could_not_see_one_is_not_called_new() {
    let mut blind = side("a", &A);
    for start in &mut blind {
        start.events[2].unseen = vec!["metrics not read".to_owned()];
    }
    let mut hung = side("b", &SAME);
    hung[0].events[2].seen = 1;
    let decision = compared(&blind, &hung).decision;
    let why = "hangs unknown → 1: in the base it could not be observed";
    assert_eq!((decision.because[0].words.as_str(), decision.exit), (why, Exit::Fail));
}

#[test]
fn a_candidate_that_never_came_up_is_broken_however_often_the_base_failed() {
    let mut base = side("a", &A);
    (base[0].never_ready, base[0].failed_starts) = (Some("no memory".to_owned()), 1);
    let mut dead = side("b", &SAME[..1]);
    (dead[0].never_ready, dead[0].failed_starts) = (Some("no kernel".to_owned()), 1);
    let policies = policy::policies(&base, &dead);
    assert_eq!(found(&policies, "failed_starts").word, PolicyWord::Broken);
}

#[test]
fn as_few_crashes_as_in_the_base_are_not_known_to_be_all_where_nobody_looked_all_the_time() {
    let mut base = side("a", &A);
    base[0].events[0].seen = 2;
    let mut unseen = side("b", &SAME);
    unseen[0].events[0].seen = 1;
    unseen[1].events[0].unseen = vec!["probes 50 %".to_owned()];
    assert_eq!(policy::policies(&base, &unseen)[0].word, PolicyWord::NotObserved);
}
