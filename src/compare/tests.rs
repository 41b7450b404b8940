use super::story::{key, side, start};
use super::*;
use crate::rng::Rng;
use crate::spec::recipe::{Wishes, read_as};

const A: [f64; 6] = [812.0, 805.0, 820.0, 798.0, 815.0, 809.0];
const SLOWER: [f64; 6] = [842.0, 851.0, 838.0, 860.0, 845.0, 829.0];
const SAME: [f64; 6] = [814.0, 806.0, 823.0, 799.0, 811.0, 817.0];

fn compared(base: &[Start], candidate: &[Start]) -> Comparison {
    compare(base, candidate, &Wish::default()).unwrap()
}

fn times(factor: f64) -> Vec<f64> {
    A.iter().map(|value| value * factor).collect()
}

#[test]
fn six_starts_a_side_tell_the_same_from_the_slower_and_the_faster() {
    let base = side("a", &A);
    let word = |values: &[f64]| compared(&base, &side("b", values)).decision;
    assert_eq!(word(&SAME).word, Word::Equivalent);
    assert_eq!(word(&times(1.10)).word, Word::Regression);
    assert_eq!(word(&times(1.10)).exit_code, 1);
    assert_eq!(word(&times(0.90)).word, Word::Improved);
    assert_eq!(word(&times(0.90)).exit_code, 0);
    assert!(!word(&times(1.10)).suggestive);
}

#[test]
fn slower_within_the_margin_is_no_regression_and_said_to_have_changed() {
    let comparison = compared(&side("a", &A), &side("b", &SLOWER));
    let row = &comparison.rows[0];
    assert!((row.ratio - 1.040_89).abs() < 1e-5, "{}", row.ratio);
    let (low, high) = row.interval.unwrap();
    assert!((low - 1.026_83).abs() < 1e-5 && (high - 1.058_90).abs() < 1e-5, "{low} {high}");
    assert_eq!((row.word, comparison.decision.word), (Word::Changed, Word::Changed));
    assert_eq!(comparison.decision.exit_code, 0);
}

#[test]
fn a_rate_is_better_when_higher() {
    let of = |values: &[f64]| -> Vec<Start> {
        let one = |value: &f64| start(&value.to_string(), &[(key(0, "throughput"), *value)]);
        values.iter().map(one).collect()
    };
    let rows = |values: &[f64]| compared(&of(&A), &of(values)).rows;
    assert_eq!(rows(&times(1.2))[0].word, Word::Improved);
    assert_eq!(rows(&times(0.8))[0].word, Word::Regression);
    let ratio = rows(&times(0.8))[0].ratio;
    assert!((ratio - 0.8).abs() < 0.01, "{ratio}");
}

#[test]
fn one_run_a_side_decides_nothing_by_its_numbers() {
    let comparison = compared(&side("a", &A[..1]), &side("b", &[1600.0]));
    assert_eq!(comparison.decision.word, Word::Inconclusive);
    assert_eq!(comparison.decision.exit_code, 0);
    assert_eq!(comparison.rows[0].interval, None);
    assert!(comparison.rows[0].why.contains("one start a side"));
    let strict = Wish { strict: true, ..Wish::default() };
    let strict = compare(&side("a", &A[..1]), &side("b", &[1600.0]), &strict).unwrap();
    assert_eq!(strict.decision.exit_code, 3);
}

#[test]
fn a_noise_floor_makes_one_run_a_side_a_suggestion_and_no_failure() {
    let floor = floor::of(&side("floor", &A), "r").unwrap();
    let wish = Wish { floor: Some(floor), ..Wish::default() };
    let with = |ms: f64| compare(&side("a", &A[..1]), &side("b", &[ms]), &wish).unwrap().decision;
    let worse = with(900.0);
    assert_eq!((worse.word, worse.suggestive, worse.exit_code), (Word::Regression, true, 0));
    assert_eq!(with(815.0).word, Word::Equivalent);
    assert!(with(700.0).suggestive);
}

#[test]
fn a_floor_of_another_load_or_of_too_few_is_refused() {
    assert!(floor::of(&side("floor", &A[..2]), "r").is_err());
    let floor = floor::of(&side("floor", &A), "r").unwrap();
    let wish = Wish { floor: Some(floor), ..Wish::default() };
    let other = |mut starts: Vec<Start>| {
        starts.iter_mut().for_each(|start| start.alike.seed = 2);
        starts
    };
    let wrong = compare(&other(side("a", &A)), &other(side("b", &A)), &wish).unwrap_err();
    assert!(wrong.to_string().contains("noise floor is of another load"), "{wrong}");
}

#[test]
fn a_faster_candidate_that_died_once_is_no_improvement() {
    let mut faster = side("b", &times(0.8));
    faster[3].events[0].seen = 1;
    let decision = compared(&side("a", &A), &faster).decision;
    assert_eq!((decision.word, decision.exit_code), (Word::Regression, 1));
    assert!(decision.because[0].starts_with("crashes 0 → 1: new"), "{:?}", decision.because);
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
    let dark = |asked: bool| {
        let mut starts = side("b", &SAME);
        for start in &mut starts {
            start.events[1].dark = vec!["server log not read".to_owned()];
            start.events[1].asked = asked;
        }
        compared(&side("a", &A), &starts)
    };
    assert_eq!(dark(true).decision.exit_code, 3);
    assert_eq!(dark(true).decision.word, Word::Inconclusive);
    assert_eq!(dark(false).decision.exit_code, 0);
    assert_eq!(dark(false).policies[1].candidate, None);
}

