use crate::stats::Estimate;
use insta::assert_snapshot;

use super::fixture::{group, key, side, start, under};
use super::*;
use crate::exit::Exit;
use crate::measure::Measure;
use crate::rng::Rng;

mod comparable;
mod policy;

const A: [f64; 6] = [812.0, 805.0, 820.0, 798.0, 815.0, 809.0];
const SLOWER: [f64; 6] = [842.0, 851.0, 838.0, 860.0, 845.0, 829.0];
const SAME: [f64; 6] = [814.0, 806.0, 823.0, 799.0, 811.0, 817.0];

fn compared(base: &[Start], candidate: &[Start]) -> Comparison {
    compare(base, candidate, &CompareTerms::default()).unwrap()
}

fn times(factor: f64) -> Vec<f64> {
    A.iter().map(|value| value * factor).collect()
}

#[test]
fn six_starts_a_side_tell_the_same_from_the_slower_and_the_faster() {
    let base = side("a", &A);
    let word = |values: &[f64]| compared(&base, &side("b", values)).decision;
    assert_eq!(word(&SAME).word, CompareWord::Equivalent);
    assert_eq!(word(&times(1.10)).word, CompareWord::Regression);
    assert_eq!(word(&times(1.10)).exit, Exit::Fail);
    assert_eq!(word(&times(0.90)).word, CompareWord::Improved);
    assert_eq!(word(&times(0.90)).exit, Exit::Pass);
    assert!(!word(&times(1.10)).suggestive);
}

#[test]
fn slower_within_the_margin_is_no_regression_and_said_to_have_changed() {
    let comparison = compared(&side("a", &A), &side("b", &SLOWER));
    let row = &comparison.rows[0];
    assert!((row.ratio - 1.040_89).abs() < 1e-5, "{}", row.ratio);
    let (low, high) = row.interval.unwrap();
    assert!((low - 1.026_83).abs() < 1e-5 && (high - 1.058_90).abs() < 1e-5, "{low} {high}");
    assert_eq!((row.word, comparison.decision.word), (CompareWord::Changed, CompareWord::Changed));
    assert_eq!(comparison.decision.exit, Exit::Pass);
}

#[test]
fn a_start_that_gave_requests_up_is_the_worst_and_no_number_is_made_up_for_it() {
    let above = |name: &str, at: f64| {
        let mut starts = side(name, &A);
        for value in starts.iter_mut().flat_map(|start| start.values.values_mut()) {
            value.value = Estimate::between(at, f64::INFINITY);
        }
        starts
    };
    let row = |base: &[Start], candidate: &[Start]| compared(base, candidate).rows[0].clone();
    // Above a bound that is under the base's own times.
    let worse = row(&side("a", &A), &above("b", 0.001));
    assert_eq!((worse.word, worse.change()), (CompareWord::Regression, None));
    assert_eq!(worse.candidate.value.above(), Some(0.001));
    assert_eq!(row(&above("a", 0.001), &side("b", &A)).word, CompareWord::Improved);
    let both = row(&above("a", 30.0), &above("b", 30.0));
    assert_eq!(
        (both.word, &*both.why),
        (CompareWord::Inconclusive, "requests were given up on both sides")
    );
    let comparison = compared(&side("a", &A), &above("b", 30.0));
    assert!(
        comparison.decision.sentences()[0].contains("requests were given up"),
        "{:?}",
        comparison.decision.sentences()
    );
}

#[test]
fn a_rate_is_better_when_higher() {
    let of = |values: &[f64]| -> Vec<Start> {
        let one = |value: &f64| start(&value.to_string(), &[(key(0, "throughput"), *value)]);
        values.iter().map(one).collect()
    };
    let rows = |values: &[f64]| compared(&of(&A), &of(values)).rows;
    assert_eq!(rows(&times(1.2))[0].word, CompareWord::Improved);
    assert_eq!(rows(&times(0.8))[0].word, CompareWord::Regression);
    let ratio = rows(&times(0.8))[0].ratio;
    assert!((ratio - 0.8).abs() < 0.01, "{ratio}");
}

