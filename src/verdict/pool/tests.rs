use insta::assert_snapshot;

use super::*;
use crate::analysis::Share;

const HOUR_S: f64 = 3600.0;

/// Returns a run without a failure in some hours under load, which show every kind of failure.
pub(crate) fn run(folder: &str, hours: f64) -> PooledRun {
    let load_s = hours * HOUR_S;
    let events = EventExposure { seen: 0, load_s, watched_s: load_s };
    PooledRun {
        folder: folder.to_owned(),
        fingerprint: format!("run {folder}"),
        recipe: "nemotron-3-super".to_owned(),
        recipe_sha256: "0123456789abcdef".repeat(4),
        scenario: "short".to_owned(),
        seed: 1,
        simulated: false,
        ailments: Vec::new(),
        server: format!("http://spark:8000 of {folder}"),
        version: Some("0.11.0".to_owned()),
        periods: vec![(0, (load_s * 1e6) as u64)],
        has_lost_rows: false,
        exposure: Exposure {
            failures: events,
            kinds: Count::FAILURES.map(|count| (count, events)).to_vec(),
            parser_faults: Share { part: 0, of: 700 },
        },
        word: VerdictWord::Pass,
        exit: Exit::Pass,
        why: Vec::new(),
        closed: Some(ClosedBecause::Done),
        gates: vec![("mtbf: 4h".to_owned(), 4.0 * HOUR_S)],
    }
}

/// Returns the same run with failures.
pub(crate) fn failed(run: PooledRun, count: Count, seen: u64) -> PooledRun {
    let why = vec![format!("FAIL {}: 0", crate::measure::Measure::Count(count))];
    let mut run = PooledRun { word: VerdictWord::Fail, exit: Exit::Fail, why, ..run };
    run.exposure.failures.seen = seen;
    for (of, events) in &mut run.exposure.kinds {
        events.seen = if *of == count { seen } else { 0 };
    }
    run
}

fn unwatched(run: PooledRun, count: Count) -> PooledRun {
    let mut run = run;
    for (of, events) in &mut run.exposure.kinds {
        if *of == count {
            events.watched_s = 0.0;
        }
    }
    run
}

fn refused(runs: Vec<PooledRun>) -> String {
    Pool::of(runs).unwrap_err().to_string()
}

#[test]
fn three_runs_show_together_what_none_shows_alone() {
    let alone = Pool::of(vec![run("a", 5.0)]).unwrap();
    assert_eq!(alone.gates, [("mtbf: 4h".to_owned(), VerdictWord::Inconclusive)]);
    let pool = Pool::of(vec![run("a", 5.0), run("b", 5.0), run("c", 2.0)]).unwrap();
    assert_eq!(pool.gates, [("mtbf: 4h".to_owned(), VerdictWord::Pass)]);
    assert_eq!((pool.total.failures.load_s, pool.word), (12.0 * HOUR_S, VerdictWord::Pass));
    assert_eq!(pool.total.parser_faults.of, 2100);
    assert_eq!((pool.exit, pool.notes), (Exit::Pass, Vec::<String>::new()));
}

#[test]
fn the_worst_run_decides_word_and_exit_code() {
    let ended = |word, exit| PooledRun { word, exit, ..run("b", 5.0) };
    let exit = |other: PooledRun| {
        let pool = Pool::of(vec![run("a", 5.0), other, run("c", 5.0)]).unwrap();
        (pool.word, pool.exit)
    };
    let inconclusive = VerdictWord::Inconclusive;
    for code in [Exit::Inconclusive, Exit::Interrupted, Exit::Fault] {
        assert_eq!(exit(ended(inconclusive, code)), (inconclusive, code));
    }
    let pool = Pool::of(vec![
        failed(run("a", 5.0), Count::Crashes, 1),
        PooledRun { word: inconclusive, exit: Exit::Fault, ..run("b", 5.0) },
        PooledRun { word: inconclusive, exit: Exit::Interrupted, ..run("c", 5.0) },
    ]);
    assert_eq!(pool.map(|it| (it.word, it.exit)), Ok((VerdictWord::Fail, Exit::Fail)));
}

