//! Tests whole runs of the conductor without a server: the tests carry out the
//! orders, on a counted clock.

mod apart;
mod care;
mod failing;
mod open;
mod pause;
mod replay;
mod toy;

use super::{INTERRUPT, INTERRUPT_AGAIN, Order, PROBE_LIMIT_US};
use crate::fact::{Batch, ClosedBecause, Ended, Entry, Fact, Phase, TargetFact, TargetWord};
use crate::spec::Extent;
use crate::unit::At;
use toy::Toy;

const WHOLE: [Phase; 5] =
    [Phase::Warmup, Phase::Reference, Phase::Soak, Phase::Return, Phase::Drain];

#[test]
fn a_run_by_duration_passes_through_all_its_phases_and_ends_in_time() {
    let mut toy = Toy::seconds(60);
    assert_eq!(toy.run(), ClosedBecause::Done);
    assert_eq!(toy.phases(), WHOLE);
    assert!((60.0..63.0).contains(&toy.now.seconds()), "{}", toy.now.seconds());
}

#[test]
fn the_return_window_has_as_many_laps_as_the_reference_window() {
    let mut toy = Toy::seconds(60);
    toy.run();
    let laps = |phase| {
        let of_phase =
            |entry: &&Entry| matches!(&entry.fact, Fact::Batch(batch) if batch.phase == phase);
        toy.entries.iter().filter(of_phase).count() / toy.plan.lap().len()
    };
    assert_eq!(laps(Phase::Reference), 2);
    assert!((2..=3).contains(&laps(Phase::Return)), "{}", laps(Phase::Return));
}

#[test]
fn a_run_by_laps_has_exactly_those_laps() {
    let mut toy = Toy::new(Extent::Laps(6), 2);
    assert_eq!(toy.run(), ClosedBecause::Done);
    assert_eq!(toy.phases(), WHOLE);
    let steady = toy
        .entries
        .iter()
        .filter(|entry| matches!(&entry.fact, Fact::Batch(batch) if batch.phase.is_steady()));
    assert_eq!(steady.count(), 6 * toy.plan.lap().len());
    let mut toy = Toy::new(Extent::Laps(3), 0);
    assert_eq!(toy.run(), ClosedBecause::Done);
    assert_eq!(toy.phases(), [Phase::Warmup, Phase::Soak, Phase::Drain]);
}