#[test]
fn one_run_a_side_decides_nothing_by_its_numbers() {
    let comparison = compared(&side("a", &A[..1]), &side("b", &[1600.0]));
    assert_eq!(comparison.decision.word, CompareWord::Inconclusive);
    assert_eq!(comparison.decision.exit, Exit::Pass);
    assert_eq!(comparison.rows[0].interval, None);
    assert_snapshot!(comparison.rows[0].why, @"one start a side, and no noise floor");
    let strict = CompareTerms { strict: true, ..CompareTerms::default() };
    let strict = compare(&side("a", &A[..1]), &side("b", &[1600.0]), &strict).unwrap();
    assert_eq!(strict.decision.exit, Exit::Inconclusive);
}

#[test]
fn a_noise_floor_makes_one_run_a_side_a_suggestion_and_no_failure() {
    let floor = floor::of(&side("floor", &A)).unwrap();
    let terms = CompareTerms { floor: Some(floor), ..CompareTerms::default() };
    let with = |ms: f64| compare(&side("a", &A[..1]), &side("b", &[ms]), &terms).unwrap().decision;
    let worse = with(900.0);
    assert_eq!(
        (worse.word, worse.suggestive, worse.exit),
        (CompareWord::Regression, true, Exit::Pass)
    );
    assert_eq!(with(815.0).word, CompareWord::Equivalent);
    let open = with(850.0);
    assert_eq!((open.word, open.suggestive), (CompareWord::Inconclusive, false), "{open:?}");
    assert_snapshot!(open.because[0].words, @"open: ttft at d0/c1, tpot at d0/c1, ttft at d4096/c1, tpot at d4096/c1: different, but not surely so among 4 rows");
    assert!(with(700.0).suggestive);
}