#[test]
fn failures_of_one_run_count_against_the_time_of_all() {
    let runs = vec![run("a", 100.0), failed(run("b", 20.0), Count::Crashes, 2)];
    let pool = Pool::of(runs).unwrap();
    assert_eq!((pool.total.failures.seen, pool.total.kind(Count::Crashes).seen), (2, 2));
    assert_eq!(pool.total.kind(Count::Hangs).seen, 0);
    let low_h = pool.total.failures.low_s().unwrap() / HOUR_S;
    assert!((low_h - 120.0 / 7.2247).abs() < 1e-2, "{low_h}");
    assert_eq!(pool.gates, [("mtbf: 4h".to_owned(), VerdictWord::Pass)], "of the sum");
    let worse = Pool::of(vec![failed(run("a", 2.0), Count::Hangs, 9)]).unwrap();
    assert_eq!(worse.gates, [("mtbf: 4h".to_owned(), VerdictWord::Fail)]);
}

#[test]
fn time_that_could_not_show_a_failure_passes_no_gate_and_is_told() {
    let pool = Pool::of(vec![run("a", 5.0), unwatched(run("b", 20.0), Count::Ooms)]).unwrap();
    assert_eq!(pool.gates, [("mtbf: 4h".to_owned(), VerdictWord::Inconclusive)]);
    assert_snapshot!(pool.notes.join("\n"), @"ooms were observed in 5 h 00 m only");
    let none = Pool::of(vec![unwatched(run("b", 20.0), Count::Ooms)]).unwrap();
    assert_snapshot!(none.notes.join("\n"), @"ooms were not observed in any of the runs");
    let torn = PooledRun { has_lost_rows: true, ..run("a", 50.0) };
    let torn = Pool::of(vec![torn]).unwrap();
    assert_eq!(torn.gates, [("mtbf: 4h".to_owned(), VerdictWord::Inconclusive)]);
    assert_snapshot!(torn.notes.join("\n"), @"lost rows could have shown a failure: a");
}

#[test]
fn what_differs_between_the_runs_is_told() {
    let other = PooledRun {
        version: Some("0.12.0".to_owned()),
        scenario: "overnight".to_owned(),
        ..run("b", 5.0)
    };
    let pool = Pool::of(vec![run("a", 5.0), other]).unwrap();
    assert_snapshot!(pool.notes.join("\n"), @"
        the server's version was not always the same: 0.11.0, 0.12.0
        time under load adds up whatever the load was: overnight, short
    ");
    let simulated = |folder, ailments: &[&str]| PooledRun {
        simulated: true,
        ailments: ailments.iter().map(|it| (*it).to_owned()).collect(),
        ..run(folder, 5.0)
    };
    let pool = Pool::of(vec![simulated("a", &[]), simulated("b", &["hang=1m@2h"])]).unwrap();
    assert_snapshot!(pool.notes.join("\n"), @"the ailments were not always the same: hang=1m@2h, none");
}

#[test]
fn runs_of_different_recipes_are_refused_and_sorted() {
    let other = |folder| PooledRun {
        recipe: "qwen".to_owned(),
        recipe_sha256: "fedcba9876543210".repeat(4),
        ..run(folder, 5.0)
    };
    assert_snapshot!(refused(vec![run("a", 5.0), other("b"), run("c", 5.0)]), @"
        error: 2 recipes: only runs of one recipe add up
           at: nemotron-3-super 0123456789ab: a c · qwen fedcba987654: b
          try: longhaul report a c
          try: longhaul report b
    ");
}

#[test]
fn a_run_that_would_count_twice_is_refused() {
    let copy = PooledRun { folder: "runs/latest".to_owned(), ..run("a", 5.0) };
    assert_snapshot!(refused(vec![run("a", 5.0), run("b", 5.0), copy]), @"
        error: the same run is given twice
           at: a · runs/latest
          try: every run once; a copy of one, or the link `latest` to it, counts as the same
    ");
    let beside = |folder, from| PooledRun {
        server: "http://spark:8000 from here".to_owned(),
        periods: vec![(from, from + 10)],
        ..run(folder, 5.0)
    };
    assert_snapshot!(refused(vec![beside("a", 0), beside("b", 9)]), @"
        error: two runs loaded one server at the same time, which would count twice
           at: a · b
          try: one of them
    ");
    assert!(Pool::of(vec![beside("a", 0), beside("b", 10)]).is_ok(), "one after the other");
    let rehearsed = |folder| PooledRun { simulated: true, ..beside(folder, 0) };
    assert!(Pool::of(vec![rehearsed("a"), rehearsed("b")]).is_ok(), "all begin at one instant");
}

#[test]
fn simulated_runs_prove_nothing_about_a_real_server() {
    let simulated = PooledRun { simulated: true, ..run("b", 5.0) };
    assert_snapshot!(refused(vec![run("a", 5.0), simulated]), @"
        error: runs of a simulated and of a real server do not add up
           at: b is simulated · a is not
    ");
    assert!(refused(Vec::new()).starts_with("error: there is no run"));
}
