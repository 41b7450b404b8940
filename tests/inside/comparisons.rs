//! Tests whole comparisons in virtual time: starts of a simulated server against starts of another
//! with a known speed, and the decision about them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test file, its helpers too
#![allow(clippy::print_stderr)] // the tier prints its table

mod starts;

use insta::assert_snapshot;
use longhaul::compare::{CompareTerms, CompareWord, PolicyWord};
use longhaul::exit::Exit;
use starts::{Starts, compared};

#[test]
fn six_starts_of_one_server_against_six_of_the_same_are_equivalent() {
    let starts = Starts::new();
    let comparison = compared(&starts.side("a", 1, 6, 1.0), &starts.side("b", 200, 6, 1.0));
    assert_eq!(comparison.decision.word, CompareWord::Equivalent, "{:#?}", comparison.decision);
    assert_eq!(comparison.decision.exit, Exit::Pass);
    assert!(comparison.simulated && comparison.differs.variables.is_empty());
    assert!(comparison.policies.iter().all(|policy| policy.word == PolicyWord::Held));
}

#[test]
fn a_server_that_is_ten_percent_slower_is_found_and_one_of_the_same_speed_that_dies_too() {
    let starts = Starts::new();
    let base = starts.side("a", 1, 6, 1.0);
    let slower = compared(&base, &starts.side("b", 100, 6, 1.10));
    assert_eq!((slower.decision.word, slower.decision.exit), (CompareWord::Regression, Exit::Fail));
    let row = slower.rows.iter().find(|row| row.primary).unwrap();
    assert!((row.ratio - 1.10).abs() < 0.02, "{}", row.ratio);
    assert!(slower.differs.surroundings.iter().any(|it| it.what == "machine profile"));
    let dies = compared(&base, &starts.ailing("c", 200, &["crash=20s@30s"]));
    assert_eq!((dies.decision.word, dies.decision.exit), (CompareWord::Regression, Exit::Fail));
    assert!(
        dies.decision.because[0].words.starts_with("crashes 0 → 1: new"),
        "{:?}",
        dies.decision
    );
}

#[test]
fn one_run_a_side_suggests_with_the_floor_of_its_machine_and_decides_nothing_without() {
    let starts = Starts::new();
    let floor = starts::floor(&starts.side("floor", 300, 6, 1.0));
    let (base, slower) = (starts.side("a", 1, 1, 1.0), starts.side("b", 100, 1, 1.15));
    assert_eq!(compared(&base, &slower).decision.word, CompareWord::Inconclusive);
    let wish = CompareTerms { floor: Some(floor), ..CompareTerms::default() };
    let decision = starts::sides(&base, &slower, &wish).unwrap().decision;
    assert_eq!((decision.word, decision.suggestive), (CompareWord::Regression, true));
    assert_eq!(decision.exit, Exit::Pass, "a suggestion fails nothing");
}

