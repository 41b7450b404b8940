//! Tests that a closed loop waits after refusals that arrived in one piece, and an open loop does not.

use std::time::Duration;

use insta::assert_snapshot;

use super::toy::Toy;
use crate::fact::{ClosedBecause, Ended, Fact, PAUSE};
use crate::plan::tests::scenario;
use crate::run::conductor::Order;
use crate::spec::Extent;
use crate::spec::scenario::Arrivals;
use crate::unit::At;

const SPELL: (At, At) = (At(12_000_000), At(22_000_000));

/// Run of a minute with two streams, whose server refuses at once for ten seconds.
fn refused(status: u16, retry_after_us: Option<u64>) -> Toy {
    let extent = Extent::Duration(Duration::from_secs(60));
    let mut toy = Toy::of(scenario(&[0], &[1, 2]), extent, 0);
    (toy.refuses, toy.status, toy.retry_after_us) = (Some(SPELL), status, retry_after_us);
    toy.answer_us = 200_000;
    toy
}

fn failures(toy: &Toy) -> Vec<At> {
    toy.requests(|request| request.ended == Ended::HttpError).iter().map(|row| row.done).collect()
}

fn pauses(toy: &Toy) -> Vec<String> {
    let note = |entry: &crate::fact::Entry| match &entry.fact {
        Fact::Action(action) if action.what == PAUSE => Some(action.note.clone()),
        _ => None,
    };
    toy.entries.iter().filter_map(note).collect()
}

#[test]
fn ten_seconds_of_refusals_are_a_dozen_requests_and_told_once() {
    let mut notes = Vec::new();
    for status in [429, 503] {
        let mut toy = refused(status, None);
        assert_eq!(toy.run(), ClosedBecause::Done);
        let failures = failures(&toy);
        assert!((5..=16).contains(&failures.len()), "{status}: {failures:?}");
        let reported = pauses(&toy);
        notes.push(format!("{status}: {}", reported.join("\n")));
        let good = toy.requests(|request| request.ended.is_good() && request.sent > SPELL.1);
        let first = good.iter().map(|request| request.sent).min().unwrap();
        assert!(first.since(SPELL.1) <= 5_200_000, "{status}: back at {first:?}");
    }
    assert_snapshot!(notes.join("\n"), @"
        429: lanes wait 250 ms to 5.00 s after requests that fail at once: http error 429
        503: lanes wait 250 ms to 5.00 s after requests that fail at once: http error 503
    ");
}

#[test]
fn a_wait_that_the_server_asks_for_is_kept_by_all_lanes_of_the_next_round() {
    let mut toy = refused(429, Some(4_000_000));
    toy.run();
    let failures = failures(&toy);
    assert!((2..=6).contains(&failures.len()), "{failures:?}");
    let sends = |order: &&(usize, At, Order)| matches!(order.2, Order::Send(..));
    let sent: Vec<At> = toy.orders.iter().filter(sends).map(|order| order.1).collect();
    for failed in failures {
        let next = sent.iter().find(|sent| **sent >= failed).unwrap();
        assert!(next.since(failed) >= 4_000_000, "refused at {failed:?}, next sent at {next:?}");
    }
}

#[test]
fn a_pause_ends_when_a_request_is_answered_and_a_second_spell_is_told_again() {
    let mut toy = refused(429, None);
    while toy.now.seconds() < 35.0 {
        toy.step();
    }
    let lane_waits = |toy: &Toy, from: At| toy.requests(|request| request.sent > from).len();
    assert!(lane_waits(&toy, At(30_000_000)) > 20, "no lane waits any more");
    toy.refuses = Some((At(40_000_000), At(44_000_000)));
    toy.run();
    assert_eq!(pauses(&toy).len(), 2);
}

#[test]
fn a_single_refusal_is_waited_after_and_not_told() {
    let mut toy = refused(429, None);
    toy.refuses = Some((SPELL.0, At(SPELL.0.0 + 100_000)));
    toy.run();
    assert!(!failures(&toy).is_empty() && pauses(&toy).is_empty());
}

#[test]
fn an_open_loop_never_waits() {
    let mut toy = Toy::open(60, Arrivals::Constant);
    (toy.refuses, toy.retry_after_us) = (Some(SPELL), Some(30_000_000));
    toy.run();
    assert!(failures(&toy).len() >= 6, "{:?}", failures(&toy));
    let late = toy.requests(|request| request.sent.since(request.due) > 0);
    assert!(late.is_empty() && pauses(&toy).is_empty(), "{late:?}");
}

#[test]
fn a_round_begins_when_its_pause_is_over() {
    let mut toy = refused(429, Some(4_000_000));
    toy.run();
    for batch in toy.batches().iter().filter(|batch| batch.requests > batch.good) {
        let next = toy.batches().into_iter().find(|next| next.began > batch.began);
        let Some(next) = next else { continue };
        assert!(next.began.since(batch.began) >= 4_000_000, "{batch:?} {next:?}");
    }
}
