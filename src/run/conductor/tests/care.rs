//! Tests restarts, hangs and drills of servers that longhaul started.

use std::time::Duration;

use insta::assert_snapshot;

use super::replay::goes_on_alike_at_every_cut;
use super::toy::Toy;
use crate::fact::{
    ClosedBecause, Ended, Entry, Fact, Missed, MissedReason, Phase, Source, TargetFact, TargetWord,
};
use crate::plan::tests::scenario;
use crate::run::conductor::Order;
use crate::spec::Extent;
use crate::spec::scenario::{Drill, DrillKind, Restart, RestartWhen};
use crate::unit::At;

/// Run of depths 0 and 4096, for so many seconds, against a server that longhaul started.
fn started(seconds: u64, restart: Restart, drills: &[Drill]) -> Toy {
    let mut scenario = scenario(&[0, 4096], &[1, 2]);
    (scenario.restart, scenario.drills) = (Some(restart), drills.to_vec());
    let mut toy = Toy::of(scenario, Extent::Duration(Duration::from_secs(seconds)), 2);
    toy.sensor = true;
    toy.record(At::ZERO, Fact::Target(TargetFact::new(TargetWord::Launched, "")));
    toy
}

fn on(when: RestartWhen) -> Restart {
    Restart { when, ..Restart::default() }
}

fn actions(toy: &Toy) -> Vec<(String, String)> {
    let action = |entry: &Entry| match &entry.fact {
        Fact::Action(action) => Some((action.what.clone(), action.note.clone())),
        _ => None,
    };
    toy.entries.iter().filter_map(action).collect()
}

fn words(toy: &Toy) -> Vec<TargetWord> {
    let word = |entry: &Entry| match &entry.fact {
        Fact::Target(target) => Some(target.word),
        _ => None,
    };
    toy.entries.iter().filter_map(word).collect()
}

fn runs_until(toy: &mut Toy, seconds: f64) {
    while toy.now.seconds() < seconds {
        toy.step();
    }
}

fn closed_note(toy: &Toy) -> &str {
    match &toy.entries.last().unwrap().fact {
        Fact::Closed(closed) => &closed.note,
        other => panic!("the last entry is {other:?}"),
    }
}

#[test]
fn a_server_that_died_is_started_again_after_its_cool_down_and_the_plan_goes_on() {
    let mut toy = started(400, on(RestartWhen::OnExit), &[]);
    runs_until(&mut toy, 100.0);
    toy.dies();
    let died = toy.now;
    assert_eq!(toy.run(), ClosedBecause::Done);
    assert_eq!(actions(&toy).len(), 1);
    let (what, note) = &actions(&toy)[0];
    assert_eq!(what, "restart");
    assert_snapshot!(note, @"it ended: signal 9; restart 1 of at most 3");
    let sent = toy.requests(|request| request.sent >= died);
    let first = sent.iter().map(|request| request.sent).min().unwrap();
    // Thirty seconds of cool-down, two until the launch, ten until it is up.
    assert!((42.0..60.0).contains(&(first.seconds() - died.seconds())), "{}", first.seconds());
    assert!(sent.iter().all(|request| request.ended.is_good()), "nothing was sent into the dark");
}

#[test]
fn where_it_is_not_to_be_started_again_the_run_ends_with_it() {
    let mut toy = started(400, on(RestartWhen::Never), &[]);
    runs_until(&mut toy, 100.0);
    toy.dies();
    assert_eq!(toy.run(), ClosedBecause::Gone);
    assert!(toy.now.seconds() < 110.0 && actions(&toy).is_empty());
    assert_snapshot!(closed_note(&toy), @"it ended: signal 9; it is not to be started again");
}

#[test]
fn a_budget_of_restarts_comes_to_its_end() {
    let restart = Restart { at_most: 2, ..on(RestartWhen::OnExit) };
    let mut toy = started(3600, restart, &[]);
    for death in 1..=3 {
        runs_until(&mut toy, 100.0 * f64::from(death));
        toy.dies();
    }
    assert_eq!(toy.run(), ClosedBecause::Gone);
    assert_eq!(actions(&toy).len(), 2);
    assert_snapshot!(closed_note(&toy), @"it ended: signal 9; the allowed restarts are used up (2)");
}

#[test]
fn a_hang_is_told_after_a_minute_without_anything_moving_and_again_when_it_moves() {
    let mut toy = started(600, on(RestartWhen::OnExit), &[]);
    toy.frozen = Some((At(100_000_000), At(220_000_000)));
    assert_eq!(toy.run(), ClosedBecause::Done);
    let hung = toy.entries.iter().find_map(|entry| match &entry.fact {
        Fact::Target(target) if target.word == TargetWord::Hung => Some((entry.at, target.since)),
        _ => None,
    });
    let (at, since) = hung.unwrap();
    assert!((155.0..172.0).contains(&at.seconds()), "{}", at.seconds());
    assert!((95.0..102.0).contains(&since.unwrap().seconds()), "{since:?}");
    assert_eq!(words(&toy).iter().filter(|word| **word == TargetWord::Hung).count(), 1);
    assert!(words(&toy).contains(&TargetWord::Moving));
    assert!(actions(&toy).is_empty(), "only who hangs is restarted for it where that is asked");
    assert!(
        toy.now.seconds() > 715.0,
        "the clock of the service stood still: {}",
        toy.now.seconds()
    );
    assert!(toy.batches().iter().any(|batch| batch.repeat == 1), "the round comes again");
}

