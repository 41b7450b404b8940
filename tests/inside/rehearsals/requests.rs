//! Tests single requests that fail, or end otherwise than requested.

use longhaul::exit::Exit;
use longhaul::fact::Ended;
use longhaul::verdict::VerdictWord;

use super::stage::{HALF_AN_HOUR, Script, ailing};

#[test]
fn as_many_requests_as_were_to_fail_fail_each_in_its_own_way() {
    for (ailment, ended) in [
        ("error_frame=3@10m", Ended::ErrorFrame),
        ("truncated_stream=3@10m", Ended::Truncated),
        ("empty_answer=3@10m", Ended::Empty),
        ("stall=3@10m", Ended::Stalled),
        ("endless_answer=3@10m", Ended::Endless),
    ] {
        let play = ailing(&[ailment]);
        assert_eq!((play.ended(ended), play.bad()), (3, 3), "{ailment}: {}", play.reported());
        assert_eq!(play.gate("errors"), VerdictWord::Fail, "{ailment}");
        assert_eq!(play.gate("crashes"), VerdictWord::Pass, "{ailment}: {}", play.reported());
        assert_eq!(play.exit(), Exit::Fail);
    }
}

#[test]
fn a_share_of_requests_fails_about_as_often_as_it_says() {
    let play = ailing(&["error_frame=20%@0s"]);
    let share = play.ended(Ended::ErrorFrame) as f64 / play.requests().count() as f64;
    assert!((0.13..0.27).contains(&share), "{share}");
}

#[test]
fn a_pause_within_the_limit_is_no_failure_and_a_longer_one_is() {
    let brief = ailing(&["stall=20s@10m"]);
    assert_eq!(brief.bad(), 0, "{}", brief.reported());
    assert!(brief.requests().any(|request| request.max_gap_us.unwrap() > 19_000_000));
    let long = ailing(&["stall=2m@10m"]);
    assert!(long.ended(Ended::Stalled) > 0, "{}", long.reported());
}

#[test]
fn short_answers_are_their_own_class_and_no_failure() {
    let play = ailing(&["short_answer=10%@0s"]);
    assert!(play.ended(Ended::Short) > 5, "{}", play.reported());
    assert_eq!(play.bad(), 0);
    assert_eq!(play.gate("errors"), VerdictWord::Pass);
    let strict = HALF_AN_HOUR.replace("  errors: 0%\n", "  errors: 0%\n  short_answers: 1%\n");
    let play = Script::new(&strict, &["short_answer=10%@0s"]).play();
    assert_eq!(play.gate("short_answers"), VerdictWord::Fail, "{}", play.reported());
}

#[test]
fn each_thing_that_is_wrong_with_an_answer_is_told_and_can_be_gated() {
    for (ailment, gate) in [
        ("short_answer=20%@0s", "short_answers"),
        ("long_answer=20%@0s", "long_answers"),
        ("swallowed_answer=20%@0s", "swallowed"),
        ("same_answer=20%@0s", "same_text"),
    ] {
        let strict =
            HALF_AN_HOUR.replace("  errors: 0%\n", &format!("  errors: 0%\n  {gate}: 1%\n"));
        let play = Script::new(&strict, &[ailment]).play();
        assert_eq!(play.gate(gate), VerdictWord::Fail, "{ailment}: {}", play.reported());
        let told = format!("  checks     {gate} ");
        assert!(play.reported().contains(&told), "{ailment}: {}", play.reported());
        assert_eq!(play.bad(), 0, "{ailment}");
    }
}

#[test]
fn a_run_whose_answers_have_no_end_passes_no_contract() {
    let play = ailing(&["endless_answer=100%@0s"]);
    assert_eq!(play.exit(), Exit::Fail, "{}", play.reported());
    assert_eq!(play.gate("errors"), VerdictWord::Fail, "{}", play.reported());
    assert!(play.ended(Ended::Endless) > 0, "{}", play.reported());
    assert!(play.reported().contains("endless"), "{}", play.reported());
}

#[test]
fn a_run_whose_answers_were_all_blank_passes_no_contract() {
    let play = ailing(&["swallowed_answer=100%@0s"]);
    assert_ne!(play.exit(), Exit::Pass, "{}", play.reported());
    assert!(play.reported().contains("has any visible text"), "{}", play.reported());
}
