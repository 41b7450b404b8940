use insta::assert_snapshot;

use crate::analysis::fixture::{asked, gate};
use crate::analysis::{LostRows, analyse};
use crate::fact::{ClosedBecause, Ended, Fact, Phase, Request};
use crate::incident::fixture::Story;
use crate::spec::{Base, Contract, Gate, Limit, Select};
use crate::verdict::tests::{at_most, judged};
use crate::verdict::{GateResult, VerdictWord, judge};

const PASS: VerdictWord = VerdictWord::Pass;
const OPEN: VerdictWord = VerdictWord::Inconclusive;
const FAIL: VerdictWord = VerdictWord::Fail;

/// Returns a run of requests, one every two seconds, each changed by its number.
fn run_of(n: u32, mut change: impl FnMut(u32, &mut Request)) -> Story {
    let mut story = Story::soaking();
    for nth in 0..n {
        let second = 10.0 + f64::from(nth) * 2.0;
        let mut request = story.request(second, 0);
        change(nth, &mut request);
        let done = request.done;
        if nth % 5 == 0 {
            story.up(second, true);
        }
        story.push(done.seconds(), Fact::Request(Box::new(request)));
    }
    story.entries[5..].sort_by_key(|entry| entry.at);
    for (seq, entry) in story.entries.iter_mut().enumerate() {
        entry.seq = seq as u64;
    }
    story.closed(600.0, ClosedBecause::Done);
    story
}

/// Makes a request one that was given up after 30 s without a token.
fn time_out(request: &mut Request) {
    (request.ended, request.done) = (Ended::TimedOut, At::after(request.sent));
    (request.ttft_us, request.ttft_content_us, request.last_us) = (None, None, None);
    (request.max_gap_us, request.output_tokens, request.first_tokens) = (None, None, None);
    (request.cached_tokens, request.prompt_tokens, request.chunks) = (None, None, 0);
}

/// Makes a request one that was given up 30 s after its 64th token.
fn stall(request: &mut Request) {
    (request.ended, request.done) = (Ended::Stalled, At::after(request.sent));
    (request.output_tokens, request.chunks) = (None, 64);
    request.last_us = request.ttft_us.map(|us| us + 63 * 4_000);
}

struct At;

impl At {
    fn after(sent: crate::unit::At) -> crate::unit::At {
        crate::unit::At(sent.0 + 30_000_000)
    }
}

fn at_least(name: &str, bound: f64) -> Gate {
    gate(name, Limit::AtLeast(bound))
}

fn of(story: &Story, gate: Gate) -> GateResult {
    judged(story, &[gate]).gates.remove(0)
}

fn words(story: &Story, gates: &[Gate]) -> Vec<VerdictWord> {
    judged(story, gates).gates.iter().map(|gate| gate.word).collect()
}

#[test]
fn a_time_out_is_a_value_above_its_limit_in_the_tail() {
    let story = run_of(64, |nth, request| {
        if nth % 16 == 3 {
            time_out(request);
        }
    });
    for name in ["ttft", "ttft_due", "ttft_content", "e2e", "e2e_due"] {
        for (statistic, bound, word) in [
            ("p50", 2.0, PASS),
            ("p95", 2.0, FAIL),
            ("p95", 30.0, FAIL),
            ("p95", 31.0, OPEN),
            ("max", 2.0, FAIL),
            ("max", 31.0, OPEN),
            ("mean", 2.0, FAIL),
        ] {
            let found = of(&story, at_most(&format!("{name}_{statistic}"), bound));
            assert_eq!(found.word, word, "{name}_{statistic} up to {bound}: {found:?}");
        }
    }
    let broken = of(&story, at_most("ttft_p95", 0.3));
    assert_eq!((broken.n, broken.value.unwrap().above()), (64, Some(30.0)));
    assert_eq!(broken.evidence.len(), 4);
    let open = of(&story, at_most("ttft_p95", 60.0));
    assert_snapshot!(open.why, @"4 of 64 were given up, and could break it");
    assert_eq!(
        words(&story, &[at_most("tpot_p95", 0.005), at_most("max_gap_max", 0.005)]),
        [PASS; 2]
    );
    assert_eq!(words(&story, &[at_least("prefill_per_s_mean", 100.0)]), [PASS]);
    let attain = |share| Gate { attain: Some(share), ..at_most("ttft", 2.0) };
    assert_eq!(words(&story, &[attain(0.93), attain(0.95)]), [PASS, FAIL], "60 of 64 as ever");
}

