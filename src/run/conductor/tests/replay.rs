//! Tests that a replayed conductor gives the orders of the original one, at
//! every cut and in the next segment.

use std::collections::BTreeSet;
use std::time::Duration;

use super::toy::Toy;
use crate::fact::{ClosedBecause, Fact, Phase, TargetFact, TargetWord};
use crate::plan::Slot;
use crate::plan::tests::{ladder, open, scenario};
use crate::run::conductor::{Conductor, INTERRUPT, INTERRUPT_AGAIN, Order, STOP_ON_FAIL};
use crate::spec::scenario::{Arrivals, Drill, DrillKind, Restart, RestartWhen};
use crate::spec::{Extent, Scenario};
use crate::unit::At;

/// Number of orders that are compared after a cut, and of cuts that are tried in a run; a short
/// run is cut everywhere.
const ORDERS: usize = 40;
const CUTS: usize = 600;

/// Asserts that the replayed conductor gives the same orders as the original one, after every
/// entry after which the original was polled.
pub(super) fn goes_on_alike_at_every_cut(toy: &Toy) {
    let every = toy.asked.len().div_ceil(CUTS);
    for cut in toy.asked.iter().copied().filter(|cut| *cut > 0).step_by(every) {
        let mut again = Conductor::new(toy.plan.clone());
        toy.entries[..cut].iter().for_each(|entry| again.follow(entry));
        let last = toy.entries[cut - 1].at;
        // Orders at the instant of the cut are carried out already.
        let rest = toy.orders.iter().skip_while(|(before, now, order)| {
            *before < cut || *before == cut && *now == last && !matches!(order, Order::Record(_))
        });
        let mut taken = cut;
        for (before, now, order) in rest.take(ORDERS) {
            toy.entries[taken..*before].iter().for_each(|entry| again.fold(entry));
            taken = *before;
            let given = again.due(*now);
            assert_eq!(given.as_ref(), Some(order), "at {now:?}, cut after {cut} at {last:?}");
            again.on_order_done(order, *now);
        }
    }
}

fn minutes(minutes: u64) -> Extent {
    Extent::Duration(Duration::from_secs(60 * minutes))
}

fn short() -> Scenario {
    scenario(&[0, 64], &[1, 2])
}

fn arrivals(arrivals: Arrivals) -> Scenario {
    let mut scenario = open(&[0, 64], &[1.0 / 1.5], 5);
    ladder(&mut scenario).arrivals = arrivals;
    scenario
}

/// Run with drills, a hang and a crash of a server that longhaul started.
fn troubled() -> Toy {
    let mut scenario = short();
    let at = Duration::from_secs;
    scenario.restart = Some(Restart { when: RestartWhen::OnHang, ..Restart::default() });
    scenario.drills = vec![
        Drill { kind: DrillKind::Idle(at(20)), at: at(80) },
        Drill { kind: DrillKind::Restart, at: at(110) },
        Drill { kind: DrillKind::Stop(at(15)), at: at(140) },
        Drill { kind: DrillKind::Aborts(at(10)), at: at(170) },
    ];
    let mut toy = Toy::of(scenario, minutes(8), 1);
    toy.sensor = true;
    toy.record(At::ZERO, Fact::Target(TargetFact::new(TargetWord::Launched, "")));
    toy.frozen = Some((At(50_000_000), At(140_000_000)));
    while toy.now.seconds() < 450.0 {
        toy.step();
    }
    toy.dies();
    toy
}

/// The run with these stop actions in the middle of its load, two steps apart.
fn reported(mut toy: Toy, words: &[&str]) -> Toy {
    while toy.now.seconds() < 20.0 || toy.in_flight.is_empty() {
        toy.step();
        assert!(!toy.conductor.is_closed(), "it ended before it was told anything");
    }
    for word in words {
        toy.act(word);
        toy.step();
        toy.step();
    }
    assert!(!toy.conductor.is_closed() || words.contains(&INTERRUPT_AGAIN), "{words:?}");
    toy
}

/// Number of entries before the last stop action, if there was any.
fn told_to_stop(toy: &Toy) -> Option<usize> {
    let words = [INTERRUPT, INTERRUPT_AGAIN, STOP_ON_FAIL];
    toy.entries.iter().rposition(|entry| match &entry.fact {
        Fact::Action(action) => words.contains(&action.what.as_str()),
        _ => false,
    })
}