#[test]
fn a_server_that_does_not_come_up_breaks_the_comparison_and_one_run_counts_once() {
    let starts = Starts::new();
    let (base, mut other) = (starts.side("a", 1, 2, 1.0), starts.side("b", 100, 1, 1.0));
    other.extend(starts.ailing("c", 200, &["start_fails"]));
    let again = starts.ailing("d", 300, &["start_fails=2"]);
    let later = compared(&base, &again).decision;
    assert!(later.because[0].words.starts_with("failed_starts 0 → 2: it came up"), "{later:?}");
    let decision = compared(&base, &other).decision;
    assert_eq!(
        (decision.word, decision.exit),
        (CompareWord::Regression, Exit::Fail),
        "{decision:?}"
    );
    assert!(
        decision.because[0].words.starts_with("failed_starts 0 → 1: "),
        "{:?}",
        decision.because
    );
    let refused = |one: &[std::path::PathBuf], other: &[std::path::PathBuf]| {
        starts::sides(one, other, &CompareTerms::default()).unwrap_err().to_string()
    };
    let twice = [base[0].clone(), base[0].join(".")];
    assert_snapshot!(starts.named(&refused(&twice, &other)), @"
        error: the same run is given twice
           at: FOLDER/a-1 · FOLDER/a-1/.
          try: every run once; copies of one count as one
    ");
    assert_snapshot!(starts.named(&refused(&base, &base[1..])), @"
        error: `FOLDER/a-2` stands on both sides
           at: FOLDER/a-2 · FOLDER/a-2
          try: a run compared with itself is always equivalent, and says nothing
    ");
    let lost = base[0].parent().unwrap().join("lost");
    std::fs::create_dir_all(lost.join("one")).unwrap();
    std::fs::copy(base[0].join("events.csv"), lost.join("one/events.csv")).unwrap();
    assert_snapshot!(starts.named(&refused(&[lost], &other)), @"
        error: a run without its run.json is in the folder
           at: FOLDER/lost/one
          try: the runs by their names, without this one
    ");
    let born = [base[0].clone(), starts.elsewhere("d", 1)];
    assert_snapshot!(starts.named(&refused(&born, &other)), @"
        error: two runs are of one server start: server seed 1
           at: FOLDER/a-1 · FOLDER/d-1
          try: one of them: what is compared are starts, and these two share one's luck
          try: the server started anew before each run, as `longhaul sweep` does
          try: --server-seed N, another for each run, where it is simulated
    ");
}

#[test]
fn runs_of_another_seed_are_refused() {
    let starts = Starts::new();
    let (base, other) = (starts.side("a", 1, 1, 1.0), starts.seeded("b", 9));
    let wrong = starts::sides(&base, &other, &CompareTerms::default()).unwrap_err();
    assert_snapshot!(starts.named(&wrong.to_string()), @"
        error: the two runs did not get the same requests: seed, texts, plan, prompt lengths
           at: FOLDER/a-1: scenario, seed 1 · FOLDER/b-1: scenario, seed 9
          try: run both with the same scenario, flags and seed
          try: --force compares where they overlap, and marks it
    ");
    let wish = CompareTerms { force: true, ..CompareTerms::default() };
    let forced = starts::sides(&base, &other, &wish).unwrap();
    assert_eq!(forced.differs.forced, ["plan", "prompt lengths", "seed", "texts"]);
}

/// Some rows of the record's re-run of July 2026, as its author published them.
const JULY: &str = "\
| model | test | t/s (total) | t/s (req) | peak t/s | peak t/s (req) | ttfr (ms) | est_ppt (ms) | e2e_ttft (ms) |
|:--|--:|--:|--:|--:|--:|--:|--:|--:|
| m | pp2048 (c1) | 1657.96 ± 35.41 | 1657.96 ± 35.41 | | | 1241.64 ± 26.00 | 1235.81 ± 26.00 | 1241.64 ± 26.00 |
| m | tg128 (c1) | 21.67 ± 0.66 | 21.67 ± 0.66 | 25.33 ± 0.47 | 25.33 ± 0.47 | | | |
| m | ctx_pp @ d100000 (c1) | 1765.65 ± 0.43 | 1765.65 ± 0.43 | | | 56642.03 ± 13.63 | 56636.19 ± 13.63 | 56644.55 ± 16.32 |
| m | pp2048 @ d100000 (c1) | 35.33 ± 0.00 | 35.33 ± 0.00 | | | 57970.32 ± 4.65 | 57964.48 ± 4.65 | 57972.68 ± 3.05 |
| m | tg128 @ d100000 (c2) | 4.60 ± 0.02 | 10.21 ± 7.90 | 40.00 ± 0.00 | 21.67 ± 0.94 | | | |
";

#[test]
fn the_record_replayed_on_the_simulator_is_held_against_what_was_published() {
    let starts = Starts::new();
    let run = starts.replay("replay");
    let table = starts.table("july.md", JULY);
    let comparison = starts::against(&table, &run);
    let test = |name: &str| {
        let mut rows = comparison.published.iter();
        rows.find(|row| row.test == name && row.column.word() == "t_s").unwrap()
    };
    // The machine's profile was fitted to these rows.
    for name in ["pp2048 (c1)", "tg128 (c1)", "pp2048 @ d100000 (c1)"] {
        let ratio = test(name).ratio.unwrap();
        assert!((ratio - 1.0).abs() < 0.15, "{name}: {ratio}");
    }
    let honest = test("pp2048 @ d100000 (c1)").honest.as_ref().unwrap();
    assert!((honest.base.unwrap() - 1_760.0).abs() < 5.0, "{honest:?}");
    assert!(test("tg128 @ d100000 (c2)").honest.is_some());
    assert!(test("pp2048 (c1)").honest.is_none());
    assert!(comparison.policies.iter().all(|policy| policy.base.is_none()), "unknown, not zero");
    assert_eq!(comparison.decision.exit, Exit::Pass, "nothing is decided by it");
    assert_eq!(comparison.table.as_ref().unwrap().word.word(), "within the band");
    let reported =
        longhaul::report::compare::terminal::render(&comparison, false).text().to_owned();
    assert_snapshot!("published", starts.named(&reported));
}

/// Returns the exit codes of comparisons of one run a side, the candidate so many times as slow.
fn exits(seeds: std::ops::Range<u64>, factor: f64) -> Vec<Exit> {
    let exit = |seed| {
        let starts = Starts::new();
        let base = starts.side("a", 1_000 * seed + 1, 1, 1.0);
        compared(&base, &starts.side("b", 1_000 * seed + 500, 1, factor)).decision.exit
    };
    seeds.map(exit).collect()
}

#[test]
fn one_run_a_side_fails_on_a_server_three_times_slower_and_never_on_the_same_server() {
    assert_eq!(exits(0..3, 3.0), [Exit::Fail; 3]);
    assert_eq!(exits(0..6, 1.0), [Exit::Pass; 6]);
    assert_eq!(exits(0..3, 1.7), [Exit::Pass; 3], "starts of one recipe have differed by that");
    assert_eq!(exits(0..3, 1.0 / 3.0), [Exit::Pass; 3], "faster is no failure");
}

#[test]
fn a_gross_change_fails_with_a_floor_too_and_with_three_starts_and_says_that_it_is_a_policy() {
    let starts = Starts::new();
    let floor = Some(starts::floor(&starts.side("floor", 300, 4, 1.0)));
    let (base, slow) = (starts.side("a", 1, 3, 1.0), starts.side("b", 100, 3, 3.0));
    let wish = CompareTerms { floor, ..CompareTerms::default() };
    let with_floor = starts::sides(&base[..1], &slow[..1], &wish).unwrap();
    for comparison in [with_floor, compared(&base, &slow)] {
        let decision = &comparison.decision;
        assert_eq!((decision.word, decision.exit), (CompareWord::Regression, Exit::Fail));
        assert!(!decision.suggestive);
        assert!(decision.because[0].words.ends_with("by policy, not by a test over starts"));
        assert!(comparison.rows.iter().any(|row| row.is_gross));
    }
}

#[test]
#[ignore = "long: a thousand rehearsals; docs/testing.md"]
fn two_hundred_seeds_of_one_run_a_side_have_no_false_alarm_and_miss_no_gross_change() {
    for (factor, expected) in [(1.0, Exit::Pass), (1.7, Exit::Pass), (3.0, Exit::Fail)] {
        let other = exits(0..200, factor).iter().filter(|exit| **exit != expected).count();
        eprintln!("{factor} times as slow, 200 comparisons of one run a side: {other} wrong");
        assert_eq!(other, 0);
    }
}

#[test]
fn one_server_exported_as_a_table_of_a_cold_ladder_is_within_the_band_of_itself() {
    let starts = Starts::new();
    let (one, other) = (starts.side("a", 1, 1, 1.0), starts.side("b", 100, 1, 1.0));
    let slow = starts.side("c", 200, 1, 1.5);
    for format in ["csv", "json", "md"] {
        let table = starts.exported(&format!("cold.{format}"), &one[0]);
        let comparison = starts::against(&table, &other[0]);
        let summary = comparison.table.as_ref().unwrap();
        assert_eq!(summary.word.word(), "within the band", "{format}: {summary:?}");
        assert!((summary.median.unwrap() - 1.0).abs() < 0.03, "{format}: {summary:?}");
        assert!(summary.apart.is_empty() && summary.outside.is_empty(), "{format}: {summary:?}");
        let slower = starts::against(&table, &slow[0]);
        assert_eq!(slower.table.unwrap().word.word(), "slower than the table", "{format}");
    }
}

/// How often each word was decided in so many comparisons of a server against one `factor`
/// times as slow, six starts a side.
fn decided(times: u64, factor: f64) -> Vec<(CompareWord, usize)> {
    let mut words = Vec::new();
    for n in 0..times {
        let starts = Starts::new();
        let base = starts.side("a", 1_000 * n, 6, 1.0);
        let other = starts.side("b", 1_000 * n + 500, 6, factor);
        words.push(compared(&base, &other).decision.word);
    }
    let all = [
        CompareWord::Regression,
        CompareWord::Improved,
        CompareWord::Equivalent,
        CompareWord::Changed,
        CompareWord::Inconclusive,
    ];
    all.map(|word| (word, words.iter().filter(|seen| **seen == word).count())).to_vec()
}

#[test]
#[ignore = "long: some thousand rehearsals; docs/testing.md"]
fn a_table_of_decisions_over_known_effects() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let same = number("LONGHAUL_COMPARISONS", 200);
    for (percent, times) in [(0.0, same), (2.0, same / 4), (5.0, same / 4), (10.0, same / 4)] {
        let words = decided(times, 1.0 + percent / 100.0);
        eprintln!("{percent:>4} % slower, {times} comparisons: {words:?}");
        let of =
            |word: CompareWord| words.iter().find(|(known, _)| *known == word).unwrap().1 as u64;
        match percent as u64 {
            0 => {
                let alarms = of(CompareWord::Regression) + of(CompareWord::Improved);
                eprintln!("  false alarms: {alarms} of {times}");
                assert!(alarms * 20 <= times, "more than one in twenty");
            }
            2 | 5 => assert!(of(CompareWord::Regression) * 20 <= times, "within the margin"),
            _ => assert!(of(CompareWord::Regression) * 10 >= times * 9, "beyond the margin"),
        }
    }
}
