use insta::assert_snapshot;

use super::*;
use crate::compare::fixture::{key, side, start, under};
use crate::compare::trends::tests::{leaking, worsening};
use crate::compare::{CompareTerms, Start, compare, floor};
use crate::exit::Exit;

const A: [f64; 6] = [812.0, 805.0, 820.0, 798.0, 815.0, 809.0];

fn slower() -> Vec<Start> {
    side("b", &A.map(|value| value * 1.1))
}

fn of(base: &[Start], candidate: &[Start]) -> Comparison {
    compare(base, candidate, &CompareTerms::default()).unwrap()
}

#[test]
fn the_terminal_says_the_decision_first_and_keeps_to_eighty_columns() {
    let mut candidate = slower();
    candidate[0].events[0].seen = 1;
    let text = terminal::render(&of(&side("a", &A), &candidate), false).text().to_owned();
    assert_snapshot!("regression", text);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn without_a_floor_one_run_a_side_shows_margins_and_no_interval() {
    let text =
        terminal::render(&of(&side("a", &A[..1]), &side("b", &[900.0])), false).text().to_owned();
    assert_snapshot!("one_run_a_side", text);
}

#[test]
fn a_suggestion_is_marked_wherever_it_stands_and_an_error_nowhere() {
    let floor = Some(floor::of(&side("floor", &A)).unwrap());
    let terms = CompareTerms { floor, ..CompareTerms::default() };
    let suggested = compare(&side("a", &A[..1]), &side("b", &[900.0]), &terms).unwrap();
    assert_snapshot!("suggestion.terminal", terminal::render(&suggested, false).text());
    assert_snapshot!("suggestion.annotations", annotations::render(&suggested).text());
    assert_snapshot!("suggestion.junit", junit::render(&suggested).unwrap().text());
}

#[test]
fn a_throughput_says_its_unit_once_and_leaves_room_for_the_word() {
    let with = |name: &str, tokens: f64| -> Vec<Start> {
        let mut starts = side(name, &A);
        for start in &mut starts {
            let value = crate::compare::StartValue { value: tokens.into(), n: 8 };
            start.values.insert(under(crate::fact::Load::Streams(4), 0, "throughput"), value);
        }
        starts
    };
    let text = terminal::render(&of(&with("a", 42.5), &with("b", 42.5)), false).text().to_owned();
    assert_snapshot!("throughput", text);
}

#[test]
fn markdown_has_the_decision_in_its_first_line_and_lets_no_name_become_markup() {
    let mut candidate = slower();
    candidate[0].gates =
        vec![("<img> | *x*".to_owned(), crate::verdict::VerdictWord::Fail, "over".to_owned())];
    let base: Vec<Start> = side("a", &A)
        .into_iter()
        .map(|start| Start {
            gates: vec![(
                "<img> | *x*".to_owned(),
                crate::verdict::VerdictWord::Pass,
                String::new(),
            )],
            ..start
        })
        .collect();
    let text = markdown::render(&of(&base, &candidate)).text().to_owned();
    assert_snapshot!("markdown", text);
}

#[test]
fn a_comment_is_never_longer_than_a_forge_takes_and_says_what_is_left_out() {
    let many = |name: &str, ms: f64| -> Vec<Start> {
        let values: Vec<_> = (0..900)
            .flat_map(|depth| [(key(depth, "ttft"), ms), (key(depth, "tpot_p95"), ms)])
            .collect();
        (0..6).map(|n| start(&format!("{name}{n}"), &values)).collect()
    };
    let text = markdown::render(&of(&many("a", 1.0), &many("b", 2.0))).text().to_owned();
    assert!(text.len() < markdown::BYTES_MAX, "{}", text.len());
    let (_, end) = text.rsplit_once("|\n").unwrap();
    assert_snapshot!(end, @r"
        Policy: crashes 0 → 0 · ooms 0 → 0 · hangs 0 → 0 · parser\_faults 0 → 0 · failed\_requests 0 → 0 · failed\_starts 0 → 0 · gross\_slowdowns 0 → 0

        Proves: crashes, ooms, hangs: MTBF above 12 h 01 m → above 12 h 01 m (95 %) · parser\_faults: under 0.622 % → under 0.622 % (95 %)

        Also: verdicts 6 PASS → 6 PASS · restarts 0 → 0 · outages 0 → 0 · errors 0 % → 0 %

        Seen: every source on both sides

        Method: exact test over 6 and 6 starts; margins 5 %, of p95 10 %.

        1250 rows left out: a comment holds no more.
    ");
}

#[test]
fn junit_fails_on_what_decides_and_skips_what_is_open() {
    assert_snapshot!("junit", junit::render(&of(&side("a", &A), &slower())).unwrap().text());
    let open = of(&side("a", &A[..1]), &side("b", &A[1..2]));
    assert_snapshot!("junit.open", junit::render(&open).unwrap().text());
}

#[test]
fn junit_fails_on_no_gate_that_the_base_broke_too_and_always_where_the_program_does() {
    let gated = |name: &str| {
        let mut starts = side(name, &A);
        for start in &mut starts {
            start.gates = vec![(
                "tpot: 9ms".to_owned(),
                crate::verdict::VerdictWord::Fail,
                "11 ms".to_owned(),
            )];
        }
        starts
    };
    let text = junit::render(&of(&gated("a"), &gated("b"))).unwrap().text().to_owned();
    assert_eq!((text.matches("<failure").count(), text.matches("<skipped").count()), (0, 1));
    let mut unseen = side("b", &A);
    unseen[0].events[0].unseen = vec!["server log not read".to_owned()];
    let comparison = of(&side("a", &A), &unseen);
    assert_eq!(comparison.decision.exit, Exit::Inconclusive);
    let text = junit::render(&comparison).unwrap().text().to_owned();
    assert_eq!(text.matches("<failure").count(), 1, "{text}");
}

#[test]
fn what_does_not_decide_and_is_worse_stands_in_the_first_line() {
    let with = |name: &str, tail: f64| -> Vec<Start> {
        let mut starts = side(name, &A);
        for start in &mut starts {
            let value = crate::compare::StartValue { value: tail.into(), n: 80 };
            start.values.insert(key(0, "ttft_p95"), value);
        }
        starts
    };
    let comparison = of(&with("a", 1.0), &with("b", 2.0));
    let text = markdown::render(&comparison).text().to_owned();
    assert_snapshot!("markdown.to_be_looked_into", text);
}

#[test]
fn a_leak_and_a_drift_that_are_new_are_told_in_every_format_with_the_setting_that_was_changed() {
    let base = leaking("a", 12, 0.0);
    let mut candidate = worsening("b", 12, 120.0, 0.02);
    candidate.command = Some("vllm serve m --max-num-seqs 8".to_owned());
    let comparison = of(&[base], &[candidate]);
    let terminal = terminal::render(&comparison, false).text().to_owned();
    assert!(terminal.lines().all(|line| line.chars().count() <= 80), "{terminal}");
    assert_snapshot!("leak.terminal", terminal);
    assert_snapshot!("leak.wide", terminal::render(&comparison, true).text());
    assert_snapshot!("leak.markdown", markdown::render(&comparison).text());
    assert_snapshot!("leak.junit", junit::render(&comparison).unwrap().text());
    assert_snapshot!("leak.annotations", annotations::render(&comparison).text());
    assert_snapshot!("leak.json", json::render(&comparison).text());
}

#[test]
fn jumps_beside_what_does_not_drift_are_counted() {
    let base = leaking("a", 12, 0.0);
    let mut candidate = leaking("b", 12, 0.0);
    for answers in &mut candidate.trends.answers[..2] {
        answers.trend.word = crate::analysis::trend::TrendWord::Step;
    }
    let [_, answers] = trends::lines(&of(&[base], &[candidate]), false);
    assert_snapshot!(answers.join("\n"), @"all 3: no drift in the candidate, but 2 of them jump: --wide");
}

#[test]
fn json_is_versioned_and_has_null_where_nothing_is_known() {
    let text = json::render(&of(&side("a", &A[..1]), &side("b", &A[1..2]))).text().to_owned();
    assert_snapshot!("json", text);
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
}

#[test]
fn an_annotation_is_one_line_whatever_is_in_it() {
    let mut candidate = slower();
    (candidate[0].never_ready, candidate[0].failed_starts) =
        (Some("two\nlines, 100 %".to_owned()), 1);
    let text = annotations::render(&of(&side("a", &A), &candidate)).text().to_owned();
    assert_snapshot!("annotations", text);
}

#[test]
fn a_forced_comparison_says_so_in_the_first_line_of_every_format() {
    let mut other = side("b", &A);
    for start in &mut other {
        start.load_identity.seed = 9;
    }
    let terms = CompareTerms { force: true, ..CompareTerms::default() };
    let forced = compare(&side("a", &A), &other, &terms).unwrap();
    let firsts =
        [terminal::render(&forced, false), markdown::render(&forced), annotations::render(&forced)]
            .map(|text| text.text().lines().next().unwrap_or_default().to_owned());
    assert_snapshot!(firsts.join("\n"), @"
        NOT THE SAME LOAD: EQUIVALENT  nothing was changed
        **NOT THE SAME LOAD: EQUIVALENT** · nothing was changed · 6 and 6 starts
        ::warning title=longhaul::NOT THE SAME LOAD: EQUIVALENT · nothing was changed
    ");
}

#[test]
fn nothing_that_others_wrote_becomes_a_link_a_mention_or_a_picture() {
    let escaped = crate::escape::markdown("@me #3 GH-3 https://x www.y :tada: $x$ \u{202e}z a: b");
    let shown = "@<!-- -->me #<!-- -->3 GH<!-- -->-3 https:<!-- -->//x www<!-- -->.y \
                 :<!-- -->tada: <span>$</span>x<span>$</span> \\\\u{202e}z a: b";
    assert_eq!(escaped, shown);
    let mut candidate = slower();
    candidate[0].never_ready = Some("\u{1b}[31mred\u{202e}".to_owned());
    candidate[0].failed_starts = 1;
    let annotated = annotations::render(&of(&side("a", &A), &candidate)).text().to_owned();
    let is_foreign = |c: char| ['\u{1b}', '\u{202e}'].contains(&c);
    assert!(!annotated.is_empty() && !annotated.chars().any(is_foreign), "{annotated}");
}

#[test]
fn thousands_of_gates_and_variables_fit_into_a_comment_and_into_a_line() {
    let many = |name: &str, word| {
        let mut starts = side(name, &A);
        for start in &mut starts {
            start.gates = (0..3_000)
                .map(|depth| (format!("ttft_p95: 2s at d{depth} @@@@@"), word, "over".to_owned()))
                .collect();
            start.name = "@".repeat(4_000);
        }
        starts
    };
    let mut comparison = of(
        &many("a", crate::verdict::VerdictWord::Pass),
        &many("b", crate::verdict::VerdictWord::Fail),
    );
    comparison.differs.variables = (0..3_000)
        .map(|n| Variable {
            what: format!("env.{n}@@@@"),
            base: None,
            candidate: Some("@".repeat(99)),
        })
        .collect();
    let text = markdown::render(&comparison).text().to_owned();
    assert!(text.len() < markdown::BYTES_MAX, "{}", text.len());
    let first = text.lines().next().unwrap();
    assert_snapshot!(first, @"**REGRESSION** · 3,000 variables changed: env.0@<!-- -->@<!-- -->@<!-- -->@<!-- -->, env.1@<!-- -->@<!-- -->@<!-- -->@<!-- -->, env.2@<!-- -->@<!-- -->@<!-- -->@<!-- -->, env.3@<!-- -->@<!-- -->@<!-- -->@<!-- -->, env.4@<!-- -->@<!-- -->@<!-- -->@<!-- -->, env.5@<!-- -->@<!-- -->@<!-- -->@<!-- -->, env.6@<!-- -->@<!-- -->@<!-- -->@<!-- -->, env.7@<!-- -->@<!-- -->@<!-- -->@ and 2992 more · 6 and 6 starts");
    assert!(annotations::render(&comparison).text().len() < 20_000);
    let lines = terminal::render(&comparison, false).text().lines().count();
    assert!(lines < 80, "{lines}");
}

#[test]
fn a_table_that_is_too_wide_loses_the_values_and_never_the_word() {
    let with = |name: &str, tokens: f64| -> Vec<Start> {
        let mut starts = side(name, &A);
        for (index, start) in starts.iter_mut().enumerate() {
            let key = under(crate::fact::Load::PerSecond(0.125), 100_000, "ttft_p95");
            let value = tokens * (1.0 + index as f64);
            let value = crate::compare::StartValue { value: value.into(), n: 8 };
            start.values.insert(key, value);
        }
        starts
    };
    let text = terminal::render(&of(&with("a", 0.1), &with("b", 9_999.0)), false).text().to_owned();
    assert_snapshot!("too_wide", text);
}