#[test]
fn a_stalled_answer_is_a_value_above_its_limit_in_what_it_did_not_end() {
    let story = run_of(64, |nth, request| {
        if nth % 16 == 3 {
            stall(request);
        }
    });
    let gates = ["tpot_p95", "tpot_max", "max_gap_p95", "e2e_p95", "gap_max"];
    for name in gates {
        assert_eq!(of(&story, at_most(name, 0.2)).word, FAIL, "{name}");
        assert_eq!(of(&story, at_most(name, 100.0)).word, OPEN, "{name}");
    }
    assert_eq!(words(&story, &[at_most("ttft_p95", 2.0), at_most("tpot", 0.005)]), [PASS; 2]);
    let rate = of(&story, at_least("tokens_per_s_mean", 1.0));
    assert_eq!((rate.word, rate.value.unwrap().known()), (PASS, None));
    assert_eq!(of(&story, at_least("tokens_per_s", 240.0)).word, PASS);
    // The 29.7 s after its first token, over the 127 that were to come.
    let slowest = of(&story, at_most("tpot_max", 0.1)).value.unwrap();
    assert!((slowest.above().unwrap() - 29.6 / 127.0).abs() < 1e-9, "{slowest:?}");
}

#[test]
fn other_bad_endings_stay_out_of_the_times_and_so_does_what_met_an_outage() {
    for ended in [Ended::Reset, Ended::HttpError, Ended::ErrorFrame, Ended::Cut] {
        let story = run_of(64, |nth, request| {
            if nth % 16 == 3 {
                time_out(request);
                request.ended = ended;
            }
        });
        let found = of(&story, at_most("ttft_p95", 2.0));
        assert_eq!((found.word, found.n), (PASS, 60), "{ended:?}");
    }
    let mut story = Story::soaking();
    story.goods(10.0, 60, 0).bad(131.0, 0, Ended::Refused, "refused").up(132.0, false);
    let mut late = story.request(129.0, 0);
    time_out(&mut late);
    story.push(159.0, Fact::Request(Box::new(late))).up(170.0, true).good(171.0, 0);
    story.closed(180.0, ClosedBecause::Done);
    assert_eq!(of(&story, at_most("ttft_max", 2.0)).word, PASS);
}

#[test]
fn a_gate_says_of_which_share_it_could_judge_and_of_too_few_it_decides_nothing() {
    let story = |unknown: u32| {
        run_of(100, |nth, request| {
            if nth < unknown {
                (request.output_tokens, request.first_tokens) = (None, None);
                request.cached_tokens = None;
                request.ttft_content_us = None;
            }
        })
    };
    for name in ["tpot_p95", "tokens_per_s", "prefill_per_s", "ttft_content", "tpot_max"] {
        let gate = || match name {
            "tokens_per_s" | "prefill_per_s" => at_least(name, 1.0),
            _ => at_most(name, 2.0),
        };
        let found = of(&story(40), gate());
        assert_eq!((found.word, found.judged_share()), (OPEN, Some(0.6)), "{name}");
        let found = of(&story(4), gate());
        assert_eq!((found.word, found.judged_share()), (PASS, Some(0.96)), "{name}");
        assert_eq!(of(&story(0), gate()).judged_share(), None, "{name}");
    }
    let why = of(&story(40), at_most("tpot_p95", 2.0)).why;
    assert_snapshot!(why, @"of 60 %: the server gives no token counts for the stream and its first chunk for 40 of 100");
    assert_eq!(of(&story(40), at_most("ttft_p95", 2.0)).word, PASS);
    assert_eq!(
        of(&story(40), at_most("tpot_max", 0.001)).word,
        FAIL,
        "one that was judged broke it"
    );
    assert_eq!(of(&story(40), at_most("tpot", 0.001)).word, FAIL, "60 of 100 broke it");
    assert_eq!(of(&story(60), at_most("tpot", 0.001)).word, OPEN, "40 of 100 did");
    let attain = Gate { attain: Some(0.9), ..at_most("tpot", 2.0) };
    assert_eq!(of(&story(40), attain).word, OPEN);
}