#[test]
fn a_hang_without_end_ends_the_run_when_an_outage_would() {
    let mut toy = started(4 * 3600, on(RestartWhen::OnExit), &[]);
    toy.frozen = Some((At(100_000_000), At(u64::MAX)));
    assert_eq!(toy.run(), ClosedBecause::Away);
    let limit = toy.plan.limits.away.as_secs_f64();
    assert!((100.0 + limit..160.0 + limit).contains(&toy.now.seconds()), "{}", toy.now.seconds());
    assert!(toy.orders.iter().filter(|order| matches!(order.2, Order::Cut(_))).count() == 1);
}

#[test]
fn who_hangs_is_restarted_where_that_is_asked() {
    let mut toy = started(600, on(RestartWhen::OnHang), &[]);
    toy.frozen = Some((At(100_000_000), At(u64::MAX)));
    assert_eq!(toy.run(), ClosedBecause::Done);
    assert_eq!(actions(&toy).len(), 1);
    assert_snapshot!(actions(&toy)[0].1, @"it hangs; restart 1 of at most 3");
}

#[test]
fn a_server_whose_counters_move_never_hangs_however_long_its_prefill() {
    let mut toy = started(2_000, on(RestartWhen::OnHang), &[]);
    toy.answer_us = 500_000_000;
    toy.run();
    assert!(!words(&toy).contains(&TargetWord::Hung));
}

#[test]
fn drills_come_at_their_time_in_the_soak_which_goes_on_where_it_was() {
    let at = Duration::from_secs;
    let drills = [
        Drill { kind: DrillKind::Idle(at(60)), at: at(100) },
        Drill { kind: DrillKind::Restart, at: at(200) },
        Drill { kind: DrillKind::Stop(at(40)), at: at(300) },
        Drill { kind: DrillKind::Aborts(at(20)), at: at(400) },
    ];
    let mut toy = started(600, Restart::default(), &drills);
    assert_eq!(toy.run(), ClosedBecause::Done);
    let between = [Phase::Idle, Phase::Drill, Phase::Drill, Phase::Drill];
    let drilled = between.iter().flat_map(|phase| [*phase, Phase::Soak]);
    let whole: Vec<Phase> = [Phase::Warmup, Phase::Reference, Phase::Soak]
        .into_iter()
        .chain(drilled)
        .chain([Phase::Return, Phase::Drain])
        .collect();
    assert_eq!(toy.phases(), whole);
    let orders: Vec<String> = actions(&toy).into_iter().map(|(what, _)| what).collect();
    assert_eq!(orders, ["restart", "stop", "launch"]);
    let began: Vec<f64> = toy
        .entries
        .iter()
        .filter(|entry| matches!(&entry.fact, Fact::Phase(began) if began.because.starts_with("drill: ") && began.phase != Phase::Soak))
        .map(|entry| entry.at.seconds())
        .collect();
    assert!((100.0..104.0).contains(&began[0]), "{began:?}");
    assert!((200.0..204.0).contains(&began[1]), "{began:?}");
    let idle = toy.requests(|request| (105.0..160.0).contains(&request.sent.seconds()));
    assert!(idle.is_empty(), "nothing is asked of a server that idles");
    assert!(toy.requests(|request| request.ended.is_bad()).is_empty());
    for lane in 0..2 {
        let soak = toy.requests(|request| request.phase == Phase::Soak && request.lane == lane);
        let slots: Vec<u64> = soak.iter().map(|request| request.slot).collect();
        assert_eq!(slots, (0..slots.len() as u64).collect::<Vec<_>>());
    }
    assert!(!toy.requests(|request| request.phase == Phase::Drill).is_empty());
}

#[test]
fn a_journal_of_deaths_hangs_and_drills_replayed_gives_the_same_orders() {
    let drills = [Drill { kind: DrillKind::Restart, at: Duration::from_secs(250) }];
    let mut toy = started(500, on(RestartWhen::OnExit), &drills);
    toy.frozen = Some((At(60_000_000), At(150_000_000)));
    runs_until(&mut toy, 340.0);
    toy.dies();
    toy.run();
    goes_on_alike_at_every_cut(&toy);
}

#[test]
fn requests_in_flight_are_served_as_long_as_the_rule_for_hangs_allows() {
    let mut toy = started(600, on(RestartWhen::OnExit), &[]);
    assert!(!toy.conductor.is_serving(toy.now), "nothing was sent");
    toy.frozen = Some((At(100_000_000), At(220_000_000)));
    runs_until(&mut toy, 130.0);
    assert!(toy.conductor.is_serving(toy.now));
    runs_until(&mut toy, 180.0);
    assert!(!toy.conductor.is_serving(toy.now));
}

#[test]
fn a_server_whose_last_request_was_answered_serves_between_two_and_not_after_one_that_failed() {
    let mut toy = Toy::seconds(20);
    assert_eq!(toy.run(), ClosedBecause::Done);
    assert!(toy.in_flight.is_empty());
    let after = |seconds: u64| At(toy.now.0 + seconds * 1_000_000);
    assert!(toy.conductor.is_serving(after(30)));
    assert!(!toy.conductor.is_serving(after(60)));
    let mut failed = toy.requests(|request| request.ended.is_good())[0].clone();
    failed.ended = Ended::Reset;
    (failed.sent, failed.done) = (toy.now, after(1));
    (failed.ttft_us, failed.last_us) = (None, None);
    let done = failed.done;
    toy.record(done, Fact::Request(Box::new(failed)));
    assert!(!toy.conductor.is_serving(done));
}

#[test]
fn a_probe_without_an_answer_is_followed_by_another() {
    let mut toy = Toy::seconds(60);
    toy.silent = true;
    toy.step();
    assert_eq!(toy.probes, 1);
    toy.now = At(10_000_000);
    let missed = Missed::once(Source::Engine, "/health", MissedReason::NoAnswer, String::new());
    toy.record(toy.now, Fact::Missed(missed));
    runs_until(&mut toy, 12.0);
    assert_eq!(toy.probes, 2);
}