#[test]
fn a_start_that_fails_is_news() {
    let mut starts = side("b", &SAME);
    starts[5].values.clear();
    starts[5].never_ready = Some("the draft model is not supported".to_owned());
    let decision = compared(&side("a", &A), &starts).decision;
    assert_eq!(decision.exit_code, 1);
    assert!(decision.because[0].contains("the draft model"), "{:?}", decision.because);
}

#[test]
fn different_loads_are_refused_and_forced_ones_are_marked() {
    let mut other = side("b", &SAME);
    other.iter_mut().for_each(|start| start.alike.seed = 9);
    let wrong = compare(&side("a", &A), &other, &Wish::default()).unwrap_err();
    assert!(wrong.to_string().contains("seed differ"), "{wrong}");
    let wish = Wish { force: true, ..Wish::default() };
    let forced = compare(&side("a", &A), &other, &wish).unwrap();
    assert_eq!(forced.differs.forced, ["seed"]);
}

fn served(starts: Vec<Start>, settings: &str) -> Vec<Start> {
    let text = format!("model: m\ncontainer: i\ncommand: vllm serve m {settings}\n");
    let source = crate::spec::Source { name: "r".into(), origin: "r.yaml".into(), text };
    let reading = read_as(&source, &Wishes::default(), &|_| Ok(None)).unwrap();
    let with = |start| Start { recipe: Some(reading.clone()), ..start };
    starts.into_iter().map(with).collect()
}

#[test]
fn what_was_changed_is_named_and_more_than_one_can_be_forbidden() {
    let base = served(side("a", &A), "--max-num-seqs 4");
    let one = served(side("b", &SAME), "--max-num-seqs 8");
    let two = served(side("b", &SAME), "--max-num-seqs 8 --kv-cache-dtype fp8");
    let names = |candidate: &[Start]| -> Vec<String> {
        let found = compared(&base, candidate).differs.variables;
        found.into_iter().map(|variable| variable.what).collect()
    };
    assert_eq!(names(&one), ["max_num_seqs"]);
    assert_eq!(names(&two), ["kv_cache_dtype", "max_num_seqs"]);
    let wish = Wish { one_variable: true, ..Wish::default() };
    assert_eq!(compare(&base, &two, &wish).unwrap().decision.exit_code, 1);
    assert_eq!(compare(&base, &one, &wish).unwrap().decision.exit_code, 0);
    let mut mixed = one;
    mixed.extend(served(side("c", &A[..1]), "--max-num-seqs 16"));
    assert!(compare(&base, &mixed, &wish).unwrap_err().to_string().contains("mixes recipes"));
}

#[test]
fn of_recipes_that_cannot_be_read_again_what_they_came_to_is_compared() {
    let of = |name: &str, command: &str| -> Vec<Start> {
        let with = |start| Start { command: Some(command.to_owned()), ..start };
        side(name, &A).into_iter().map(with).collect()
    };
    let differs = |other: &str| compared(&of("a", "serve x"), &of("b", other)).differs.variables;
    assert_eq!(differs("serve y")[0].what, "command");
    assert!(differs("serve x").is_empty());
}

#[test]
fn another_version_behind_the_same_recipe_is_a_change_too() {
    let of = |name: &str, version: &str| {
        let mut starts = side(name, &A);
        for start in &mut starts {
            start.identity.insert("version".to_owned(), version.to_owned());
            start.surroundings.insert("kernel".to_owned(), version.to_owned());
        }
        starts
    };
    let differs = compared(&of("a", "0.19"), &of("b", "0.20")).differs;
    assert_eq!(differs.variables[0].what, "runtime version");
    assert_eq!(differs.surroundings[0].what, "kernel");
}

#[test]
fn a_gate_that_the_base_held_and_the_candidate_broke_is_a_policy() {
    use crate::verdict::Word::{Fail, Pass};
    let with = |word| {
        let mut starts = side("x", &SAME);
        starts.iter_mut().for_each(|start| {
            start.gates = vec![("ttft_p95: 2s".to_owned(), word, "over its limit".to_owned())];
        });
        starts
    };
    let broken = policy::policies(&with(Pass), &with(Fail));
    assert_eq!(broken.last().unwrap().word, PolicyWord::Broken);
    assert_eq!(policy::policies(&with(Fail), &with(Fail)).len(), 5);
}

/// Starts of one machine, a spread of 1 % between them, one of the sides `factor` times as slow.
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
    let count = |factor, word| (0..300).filter(|seed| decide(*seed, factor) == word).count();
    assert_eq!(count(1.0, Word::Regression) + count(1.0, Word::Improved), 0);
    assert!(count(1.0, Word::Equivalent) > 290);
    assert!(count(1.10, Word::Regression) > 290);
}

#[test]
fn the_primary_rows_are_the_ends_of_the_ladder_at_the_lightest_load() {
    let rows = compared(&side("a", &A), &side("b", &SAME)).rows;
    let primary: Vec<String> = rows
        .iter()
        .filter(|row| row.primary)
        .map(|row| format!("{} {}", row.key.place.cell.depth, row.key.measure))
        .collect();
    assert_eq!(primary, ["0 ttft_p50", "0 tpot_p50", "4096 ttft_p50", "4096 tpot_p50"]);
}

#[test]
fn beyond_the_margin_by_chance_among_many_is_not_called_a_regression() {
    // Four starts a side: the least p is 2.9 %, which four primary rows cannot carry.
    let row = &compared(&side("a", &A[..4]), &side("b", &times(1.3)[..4])).rows[0];
    assert_eq!(row.word, Word::Inconclusive);
    assert!(row.why.contains("among 4 rows"), "{}", row.why);
}