#[test]
fn an_answer_of_one_token_and_a_request_that_failed_have_no_time_per_token_by_nature() {
    let story = run_of(100, |nth, request| {
        if nth < 30 {
            (request.output_tokens, request.chunks) = (Some(1), 1);
            (request.last_us, request.max_gap_us) = (request.ttft_us, None);
        } else if nth < 40 {
            request.ended = Ended::ErrorFrame;
        }
    });
    let found = of(&story, at_most("tpot_p95", 2.0));
    assert_eq!((found.word, found.n, found.judged_share()), (PASS, 60, None));
    assert_eq!(of(&story, at_most("max_gap_max", 2.0)).word, PASS);
}

#[test]
fn what_longhaul_itself_delayed_is_left_out_and_too_much_of_it_decides_nothing() {
    let story = |delayed: u32, slow: bool| {
        run_of(100, |nth, request| {
            if nth < delayed {
                request.first_delay_us = Some(400_000);
                request.ttft_us = Some(800_000);
                request.last_us = request.last_us.map(|us| us + 400_000);
            } else if slow {
                request.ttft_us = Some(700_000);
            }
        })
    };
    let gates = || [at_most("ttft_max", 0.5), at_most("ttft_p95", 0.5), at_most("ttft", 0.5)];
    assert_eq!(words(&story(5, false), &gates()), [PASS; 3]);
    assert_eq!(words(&story(6, false), &gates()), [OPEN; 3]);
    assert_eq!(words(&story(6, true), &gates()), [FAIL; 3], "the others show it");
    assert_eq!(words(&story(60, true), &gates()), [FAIL, FAIL, OPEN], "40 of 100 are over");
    let found = of(&story(6, false), at_most("ttft_p95", 0.5));
    assert_snapshot!(found.why, @"of 94 %: longhaul's own delay spoiled 6 of 100");
    let told = judged(&story(6, false), &[]).findings.into_iter().map(|it| it.words);
    let told = told.filter(|words| words.contains("delayed")).collect::<String>();
    assert_snapshot!(told, @"6 requests were delayed by longhaul itself, by up to 400 ms: it was stopped, or got no processor; times that this changed are left out");
    let little = run_of(100, |_, request| request.first_delay_us = Some(20_000));
    assert_eq!(words(&little, &gates()), [PASS; 3], "5 % of the value");
    let within = run_of(100, |_, request| request.gap_delay_us = Some(400_000));
    let last = run_of(100, |_, request| request.last_delay_us = Some(400_000));
    let names = [at_most("ttft_p95", 0.5), at_most("max_gap_max", 0.5), at_most("tpot_p95", 0.5)];
    assert_eq!(words(&within, &names), [PASS, OPEN, PASS]);
    assert_eq!(words(&last, &names), [PASS, PASS, OPEN]);
}

#[test]
fn an_answer_that_longhaul_read_at_once_was_not_held_back_on_the_way() {
    let story = run_of(60, |nth, request| {
        if nth % 2 == 0 {
            request.first_delay_us = Some(900_000);
            (request.last_us, request.max_gap_us) = (request.ttft_us, None);
            request.first_tokens = Some(128);
        }
    });
    let found = of(&story, at_most("tpot", 0.005));
    assert_snapshot!(found.why, @"of 50 %: longhaul's own delay spoiled 30 of 60");
    let told = judged(&story, &[]).findings;
    assert!(!told.iter().any(|finding| finding.words.contains("one piece")), "{told:?}");
}

fn with_lost(story: &Story, lost: LostRows, gates: &[Gate]) -> Vec<VerdictWord> {
    let mut asked = asked(&[0]);
    (asked.reported.lost, asked.reported.missing_seqs) = (lost, lost.all);
    let analysis = analyse(&asked, story.entries.iter());
    let verdict = judge(&Contract { gates: gates.to_vec() }, &analysis);
    verdict.gates.iter().map(|gate| gate.word).collect()
}