/// Runs in which every kind of event occurs.
fn worlds() -> Vec<(&'static str, Toy)> {
    let mut away = Toy::of(short(), minutes(1), 1);
    away.away = Some((At(12_000_000), At(18_000_000)));
    let mut hung = Toy::of(short(), minutes(6), 1);
    (hung.sensor, hung.frozen) = (true, Some((At(50_000_000), At(125_000_000))));
    let mut poisson = Toy::of(arrivals(Arrivals::Poisson), minutes(2), 0);
    poisson.away = Some((At(52_000_000), At(61_000_000)));
    poisson.hiccup = Some(At(20_000_000));
    let mut constant = Toy::of(arrivals(Arrivals::Constant), minutes(2), 0);
    (constant.answer_us, constant.away) = (3_700_000, Some((At(52_000_000), At(61_000_000))));
    let mut slow = Toy::of(arrivals(Arrivals::Constant), minutes(2), 0);
    slow.answer_us = 3_700_000;
    let mut refused = Toy::of(short(), minutes(1), 1);
    refused.refuses = Some((At(12_000_000), At(24_000_000)));
    let mut asked = Toy::of(short(), minutes(1), 1);
    (asked.refuses, asked.status) = (Some((At(12_000_000), At(24_000_000))), 503);
    asked.retry_after_us = Some(3_000_000);
    let mut failing = Toy::of(short(), minutes(1), 1);
    (failing.refuses, failing.status) = (Some((At(12_000_000), At(44_000_000))), 500);
    let brief = || Toy::of(short(), minutes(1), 1);
    vec![
        ("interrupted", reported(brief(), &[INTERRUPT])),
        ("interrupted while slow", reported(slow, &[INTERRUPT])),
        ("interrupted twice", reported(brief(), &[INTERRUPT, INTERRUPT_AGAIN])),
        ("stopped on a failure", reported(brief(), &[STOP_ON_FAIL])),
        ("away", away),
        ("refused", refused),
        ("refused with a wait", asked),
        ("failing", failing),
        ("hung", hung),
        ("poisson", poisson),
        ("constant", constant),
        ("troubled", troubled()),
        ("laps", Toy::of(short(), Extent::Laps(5), 1)),
    ]
}

#[test]
fn a_conductor_replayed_at_any_cut_goes_on_as_the_one_that_lived() {
    for (name, mut toy) in worlds() {
        toy.run();
        let sent = toy.sends().len();
        assert!(sent > if told_to_stop(&toy).is_some() { 8 } else { 20 }, "{name}: {sent}");
        goes_on_alike_at_every_cut(&toy);
    }
}

#[test]
fn a_conductor_replayed_in_a_later_segment_goes_on_as_the_one_that_lived() {
    for (name, mut toy) in worlds() {
        toy.run();
        let all = toy.entries.len();
        let reported = told_to_stop(&toy);
        let cuts = match reported {
            Some(reported) => vec![all / 4, all / 2, reported, reported + 1, all - 1, all],
            None => vec![all / 4, all / 2, 3 * all / 4],
        };
        for cut in cuts {
            let mut second = toy.cut(cut);
            second.reopens();
            second.run();
            let is_told = reported.is_some_and(|reported| cut > reported);
            assert!(is_told || second.sends().len() > 5, "{name}, cut after {cut}");
            goes_on_alike_at_every_cut(&second);
        }
    }
}

/// Slots of all request rows, in order of the rows.
fn rows(toy: &Toy) -> Vec<Slot> {
    let requests = toy.requests(|_| true);
    let slot = |row: &&crate::fact::Request| Slot {
        phase: row.phase,
        lane: row.lane,
        nth: row.slot,
        repeat: row.repeat,
    };
    requests.iter().map(slot).collect()
}

#[test]
fn what_was_cut_goes_on_at_each_lanes_first_unfinished_slot_with_the_orders_that_were_to_come() {
    for scenario in [short(), arrivals(Arrivals::Poisson)] {
        let mut whole = Toy::of(scenario, Extent::Laps(4), 1);
        whole.run();
        let planned: Vec<Slot> = whole.sends().iter().map(|(slot, _)| *slot).collect();
        for cut in 1..whole.entries.len() {
            for reopens in [false, true] {
                let mut toy = whole.cut(cut);
                let ended: BTreeSet<Slot> = rows(&toy).into_iter().collect();
                let to_come: Vec<Slot> =
                    planned.iter().copied().filter(|slot| !ended.contains(slot)).collect();
                if reopens {
                    toy.reopens();
                }
                toy.run();
                let sent: Vec<Slot> = toy.sends().iter().map(|(slot, _)| *slot).collect();
                assert_eq!(sent, to_come, "cut after {cut}, another segment: {reopens}");
                let all: BTreeSet<Slot> = rows(&toy).into_iter().collect();
                assert_eq!((all.len(), rows(&toy).len()), (planned.len(), planned.len()));
            }
        }
    }
}

