//! Tests faults of longhaul's own machine and of its sensors.

use insta::assert_snapshot;
use longhaul::exit::Exit;
use longhaul::fact::{Ended, Fact, FaultKind, Request, Source};
use longhaul::measure::Quantity;
use longhaul::series::JOURNAL_WAITING;
use longhaul::shown::each;
use longhaul::spec::Select;
use longhaul::verdict::VerdictWord;

use super::stage::{HALF_AN_HOUR, Script, ailing};

#[test]
fn metrics_that_go_away_darken_the_gates_that_need_them_and_no_others() {
    let play = ailing(&["metrics_go_away@10m"]);
    assert_eq!(play.bad(), 0);
    let last = play.readings(Source::Engine, "running_requests").last().unwrap().0;
    assert!((590.0..615.0).contains(&last), "{last}");
    let metrics = play.analysis().coverage.sources.iter().find(|half| half.name == "metrics");
    let share = metrics.unwrap().share;
    assert!((0.3..0.4).contains(&share), "{share}");
    assert_eq!(play.gate("errors"), VerdictWord::Pass, "{}", play.reported());
    let missed = |entry: &&longhaul::fact::Entry| matches!(&entry.fact, Fact::Missed(missed) if missed.why == "/metrics answered 404, and no metrics");
    assert!(play.entries.iter().filter(missed).count() > 50);
    let back = ailing(&["metrics_go_away=1m@10m"]);
    assert!(back.readings(Source::Engine, "running_requests").last().unwrap().0 > 1_700.0);
}

