//! Tests servers that fail requests although they answer probes, and servers that are gone at the
//! end.

use std::time::Duration;

use super::replay::goes_on_alike_at_every_cut;
use super::toy::Toy;
use crate::fact::{
    ClosedBecause, Ended, Entry, Fact, Missed, MissedReason, Source, TargetFact, TargetWord,
};
use crate::plan::tests::scenario;
use crate::run::conductor::Order;
use crate::spec::Extent;
use crate::spec::scenario::Arrivals;
use crate::unit::At;

const SPELL: (At, At) = (At(20_000_000), At(60_000_000));

/// Run of so many seconds with up to two streams, whose server fails every request for forty
/// seconds.
fn failing(seconds: u64) -> Toy {
    let extent = Extent::Duration(Duration::from_secs(seconds));
    let mut toy = Toy::of(scenario(&[0, 4096], &[1, 2]), extent, 0);
    (toy.refuses, toy.status, toy.sensor) = (Some(SPELL), 500, true);
    toy
}

fn changes(toy: &Toy) -> Vec<(TargetWord, At)> {
    let change = |entry: &Entry| match &entry.fact {
        Fact::Target(TargetFact { word, .. }) => Some((*word, entry.at)),
        _ => None,
    };
    toy.entries.iter().filter_map(change).collect()
}

#[test]
fn a_server_that_fails_all_requests_is_away_until_a_token_comes_and_the_plan_goes_on() {
    let mut toy = failing(300);
    assert_eq!(toy.run(), ClosedBecause::Done);
    let [(TargetWord::Away, away), (TargetWord::Back, back)] = changes(&toy)[..] else {
        panic!("{:?}", changes(&toy));
    };
    assert!(away.since(SPELL.0) <= 12_000_000, "found at {away:?}");
    assert!(back.since(SPELL.1) <= 16_000_000, "back at {back:?}");
    let during = toy.requests(|request| request.sent > away && request.sent < back);
    assert!(during.is_empty(), "the load waits: {during:?}");
    assert!(toy.batches().iter().any(|batch| batch.repeat == 1), "the round comes again");
    let good = toy.requests(|request| request.ended.is_good() && request.sent >= back);
    assert!(good.len() > 5);
    goes_on_alike_at_every_cut(&toy);
}

#[test]
fn a_server_that_never_answers_a_request_again_ends_the_run_as_one_that_is_away() {
    let mut toy = failing(4 * 3600);
    toy.refuses = Some((SPELL.0, At(u64::MAX)));
    assert_eq!(toy.run(), ClosedBecause::Away);
    let failures = toy.requests(|request| request.ended == Ended::HttpError).len();
    assert!((5..=14).contains(&failures), "{failures}");
}

#[test]
fn a_server_that_answers_only_probes_ends_the_run_after_as_long() {
    let mut toy = failing(4 * 3600);
    (toy.refuses, toy.spares_probes) = (Some((SPELL.0, At(u64::MAX))), true);
    assert_eq!(toy.run(), ClosedBecause::Away);
    let Fact::Closed(closed) = &toy.entries.last().unwrap().fact else { panic!("not closed") };
    assert!(closed.note.starts_with("no request was answered for "), "{}", closed.note);
    let lasted = toy.now.since(SPELL.0) as f64 / 1e6;
    let limit = toy.plan.limits.away.as_secs_f64();
    assert!((limit..limit + 60.0).contains(&lasted), "{lasted} s, and {limit} s are allowed");
}

#[test]
fn an_open_loop_stops_too_and_goes_on_when_a_token_comes() {
    let mut toy = Toy::open(300, Arrivals::Constant);
    (toy.refuses, toy.status, toy.sensor) = (Some(SPELL), 500, true);
    assert_eq!(toy.run(), ClosedBecause::Done);
    assert_eq!(changes(&toy).len(), 2, "{:?}", changes(&toy));
}

/// Open loop whose requests take a tenth of a second, up to the last second of its minute.
fn at_the_end() -> Toy {
    let mut toy = Toy::open(60, Arrivals::Constant);
    toy.answer_us = 100_000;
    while toy.now.seconds() < 59.5 || !toy.in_flight.is_empty() {
        toy.step();
    }
    toy
}

#[test]
fn a_server_that_died_after_its_last_request_is_away_at_the_end() {
    let mut toy = at_the_end();
    toy.away = Some((toy.now, At(u64::MAX)));
    assert_eq!(toy.run(), ClosedBecause::Done);
    assert!(toy.requests(|request| !request.ended.is_good()).is_empty());
    assert!(matches!(changes(&toy)[..], [(TargetWord::Away, _)]), "{:?}", changes(&toy));
    goes_on_alike_at_every_cut(&toy);
}

#[test]
fn a_last_look_without_an_answer_is_decided_by_a_probe_with_its_own_patience() {
    for (away, changed) in [(None, 0), (Some(At(u64::MAX)), 1)] {
        let mut toy = at_the_end();
        while !matches!(toy.orders.last(), Some((_, _, Order::LastLook))) {
            toy.step();
        }
        let probes = toy.probes;
        let missed = |reason| Missed::once(Source::Engine, "/health", reason, String::new());
        toy.record(toy.now, Fact::Reading(crate::series::SERVING.reading(0.0)));
        toy.record(toy.now, Fact::Missed(missed(MissedReason::NoAnswer)));
        toy.away = away.map(|until| (toy.now, until));
        assert_eq!(toy.run(), ClosedBecause::Done);
        assert_eq!((toy.probes - probes, changes(&toy).len()), (1, changed), "{away:?}");
    }
}

#[test]
fn the_end_does_not_wait_for_ever_for_a_probe() {
    let mut toy = at_the_end();
    (toy.away, toy.silent) = (Some((toy.now, At(u64::MAX))), true);
    let then = toy.now;
    assert_eq!(toy.run(), ClosedBecause::Done);
    assert!(toy.now.since(then) < 25_000_000, "{:?}", toy.now);
}
