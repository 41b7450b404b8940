//! Tests the report of several runs.

use insta::assert_snapshot;

use super::*;
use crate::exit::Exit;
use crate::measure::Count;
use crate::verdict::pool::tests::{failed, run};

fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

fn clean() -> Pool {
    let night = |folder: &str| PooledRun { gates: Vec::new(), ..run(folder, 5.816_667) };
    Pool::of(["runs/mon", "runs/tue", "runs/wed"].map(night).to_vec()).unwrap()
}

#[test]
fn three_clean_nights_are_told_with_what_is_missing_to_a_day() {
    let text = render(&clean()).text().to_owned();
    fits(&text);
    assert_snapshot!("clean", text);
    assert_snapshot!("clean.json", json::render(&clean()).text());
}

#[test]
fn a_crash_in_one_of_them_is_told_with_both_bounds_and_what_the_contract_asked() {
    let short = PooledRun {
        word: VerdictWord::Inconclusive,
        exit: Exit::Inconclusive,
        scenario: "overnight".to_owned(),
        ..run(&format!("runs/{}", "long".repeat(20)), 11.5)
    };
    let mut crashed = failed(run("runs/crashed", 20.0), Count::Crashes, 1);
    crashed.exposure.parser_faults.part = 3;
    crashed.exposure.kinds[1].1.watched_s = 0.0;
    let pool = Pool::of(vec![short, crashed]).unwrap();
    let text = render(&pool).text().to_owned();
    fits(&text);
    assert_snapshot!("crashed", text);
    let json: serde_json::Value = serde_json::from_str(json::render(&pool).text()).unwrap();
    assert_eq!((&json["verdict"], &json["exit_code"]), (&"FAIL".into(), &1.into()));
    assert_eq!(json["together"][0]["text"], "mtbf: 4h");
    assert_eq!(json["bounds"]["passes"], serde_json::Value::Null);
    assert_eq!(json["bounds"]["events"]["crashes"]["seen"], 1);
}

#[test]
fn runs_that_never_came_under_load_prove_nothing() {
    let never = |folder: &str| {
        let none = run(folder, 0.0);
        let mut exposure = none.exposure.clone();
        exposure.parser_faults.of = 0;
        PooledRun {
            exposure,
            word: VerdictWord::Inconclusive,
            exit: Exit::Inconclusive,
            simulated: true,
            ..none
        }
    };
    let text = render(&Pool::of(["a", "b"].map(never).to_vec()).unwrap()).text().to_owned();
    fits(&text);
    assert_snapshot!("never", text);
}