#[test]
fn a_run_that_was_stopped_within_a_round_goes_on_in_another_segment_with_every_slot_that_has_no_row()
 {
    for scenario in [short(), arrivals(Arrivals::Poisson)] {
        let whole = || Toy::of(scenario.clone(), Extent::Laps(8), 1);
        let mut planned = whole();
        planned.run();
        let planned: BTreeSet<Slot> = planned.sends().iter().map(|(slot, _)| *slot).collect();
        for words in [&[INTERRUPT][..], &[INTERRUPT, INTERRUPT_AGAIN]] {
            let mut toy = reported(whole(), words);
            toy.run();
            let ended = rows(&toy).len();
            assert!(ended < planned.len(), "{words:?}: {ended}");
            toy.reopens();
            toy.run();
            let all: BTreeSet<Slot> = rows(&toy).into_iter().collect();
            assert_eq!((&all, rows(&toy).len()), (&planned, planned.len()), "{words:?}");
        }
    }
}

#[test]
fn a_run_over_several_segments_lasts_as_long_under_load_as_one_that_is_whole() {
    for (name, mut toy) in worlds() {
        let Extent::Duration(duration) = toy.plan.extent else { continue };
        toy.run();
        let mut toy = toy.cut(toy.entries.len() / 3);
        let first = toy.now.seconds();
        toy.reopens();
        while toy.now.seconds() < 20.0 {
            toy.step();
        }
        let mut toy = toy.cut(toy.entries.len());
        toy.reopens();
        let because = toy.run();
        // The outages of all segments count together.
        assert!(matches!(because, ClosedBecause::Done | ClosedBecause::OutOfTime), "{name}");
        let lasted = first + 16.0 + toy.now.seconds();
        let planned = duration.as_secs_f64();
        // Outages extend the run: those of the first segment, and those of the drills.
        let most = planned + if name == "troubled" { 300.0 } else { 90.0 };
        assert!((planned - 3.0..most).contains(&lasted), "{name}: {lasted} s");
    }
}

#[test]
fn no_batch_spans_two_clocks() {
    for (name, mut whole) in worlds() {
        whole.run();
        for cut in (1..whole.entries.len()).step_by(19) {
            let mut toy = whole.cut(cut);
            toy.reopens();
            toy.run();
            for entry in &toy.entries[cut..] {
                let Fact::Batch(batch) = &entry.fact else { continue };
                let stamps = [Some(batch.began), batch.first, batch.last];
                let known = stamps.into_iter().flatten().all(|stamp| stamp <= entry.at);
                assert!(known, "{name}, cut after {cut}: {batch:?} at {:?}", entry.at);
            }
        }
    }
}

#[test]
fn an_interrupt_at_any_cut_of_any_run_leads_to_an_end() {
    for (name, mut whole) in worlds() {
        whole.run();
        for cut in (1..whole.entries.len()).step_by(7) {
            for reopens in [false, true] {
                let mut toy = whole.cut(cut);
                if reopens {
                    toy.reopens();
                }
                if toy.conductor.is_closed() {
                    continue;
                }
                let from = toy.now;
                // An interrupt of a run that is ending already does not change its ending.
                let ending = toy.conductor.stop.as_ref().map(|ending| ending.because);
                toy.act(INTERRUPT);
                let because = toy.run();
                let words = format!("{name}, cut after {cut}, another segment: {reopens}");
                let known = [ClosedBecause::Interrupted, ClosedBecause::Done, ClosedBecause::Gone];
                let is_known = ending.map_or(known.contains(&because), |ending| ending == because);
                assert!(is_known, "{words}: {because:?}, {ending:?}");
                assert!(toy.now.since(from) < 65_000_000, "{words}");
                let drains = toy.entries.iter().filter(
                    |entry| matches!(&entry.fact, Fact::Phase(began) if began.phase == Phase::Drain),
                );
                assert!(drains.count() <= 2, "{words}");
            }
        }
    }
}