#[test]
fn a_floor_of_another_load_or_of_too_few_is_refused() {
    assert!(floor::of(&side("floor", &A[..2])).is_err());
    let floor = floor::of(&side("floor", &A)).unwrap();
    let terms = CompareTerms { floor: Some(floor), ..CompareTerms::default() };
    let other = |mut starts: Vec<Start>| {
        for start in &mut starts {
            start.load_identity.seed = 2;
        }
        starts
    };
    let wrong = compare(&other(side("a", &A)), &other(side("b", &A)), &terms).unwrap_err();
    assert_snapshot!(wrong, @"
        error: the noise floor is of another load: short too, of another text, seed or plan
          try: longhaul floor RUN RUN RUN, with runs of this load on this machine
    ");
}

/// Returns starts of one machine with a spread of 1 % between them, `factor` times as slow.
fn drawn(seed: u64, starts: usize, factor: f64) -> Vec<f64> {
    let mut rng = Rng::at(seed, &[1]);
    (0..starts).map(|_| 800.0 * factor * (0.01 * rng.normal()).exp()).collect()
}

#[test]
fn of_many_comparisons_of_the_same_almost_none_raises_an_alarm_and_ten_percent_is_always_found() {
    let decide = |seed: u64, factor: f64| {
        let base = side("a", &drawn(2 * seed, 6, 1.0));
        compared(&base, &side("b", &drawn(2 * seed + 1, 6, factor))).decision.word
    };
    let words = |factor| (0..300).map(|seed| decide(seed, factor)).collect::<Vec<_>>();
    let count =
        |words: &[CompareWord], word| words.iter().filter(|decided| **decided == word).count();
    let same = words(1.0);
    assert_eq!(count(&same, CompareWord::Regression) + count(&same, CompareWord::Improved), 0);
    assert!(count(&same, CompareWord::Equivalent) > 290);
    assert!(count(&words(1.10), CompareWord::Regression) > 290);
}

#[test]
fn the_primary_rows_are_the_ends_of_the_ladder_at_the_lightest_load() {
    let rows = compared(&side("a", &A), &side("b", &SAME)).rows;
    let primary: Vec<String> = rows
        .iter()
        .filter(|row| row.primary)
        .map(|row| format!("{} {}", row.key.group.depth().unwrap(), row.key.measure))
        .collect();
    assert_eq!(primary, ["0 ttft_p50", "0 tpot_p50", "4096 ttft_p50", "4096 tpot_p50"]);
}

#[test]
fn beyond_the_margin_by_chance_among_many_is_not_called_a_regression() {
    // Four starts a side: the least p is 2.9 %, too large for four primary rows.
    let row = &compared(&side("a", &A[..4]), &side("b", &times(1.3)[..4])).rows[0];
    assert_eq!(row.word, CompareWord::Inconclusive);
    assert_snapshot!(row.why, @"beyond the margin, but not surely so among 4 rows");
}

#[test]
fn a_lost_throughput_decides_though_single_streams_are_as_fast_as_ever() {
    let crowd = |ms: f64, tokens: f64| {
        let mut all = side("x", &[ms]).remove(0);
        let key = under(crate::fact::Load::Streams(8), 0, "throughput");
        all.values.insert(key, StartValue { value: tokens.into(), n: 40 });
        all
    };
    let of = |name: &str, ms: &[f64], tokens: f64| -> Vec<Start> {
        let named = |(index, ms): (usize, &f64)| {
            let name = format!("{name}-{index}");
            Start {
                run: name.clone(),
                server_start_id: Some(name.clone()),
                name,
                ..crowd(*ms, tokens * ms / 800.0)
            }
        };
        ms.iter().enumerate().map(named).collect()
    };
    let comparison = compared(&of("a", &A, 180.0), &of("b", &SAME, 120.0));
    assert_eq!(
        (comparison.decision.word, comparison.decision.exit),
        (CompareWord::Regression, Exit::Fail)
    );
    assert_snapshot!(comparison.decision.because[0].words, @"throughput at d0/c8 -33.2 %");
}

#[test]
fn a_row_that_decides_and_is_gone_from_the_candidate_leaves_it_open() {
    let mut gone = side("b", &SAME);
    for start in &mut gone {
        start.values.remove(&key(4096, "tpot"));
    }
    let comparison = compared(&side("a", &A), &gone);
    assert_eq!(comparison.decision.word, CompareWord::Inconclusive);
    let because = comparison.decision.sentences();
    assert_eq!(because[0], "no value in the candidate: tpot at d4096/c1");
    assert_eq!(comparison.alone[0].key, key(4096, "tpot"));
    let strict = CompareTerms { strict: true, ..CompareTerms::default() };
    assert_eq!(compare(&side("a", &A), &gone, &strict).unwrap().decision.exit, Exit::Inconclusive);
    let more = compared(&gone, &side("c", &A));
    assert!(more.alone[0].in_candidate && !more.alone[0].primary, "{:?}", more.alone);
    assert_eq!(more.decision.word, CompareWord::Equivalent);
}

#[test]
fn three_starts_of_a_side_decide_nothing_however_many_the_other_has() {
    let many: Vec<f64> = A.iter().chain(&SAME).copied().collect();
    let row = &compared(&side("a", &many), &side("b", &times(1.3)[..3])).rows[0];
    assert_eq!((row.word, row.basis), (CompareWord::Inconclusive, Basis::Nothing));
    assert_eq!(row.why, "12 and 3 starts: an exact interval needs four a side");
}

#[test]
fn different_by_chance_among_many_rows_is_not_called_changed() {
    // Four starts a side suffice for a difference in one row, not in one of four.
    let slower: Vec<f64> = A[..4].iter().map(|value| value * 1.04).collect();
    let row = &compared(&side("a", &A[..4]), &side("b", &slower)).rows[0];
    assert_eq!(row.word, CompareWord::Inconclusive);
    assert_eq!(row.why, "different, but not surely so among 4 rows");
}

/// Returns starts at these rates of requests per second, with these response times in milliseconds.
fn pressed(name: &str, at: &[(f64, f64)]) -> Vec<Start> {
    let of = |(index, wobble): (usize, &f64)| {
        let values = at.iter().flat_map(|(rate, ms)| {
            let key = |measure| under(crate::fact::Load::PerSecond(*rate), 0, measure);
            [(key("ttft"), ms * wobble / 8e5), (key("throughput"), rate * 20.0)]
        });
        start(&format!("{name}-{index}"), &values.collect::<Vec<_>>())
    };
    A.iter().enumerate().map(of).collect()
}

#[test]
fn where_requests_come_at_a_rate_the_highest_decides_and_no_throughput_that_repeats_it() {
    let base = pressed("a", &[(0.05, 300.0), (1.0, 400.0)]);
    let comparison = compared(&base, &pressed("b", &[(0.05, 300.0), (1.0, 9000.0)]));
    let primary: Vec<String> = comparison
        .rows
        .iter()
        .filter(|row| row.primary)
        .map(|row| format!("{} {}", row.key.group.load().unwrap(), row.key.measure))
        .collect();
    assert_eq!(primary, ["r0.05 ttft_p50", "r1 ttft_p50"]);
    assert_eq!(
        (comparison.decision.word, comparison.decision.exit),
        (CompareWord::Regression, Exit::Fail)
    );
}

#[test]
fn starts_that_measured_nothing_are_not_left_out_without_a_word() {
    let eight: Vec<f64> = A.iter().chain(&SAME[..2]).copied().collect();
    let mut thin = side("b", &eight);
    for start in &mut thin[..2] {
        start.values.clear();
    }
    let strict = CompareTerms { strict: true, ..CompareTerms::default() };
    let decision = compare(&side("a", &eight), &thin, &strict).unwrap().decision;
    assert_eq!((decision.word, decision.exit), (CompareWord::Inconclusive, Exit::Inconclusive));
    assert_snapshot!(decision.because[0].words, @"6 of 8 starts of the candidate have a value: ttft at d0/c1, tpot at d0/c1, ttft at d4096/c1, tpot at d4096/c1");
}

#[test]
fn cells_that_differ_in_their_answers_length_only_are_told_apart() {
    let long = group(0, crate::fact::Load::Streams(1), 128);
    let of = |name: &str, values: &[f64]| -> Vec<Start> {
        let mut starts = side(name, values);
        for start in &mut starts {
            let key = MeasureKey { group: long.clone(), measure: Measure::parse("ttft").unwrap() };
            start.values.insert(key, StartValue { value: 1.0_f64.into(), n: 9 });
        }
        starts
    };
    let decision = compared(&of("a", &A), &of("b", &times(1.2))).decision;
    assert_eq!(decision.because[0].words, "ttft at d0/c1/o64 +20.0 %");
}

#[test]
fn against_a_published_table_a_run_that_is_not_whole_and_rounds_left_out_are_told() {
    let text = "| model | test | t/s |\n|--|--|--|\n| m | pp512 | 5.0 ± 0.1 |\n";
    let table = published::read("july.md", text, None).unwrap();
    let run = crate::analysis::arena::Table { left_out: 3, ..table.clone() };
    let base = PublishedBase { name: "july.md".to_owned(), table, recipe: None };
    let mut candidate = fixture::start("replay", &[]);
    candidate.broken_off = Some("stopped by hand after 2 h of 6 h".to_owned());
    let reported = against(&base, &candidate, &run, &CompareTerms::default()).differs.starts;
    assert_eq!(
        reported,
        [
            "NOT WHOLE, candidate replay: stopped by hand after 2 h of 6 h",
            "rounds of the candidate with a failed request, in no row: 3",
        ]
    );
}