#[test]
fn every_slot_is_asked_once_and_in_order() {
    let mut toy = Toy::seconds(60);
    toy.run();
    for lane in 0..toy.plan.lanes() {
        for phase in WHOLE {
            let slots: Vec<u64> = toy
                .entries
                .iter()
                .filter_map(|entry| match &entry.fact {
                    Fact::Request(request) if request.lane == lane && request.phase == phase => {
                        Some(request.slot)
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(slots, (0..slots.len() as u64).collect::<Vec<_>>());
        }
    }
}

#[test]
fn an_outage_stops_the_clock_and_the_plan_goes_on() {
    let mut toy = Toy::seconds(80);
    toy.away = Some((At(20_000_000), At(32_000_000)));
    assert_eq!(toy.run(), ClosedBecause::Done);
    let refused = toy.entries.iter().filter(
        |entry| matches!(&entry.fact, Fact::Request(request) if request.ended == Ended::Refused),
    );
    assert!(refused.count() <= 2, "a server that is away is not hammered with the plan");
    assert!((2..=12).contains(&toy.probes), "{} probes in 12 s", toy.probes);
    assert!((90.0..99.0).contains(&toy.now.seconds()), "{}", toy.now.seconds());
}

#[test]
fn a_round_that_an_outage_broke_comes_again_with_the_same_asks_and_the_plan_stays_what_it_was() {
    let mut calm = Toy::new(Extent::Laps(6), 2);
    calm.run();
    let mut toy = Toy::new(Extent::Laps(6), 2);
    toy.away = Some((At(8_500_000), At(20_000_000)));
    assert_eq!(toy.run(), ClosedBecause::Done);
    let first = |toy: &Toy| -> Vec<(Phase, u32, u64)> {
        let asks = toy.requests(|request| request.repeat == 0);
        asks.iter().map(|ask| (ask.phase, ask.lane, ask.slot)).collect()
    };
    let (mut planned, mut asked) = (first(&calm), first(&toy));
    planned.sort_unstable();
    asked.sort_unstable();
    let broken: Vec<Batch> =
        toy.batches().into_iter().filter(|batch| batch.good < batch.requests).collect();
    let again: Vec<Batch> = toy.batches().into_iter().filter(|batch| batch.repeat > 0).collect();
    assert_eq!((broken.len(), again.len()), (1, 1), "{:?}", toy.batches());
    let address = |batch: &Batch| (batch.phase, batch.group.clone(), batch.lap);
    assert_eq!(address(&broken[0]), address(&again[0]));
    assert_eq!(again[0].good, u64::from(again[0].group.streams()), "whole this time");
    let (first, second) =
        (toy.requests(|it| it.ended == Ended::Refused), toy.requests(|it| it.repeat == 1));
    assert!(
        first
            .iter()
            .all(|it| second.iter().any(|again| (it.lane, it.slot) == (again.lane, again.slot)))
    );
    // Slots that the outage kept from being sent were sent in the repeat.
    planned.retain(|ask| {
        asked.contains(ask) || !second.iter().any(|it| (it.phase, it.lane, it.slot) == *ask)
    });
    assert_eq!(planned, asked);
}

#[test]
fn a_cell_that_kills_the_server_each_time_is_given_up_in_the_end() {
    let mut toy = Toy::new(Extent::Laps(4), 0);
    toy.deadly = Some(4096);
    assert_eq!(toy.run(), ClosedBecause::Done);
    let most = toy.requests(|_| true).iter().map(|request| request.repeat).max();
    assert_eq!(most, Some(super::rounds::REPEATS_MAX));
}

#[test]
fn one_error_frame_of_a_server_that_was_long_up_holds_nothing_up() {
    let mut toy = Toy::seconds(300);
    toy.sensor = true;
    toy.hiccup = Some(At(203_000_000));
    toy.run();
    let sent = |entry: &Entry| match &entry.fact {
        Fact::Request(request) => Some(request.sent),
        _ => None,
    };
    let mut sent: Vec<At> = toy.entries.iter().filter_map(sent).collect();
    sent.sort_unstable();
    let longest_us = sent.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap();
    assert!(longest_us <= 1_200_000, "nothing was sent for {longest_us} us");
}

#[test]
fn a_server_that_stays_away_too_long_ends_the_run() {
    let mut toy = Toy::seconds(4 * 3600);
    toy.away = Some((At(20_000_000), At(u64::MAX)));
    assert_eq!(toy.run(), ClosedBecause::Away);
    let limit = toy.plan.limits.away.as_secs_f64();
    assert!((limit..limit + 60.0).contains(&toy.now.seconds()), "{}", toy.now.seconds());
}

#[test]
fn outages_may_add_a_quarter_and_no_more() {
    for back in [45_000_000, 60_000_000] {
        let mut toy = Toy::seconds(40);
        toy.away = Some((At(20_000_000), At(back)));
        assert_eq!(toy.run(), ClosedBecause::OutOfTime);
        assert!((50.0..55.0).contains(&toy.now.seconds()), "{}", toy.now.seconds());
    }
}

#[test]
fn after_a_long_outage_the_plan_goes_on_as_long_as_time_may_be_added() {
    let mut toy = Toy::seconds(40);
    toy.away = Some((At(10_000_000), At(25_000_000)));
    toy.run();
    let after = toy.entries.iter().filter(
        |entry| matches!(&entry.fact, Fact::Request(it) if it.sent.0 > 26_000_000 && it.ended.is_good()),
    );
    assert!(after.count() > 10);
}

#[test]
fn an_interrupt_lets_what_is_in_flight_end_and_sends_nothing_new() {
    let mut toy = Toy::seconds(60);
    for _ in 0..205 {
        toy.step();
    }
    let in_flight = toy.in_flight.len();
    let (before, orders) = (toy.entries.len(), toy.orders.len());
    assert!(in_flight > 0);
    toy.act(INTERRUPT);
    assert_eq!(toy.run(), ClosedBecause::Interrupted);
    let ended: Vec<Ended> = toy.entries[before..]
        .iter()
        .filter_map(|entry| match &entry.fact {
            Fact::Request(request) => Some(request.ended),
            _ => None,
        })
        .collect();
    assert_eq!(ended, vec![Ended::Completed; in_flight]);
    assert!(!toy.orders[orders..].iter().any(|order| matches!(order.2, Order::Send(..))));
}

#[test]
fn a_request_that_never_ends_does_not_hold_the_run() {
    let mut toy = Toy::seconds(60);
    toy.stuck = true;
    assert_eq!(toy.run(), ClosedBecause::Done);
    let limits = toy.plan.limits;
    let most = 62.0 + limits.longest_answer(toy.plan.output_max()).as_secs_f64();
    assert!(toy.now.seconds() < most, "{}", toy.now.seconds());
    let cut = toy
        .entries
        .iter()
        .any(|entry| matches!(&entry.fact, Fact::Request(request) if request.ended == Ended::Cut));
    assert!(cut);
}

#[test]
fn a_second_interrupt_waits_for_nothing() {
    let mut toy = Toy::seconds(60);
    for _ in 0..205 {
        toy.step();
    }
    let then = toy.now;
    toy.act(INTERRUPT);
    toy.act(INTERRUPT_AGAIN);
    assert_eq!(toy.run(), ClosedBecause::InterruptedTwice);
    assert!(toy.now.since(then) <= 200_000);
}

#[test]
fn an_interrupt_at_any_step_leads_to_an_end() {
    for steps in 0..400 {
        let mut toy = Toy::seconds(30);
        toy.away = Some((At(12_000_000), At(18_000_000)));
        for _ in 0..steps {
            if !toy.conductor.is_closed() {
                toy.step();
            }
        }
        if !toy.conductor.is_closed() {
            let draining = toy.phases().last() == Some(&Phase::Drain);
            toy.act(INTERRUPT);
            let because = if draining { ClosedBecause::Done } else { ClosedBecause::Interrupted };
            assert_eq!(toy.run(), because, "after {steps} steps");
            assert!(toy.now.0 < steps * 100_000 + 61_000_000 + PROBE_LIMIT_US);
        }
    }
}

#[test]
fn the_round_before_comes_again_too_where_its_last_request_broke_since_the_outage_began() {
    let mut toy = Toy::new(Extent::Laps(6), 2);
    while toy.batches().len() < 9 || toy.in_flight.len() != 1 {
        toy.step();
    }
    let (_, first, _) = toy.in_flight[0];
    // Long enough that it has not failed at once.
    toy.now = At(toy.now.0 + 600_000);
    let since = toy.now;
    toy.end_all(Ended::Stalled);
    toy.up(1.0);
    toy.obey();
    let (_, second, _) = toy.in_flight[0];
    assert_ne!(first, second, "the next round has begun");
    toy.record(toy.now, Fact::Target(TargetFact::new(TargetWord::Hung, "").since(since)));
    toy.end_all(Ended::Truncated);
    toy.record(toy.now, Fact::Target(TargetFact::new(TargetWord::Moving, "")));
    toy.up(1.0);
    toy.run();
    let again: Vec<u64> =
        toy.requests(|row| row.repeat == 1 && row.lane == 0).iter().map(|row| row.slot).collect();
    assert_eq!(again, [first.nth, second.nth]);
}