#[test]
fn a_lost_row_can_have_been_the_one_that_breaks_a_gate() {
    let story = run_of(200, |_, _| {});
    let attain = |share| Gate { attain: Some(share), ..at_most("ttft", 2.0) };
    let gates = [
        at_most("ttft_max", 2.0),
        at_most("ttft_mean", 2.0),
        at_most("ttft_p95", 2.0),
        at_most("ttft", 2.0),
        at_least("tokens_per_s", 1.0),
        attain(0.95),
        at_most("errors", 0.05),
    ];
    let lost = |n| with_lost(&story, LostRows::anywhere(n), &gates);
    assert_eq!(lost(0), [PASS; 7]);
    assert_eq!(lost(1), [OPEN, OPEN, PASS, PASS, PASS, PASS, PASS]);
    assert_eq!(lost(11), [OPEN, OPEN, OPEN, PASS, PASS, OPEN, OPEN]);
    assert_eq!(lost(300), [OPEN; 7]);
    let broken = [at_most("ttft_max", 0.1), at_most("ttft_p95", 0.1)];
    assert_eq!(with_lost(&story, LostRows::anywhere(300), &broken), [FAIL; 2], "it was seen");
    let readings = LostRows { readings: 9, all: 9, ..LostRows::default() };
    assert_eq!(with_lost(&story, readings, &gates), [PASS; 7], "no request is a reading");
}

#[test]
fn a_lost_row_can_have_shown_an_event() {
    let mut story = Story::soaking();
    story.goods(10.0, 60, 0).closed(131.0, ClosedBecause::Done);
    let gates = [at_most("crashes", 0.0), at_most("restarts", 0.0), at_most("crashes", 2.0)];
    assert_eq!(with_lost(&story, LostRows::default(), &gates), [PASS; 3]);
    for lost in [
        LostRows { readings: 1, all: 1, ..LostRows::default() },
        LostRows { events: 1, all: 1, ..LostRows::default() },
        LostRows { requests: 1, all: 1, ..LostRows::default() },
    ] {
        assert_eq!(with_lost(&story, lost, &gates), [OPEN, OPEN, PASS], "{lost:?}");
    }
}

#[test]
fn a_comparison_with_the_reference_window_holds_for_lost_rows_on_either_side() {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Reference).up(0.5, true);
    story.goods(1.0, 60, 0).phase(130.0, Phase::Soak).goods(131.0, 60, 0);
    story.closed(260.0, ClosedBecause::Done);
    let drift = |name| gate(name, Limit::AtMostOf(1.1, Base::Reference));
    let gates = [drift("ttft"), drift("ttft_max")];
    assert_eq!(with_lost(&story, LostRows::default(), &gates), [PASS; 2]);
    assert_eq!(with_lost(&story, LostRows::anywhere(2), &gates), [PASS, OPEN]);
    let select = Select { phase: Some(Phase::Soak), ..Select::default() };
    let soak = Gate { select, ..drift("ttft") };
    assert_eq!(with_lost(&story, LostRows::anywhere(70), &[soak]), [OPEN]);
}

#[test]
fn too_few_requests_for_a_p95_fail_it_where_more_than_it_allows_must_break_it() {
    for (n, slow, word) in
        [(36, 36, FAIL), (2, 2, FAIL), (1, 1, OPEN), (36, 5, FAIL), (36, 3, OPEN), (36, 0, OPEN)]
    {
        let story = run_of(n, |nth, request| {
            if nth < slow {
                time_out(request);
            }
        });
        let result = of(&story, at_most("ttft_p95", 20.0));
        assert_eq!(result.word, word, "{slow} of {n}: {result:?}");
        assert_eq!(
            of(&story, at_most("ttft_p95", 40.0)).word,
            OPEN,
            "no time is known to be above"
        );
    }
    let story = run_of(20, |nth, request| {
        if nth < 20 {
            time_out(request);
        }
    });
    assert_eq!(of(&story, at_most("ttft_p95", 20.0)).why, "20 of 20 are over its limit");
    assert_eq!(words(&story, &[at_least("prefill_per_s_p95", 1e6)]), [OPEN], "too few for most");
}
