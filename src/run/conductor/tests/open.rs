//! Tests the open loop: arrivals are sent when they are due, regardless of
//! responses.

use super::toy::Toy;
use crate::fact::{ClosedBecause, Ended, Entry, Fact, Phase};
use crate::plan::RoundPosition;
use crate::run::conductor::Order;
use crate::spec::scenario::Arrivals;
use crate::unit::At;

#[test]
fn an_open_round_keeps_its_schedule_however_slow_the_answers() {
    for arrivals in [Arrivals::Constant, Arrivals::Poisson] {
        let mut toy = Toy::open(200, arrivals);
        toy.answer_us = 7_300_000;
        assert_eq!(toy.run(), ClosedBecause::Done);
        let mut rounds = 0;
        for batch in toy.batches().into_iter().filter(|batch| batch.requests == 10) {
            let index = usize::from(batch.group.depth() > Some(0));
            let place = RoundPosition::new(batch.lap, index);
            let planned = toy.plan.due_us(batch.phase, place).unwrap();
            let of_round = toy.requests(|request| {
                (request.phase, request.lap, &request.group())
                    == (batch.phase, batch.lap, &batch.group)
            });
            for request in of_round {
                let due = At(batch.began.0 + planned[request.lane as usize]);
                assert_eq!((request.due, request.sent), (due, due));
            }
            rounds += 1;
        }
        assert!(rounds > 5, "{rounds} rounds");
    }
}

#[test]
fn a_round_of_the_open_loop_begins_when_the_last_request_of_the_one_before_has_ended() {
    let mut toy = Toy::open(100, Arrivals::Constant);
    toy.run();
    let batches = toy.batches();
    let ends: Vec<At> = toy
        .entries
        .iter()
        .filter(|entry| matches!(entry.fact, Fact::Batch(_)))
        .map(|entry| entry.at)
        .collect();
    assert!(ends.len() > 4);
    // A phase may begin in between, at the same instant.
    assert!(ends.iter().zip(&batches[1..]).all(|(end, next)| *end == next.began));
}

#[test]
fn what_comes_due_while_the_server_is_away_is_not_sent_in_a_burst_afterwards() {
    let mut toy = Toy::open(120, Arrivals::Constant);
    let (away, back) = (At(40_000_000), At(61_000_000));
    toy.away = Some((away, back));
    assert_eq!(toy.run(), ClosedBecause::Done);
    let all = toy.requests(|_| true);
    assert!(all.iter().all(|request| request.sent == request.due));
    let dark = all.iter().filter(|request| request.sent > away && request.sent < back);
    assert!(dark.count() <= 1, "nothing is sent into the dark, once it is known to be dark");
    let broken = toy.batches().into_iter().find(|batch| batch.good < batch.requests).unwrap();
    assert!(broken.requests < 10, "the broken round ends with what was sent");
    let next = all.iter().map(|request| request.sent).find(|sent| *sent > back).unwrap();
    assert!(next.since(back) < 15_000_000, "{next:?}");
}

#[test]
fn a_round_of_which_nothing_was_sent_begins_anew_when_the_server_is_back() {
    let mut toy = Toy::open(120, Arrivals::Poisson);
    let waits = |toy: &Toy| {
        let idle = toy.in_flight.is_empty() && toy.batches().len() > 1;
        idle && toy.conductor.lanes.timed().is_some_and(|(slot, _)| slot.lane == 0)
    };
    while !waits(&toy) {
        toy.step();
    }
    let (slot, _) = toy.conductor.lanes.timed().unwrap();
    let place = toy.plan.place(slot.lane, slot.nth).unwrap();
    toy.away = Some((toy.now, At(u64::MAX)));
    toy.up(0.0);
    toy.obey();
    assert_eq!(toy.conductor.wake(), None, "nothing is due while the server is away");
    (toy.now, toy.away) = (At(toy.now.0 + 50_000_000), None);
    toy.up(1.0);
    let (back, sent) = (toy.now, toy.orders.len());
    for _ in 0..400 {
        toy.step();
    }
    let first = toy.orders[sent..].iter().find(|order| matches!(order.2, Order::Send(..)));
    let due = At(back.0 + toy.plan.due_us(slot.phase, place).unwrap()[0]);
    assert_eq!(first.map(|order| &order.2), Some(&Order::Send(slot, due)));
}