#[test]
fn a_wall_clock_that_steps_is_told_and_moves_no_measurement() {
    let healthy = ailing(&[]);
    let mut notes = Vec::new();
    for ailment in ["wall_clock_step=1h@10m", "wall_clock_step=-5m@10m"] {
        let play = ailing(&[ailment]);
        assert_eq!(play.exit(), Exit::Inconclusive, "{}", play.reported());
        notes.push(play.notes());
        let requests = |play: &super::stage::Played| play.requests().cloned().collect::<Vec<_>>();
        assert_eq!(requests(&play), requests(&healthy));
        let jumps = |entry: &&longhaul::fact::Entry| matches!(&entry.fact, Fact::Fault(fault) if fault.kind == FaultKind::Clock);
        assert_eq!(play.entries.iter().filter(jumps).count(), 1, "one step is told once");
    }
    assert_snapshot!(notes.join("\n\n"), @"
        no gate broke under wall_clock_step=1h@10m
        the wall clock stepped forward by 1 h 00 m, 11 m 00 s into the run

        no gate broke under wall_clock_step=-5m@10m
        the wall clock stepped back by 5 m 00 s, 11 m 00 s into the run
    ");
}

#[test]
fn a_disk_that_is_slow_for_a_while_costs_no_row() {
    let healthy = ailing(&[]);
    let play = ailing(&["slow_disk=5m@10m"]);
    assert_eq!(play.exit(), Exit::Pass, "{}", play.reported());
    let mut analyses = [play.analysis(), healthy.analysis()].map(Clone::clone);
    for analysis in &mut analyses {
        analysis.over_time.series.retain(|series| series.name != JOURNAL_WAITING.name);
        // A run's identity depends on its faults.
        for segment in &mut analysis.calendar.segments {
            segment.opened.iter_mut().for_each(|opened| opened.run.clear());
        }
    }
    let [slow, healthy] = analyses;
    assert_eq!(slow, healthy);
    let waiting = play.readings(Source::Own, "journal_waiting_rows");
    let most = |from: f64, to: f64| {
        let within = waiting.iter().filter(|(at, _)| (from..to).contains(at));
        within.map(|(_, rows)| *rows).fold(0.0, f64::max)
    };
    assert!(most(600.0, 900.0) > 500.0 && most(0.0, 600.0) == 0.0 && most(911.0, 1800.0) == 0.0);
}

#[test]
fn a_stop_of_longhaul_itself_is_told_and_is_no_time_of_the_server() {
    let healthy = ailing(&[]);
    let play = ailing(&["longhaul_stops=900ms@3x"]);
    assert_eq!(play.exit(), Exit::Pass, "{}", play.reported());
    let delayed: Vec<&Request> = play.requests().filter(|it| it.delay_us() > 0).collect();
    assert!((3..=6).contains(&delayed.len()), "{}: no others were in flight", delayed.len());
    assert!(delayed.iter().all(|request| request.delay_us() >= 900_000));
    let told = |finding: &&longhaul::verdict::Finding| {
        finding.words.contains("delayed by longhaul itself")
    };
    assert!(play.verdict().findings.iter().any(|finding| told(&finding)), "{}", play.reported());
    assert!(!healthy.verdict().findings.iter().any(|finding| told(&finding)));
    let most = |play: &super::stage::Played| {
        play.analysis().dist(Quantity::MaxGap, &Select::default()).max().unwrap().low
    };
    assert!(most(&play) < 1.1 * most(&healthy), "{} and {}", most(&play), most(&healthy));
}

#[test]
fn times_that_longhaul_spoiled_too_often_are_not_judged() {
    let day = HALF_AN_HOUR.replace("contract:\n", "contract:\n  max_gap_max: 400ms\n");
    let play = Script::new(&day, &["longhaul_stops=900ms@400x"]).play();
    assert_eq!(play.gate("max_gap_max"), VerdictWord::Inconclusive, "{}", play.reported());
    assert_eq!(play.gate("errors"), VerdictWord::Pass, "{}", play.reported());
}

#[test]
fn a_disk_that_takes_nothing_more_is_longhauls_own_failure_and_leaves_what_was_written() {
    let play = ailing(&["slow_disk@10m"]);
    let words = play.closed.as_ref().unwrap_err();
    assert_snapshot!(words, @"the disk took nothing more; rows lost: 4627");
    assert_eq!(play.exit(), Exit::Inconclusive, "{}", play.reported());
    let seen = play.analysis().calendar.end(0).seconds() - play.began();
    assert!((590.0..=601.0).contains(&seen), "{seen}");
    assert!(play.analysis().reported.torn.is_empty() && play.analysis().reported.missing_seqs == 0);
}

#[test]
fn a_journal_whose_queue_is_full_ends_the_run_at_once() {
    let day = HALF_AN_HOUR.replace("duration: 30m", "duration: 12h");
    let play = Script::new(&day, &["slow_disk@10m"]).play();
    let words = play.closed.as_ref().unwrap_err();
    assert_snapshot!(words, @"the disk is too slow: 8192 rows wait to be written");
    let last = play.entries.last().unwrap().at.seconds();
    assert!(last < 4.0 * 3600.0, "{last}: it did not go on for twelve hours");
}

#[test]
fn an_interrupt_lets_what_is_in_flight_end_and_proves_nothing() {
    let script = Script { interrupt_after: Some(500), ..Script::new(HALF_AN_HOUR, &[]) };
    let play = script.play();
    assert_eq!(play.exit(), Exit::Interrupted, "{}", play.reported());
    assert_eq!(play.ended(Ended::Cut), 0);
}

#[test]
fn a_fault_that_will_not_be_seen_is_told_beforehand() {
    let cases = [
        &["hang=1m@2h"][..],
        &["crash=1m@1/d"],
        &["cache_stops_hitting"],
        &["step=0%"],
        &["hang=5s@2s"],
        &["start_fails=1@1m"],
        &["memory_kept_after_restart"],
        &["leak_after_abort=1MiB@1m"],
        &["crash@5m", "hang=1m@10m"],
        // Nothing to say beforehand.
        &["crash=1m@5m", "start_fails=1@1m", "slow_disk=1m@10m"],
    ];
    let notes = each(cases, |ailments| {
        let play = ailing(ailments);
        format!("exit {:?}\n{}", play.exit(), play.notes())
    });
    assert_snapshot!("beforehand", notes);
}

#[test]
fn a_fault_that_did_nothing_is_told_afterwards() {
    let cases = [
        &["error_frame=0.01%"][..],
        &["hang=50s@10m"],
        &["error_frame=1@0s"],
        &["crash@5m", "hang=1m@10m"],
        // These did something.
        &["error_frame=5%", "hang=10m@10m", "restart=1m@8m", "slow_down=2x", "slow_disk=1m@10m"],
    ];
    let ailing = each(cases, |ailments| {
        let play = ailing(ailments);
        play.judged.page().ailing.unwrap_or_default()
    });
    assert_snapshot!("afterwards", ailing);
}