#[test]
fn one_bad_answer_holds_up_no_arrival() {
    let mut toy = Toy::open(100, Arrivals::Constant);
    toy.hiccup = Some(At(50_000_000));
    toy.silent = true;
    toy.answer_us = 5_000_000;
    toy.up(1.0);
    assert_eq!(toy.run(), ClosedBecause::Done);
    let broke = toy.requests(|request| request.ended == Ended::ErrorFrame);
    assert_eq!(broke.len(), 1);
    assert!(toy.requests(|_| true).iter().all(|request| request.sent == request.due));
    assert!(toy.batches().iter().rev().skip(1).all(|batch| batch.requests == 10));
}

#[test]
fn an_arrival_that_is_due_when_the_duration_ends_is_not_sent_and_one_before_it_is() {
    let mut toy = Toy::open(60, Arrivals::Constant);
    toy.answer_us = 4_000_000;
    assert_eq!(toy.run(), ClosedBecause::Done);
    let load = |entry: &&Entry| matches!(entry.fact, Fact::Phase(_));
    let end = At(toy.entries.iter().find(load).unwrap().at.0 + 60_000_000);
    let last = toy.batches().pop().unwrap();
    let due = |lane: u64| At(last.began.0 + lane * 1_500_000);
    let dues: Vec<At> = (0..10).map(due).filter(|due| *due < end).collect();
    assert!((1..10).contains(&dues.len()), "the end lies within a round");
    assert_eq!(last.requests, dues.len() as u64);
    let all = toy.requests(|_| true);
    assert!(all.iter().all(|request| request.due < end && request.ended == Ended::Completed));
    assert!(all.iter().any(|request| request.done > end), "what is in flight may end");
}

#[test]
fn a_conductor_that_is_asked_late_sends_what_was_due_in_time_and_nothing_else() {
    let mut toy = Toy::open(60, Arrivals::Constant);
    while toy.now.seconds() < 54.0 {
        toy.step();
    }
    let sent = toy.orders.len();
    toy.now = At(90_000_000);
    toy.obey();
    let late = toy.orders[sent..].iter().filter_map(|order| match order.2 {
        Order::Send(_, due) => Some(due.seconds()),
        _ => None,
    });
    let late: Vec<f64> = late.collect();
    assert!(!late.is_empty() && late.iter().all(|due| *due < 60.3), "{late:?}");
}

#[test]
fn a_lane_counts_as_issued_only_once_it_was_sent() {
    let mut toy = Toy::open(120, Arrivals::Constant);
    while toy.now.seconds() < 4.0 {
        toy.step();
    }
    let issued = toy.conductor.issued().unwrap();
    assert_eq!(
        (issued.phase, &issued.next[..]),
        (Phase::Warmup, &[1, 1, 1, 0, 0, 0, 0, 0, 0, 0][..])
    );
    toy.away = Some((At(65_000_000), At(71_000_000)));
    // Up to the middle of the first round after the outage.
    while toy.now.seconds() < 75.0 {
        toy.step();
    }
    let issued = toy.conductor.issued().unwrap();
    toy.end_all(Ended::Completed);
    for (lane, next) in issued.next.iter().enumerate() {
        let of_lane =
            toy.requests(|request| request.lane as usize == lane && request.phase == issued.phase);
        let rows = of_lane.iter().map(|request| request.slot + 1).max();
        assert_eq!(*next, rows.unwrap_or(0), "lane {lane}");
    }
    let most = issued.next.iter().max().unwrap();
    assert!(issued.next.iter().any(|next| next < most), "an outage broke one");
}
