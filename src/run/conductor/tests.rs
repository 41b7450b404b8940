//! Whole runs of the conductor without a world: orders are obeyed by hand, in
//! a time that is only counted.

mod care;
mod open;

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::{Conductor, INTERRUPT, INTERRUPT_AGAIN, Order, PROBE_LIMIT_US};
use crate::fact::{
    Action, Batch, ClosedBecause, Ended, Entry, Fact, Phase, Reading, Request, Source, Stage,
    TargetFact, TargetWord,
};
use crate::plan::tests::{ladder, open, scenario};
use crate::plan::{Bounds, Fit, Place, Plan};
use crate::spec::scenario::Arrivals;
use crate::spec::{Extent, Scenario};
use crate::unit::At;
use crate::world::TargetOrder;

/// A world in which every request takes as long, a second mostly, and a server may be away for a while.
#[allow(clippy::struct_excessive_bools)] // a world has many switches
struct Toy {
    plan: Rc<Plan>,
    conductor: Conductor,
    now: At,
    seq: u64,
    /// Sent, place, lane, due.
    in_flight: VecDeque<(At, Place, u32, At)>,
    away: Option<(At, At)>,
    entries: Vec<Entry>,
    orders: Vec<Order>,
    probes: u64,
    /// How long every answer takes.
    answer_us: u64,
    /// Whether the server never answers again after ten seconds.
    stuck: bool,
    /// Whether a sensor reads every ten seconds that the server is there.
    sensor: bool,
    /// Whether probes get no answer.
    silent: bool,
    /// The depth that the server dies of, for five seconds each time.
    deadly: Option<u64>,
    /// Whether longhaul started the server, so that it takes orders.
    started: bool,
    /// When the server's process is launched, and the action that it is launched for.
    launch: Option<(At, u64)>,
    /// From when to when the engine stands still though its probes are answered.
    frozen: Option<(At, At)>,
    /// What the engine has generated.
    generated: f64,
    /// From when on one request ends with an error frame, though the server is well.
    hiccup: Option<At>,
}

impl Toy {
    fn new(extent: Extent, reference_laps: u64) -> Toy {
        Toy::of(scenario(&[0, 4096], &[1, 2]), extent, reference_laps)
    }

    /// Two depths with an arrival every second and a half, ten to a round.
    fn open(seconds: u64, arrivals: Arrivals) -> Toy {
        let extent = Extent::Duration(Duration::from_secs(seconds));
        let mut scenario = open(&[0, 4096], &[1.0 / 1.5], 10);
        ladder(&mut scenario).arrivals = arrivals;
        Toy::of(scenario, extent, 0)
    }

    fn of(mut scenario: Scenario, extent: Extent, reference_laps: u64) -> Toy {
        scenario.extent = extent;
        scenario.reference_laps = reference_laps;
        let plan = Rc::new(Plan::new(&scenario, 7, Bounds::default()).unwrap());
        Toy {
            conductor: Conductor::new(plan.clone()),
            plan,
            now: At::ZERO,
            seq: 0,
            in_flight: VecDeque::new(),
            away: None,
            entries: Vec::new(),
            orders: Vec::new(),
            probes: 0,
            answer_us: 1_000_000,
            stuck: false,
            sensor: false,
            silent: false,
            deadly: None,
            started: false,
            launch: None,
            frozen: None,
            generated: 0.0,
            hiccup: None,
        }
    }

    fn seconds(seconds: u64) -> Toy {
        Toy::new(Extent::Duration(Duration::from_secs(seconds)), 2)
    }

    fn record(&mut self, at: At, fact: Fact) {
        let entry = Entry { segment: 0, seq: self.seq, at, fact };
        self.seq += 1;
        self.conductor.take(&entry);
        self.entries.push(entry);
    }

    fn is_away(&self) -> bool {
        self.away.is_some_and(|(from, to)| self.now >= from && self.now < to)
    }

    fn request(&self, flight: (At, Place, u32, At), ended: Ended) -> Request {
        let (sent, place, lane, due) = flight;
        let phase = *self.phases().iter().rfind(|phase| **phase != Phase::Drain).unwrap();
        let ask = self.plan.ask(phase, place, lane, due, &Fit::guess(self.plan.corpus()));
        Request {
            phase,
            workload: ask.workload.to_owned(),
            class: ask.class,
            lane,
            slot: ask.slot,
            session: None,
            turn: None,
            cell: ask.cell,
            lap: ask.lap,
            repeat: ask.repeat,
            due: ask.due,
            sent,
            done: self.now,
            first_byte_us: None,
            ttft_us: Some(500_000),
            ttft_content_us: None,
            last_us: Some(900_000),
            prompt_tokens: None,
            cached_tokens: None,
            output_tokens: Some(16),
            reasoning_tokens: None,
            first_tokens: Some(1),
            chunks: 16,
            max_gap_us: None,
            peak_tokens: None,
            idle_us: None,
            ended,
            stage: if ended.is_good() { Stage::Closing } else { Stage::Connect },
            finish: None,
            http_status: None,
            error: String::new(),
            checks: Vec::new(),
            answer: None,
        }
    }

    fn up(&mut self, value: f64) {
        let reading = Reading::single(Source::Engine, "up", value);
        self.record(self.now, Fact::Reading(reading));
    }

    fn obey(&mut self) {
        while let Some(order) = self.conductor.due(self.now) {
            self.orders.push(order.clone());
            match order {
                Order::Record(fact) => {
                    self.record(self.now, fact.clone());
                    self.heed(&fact);
                }
                Order::Send(place, lane, due) => {
                    self.in_flight.push_back((self.now, place, lane, due));
                }
                Order::Probe => {
                    self.probes += 1;
                    let value = f64::from(u8::from(!self.is_away()));
                    if !self.silent {
                        self.up(value);
                    }
                }
                Order::Cut(_) => self.end_all(Ended::Cut),
                Order::LastLook => {}
            }
        }
    }

    /// A server that longhaul started takes orders: it is gone at once, and launched two
    /// seconds later where it is to be, and there ten seconds after that.
    fn heed(&mut self, fact: &Fact) {
        let Fact::Action(action) = fact else { return };
        let Some(order) = TargetOrder::parse(&action.what) else { return };
        if order != TargetOrder::Launch {
            self.away = Some((self.now, At(u64::MAX)));
            self.end_all(Ended::Truncated);
            let exited = TargetFact::new(TargetWord::Exited, "as asked");
            self.record(self.now, Fact::Target(TargetFact { action: Some(action.id), ..exited }));
        }
        if order != TargetOrder::Stop {
            self.launch = Some((At(self.now.0 + 2_000_000), action.id));
        }
    }

    /// The process of a server that longhaul started ends by itself.
    fn dies(&mut self) {
        self.away = Some((self.now, At(u64::MAX)));
        self.end_all(Ended::Truncated);
        let exited = TargetFact::new(TargetWord::Exited, "signal 9");
        self.record(self.now, Fact::Target(exited));
    }

    fn launched(&mut self) {
        let Some((_, action)) = self.launch.take_if(|(at, _)| *at <= self.now) else { return };
        self.away = Some((self.now, At(self.now.0 + 10_000_000)));
        self.frozen = None;
        let launched = TargetFact::new(TargetWord::Launched, "");
        self.record(self.now, Fact::Target(TargetFact { action: Some(action), ..launched }));
    }

    fn is_frozen(&self) -> bool {
        self.frozen.is_some_and(|(from, to)| self.now >= from && self.now < to)
    }

    /// What the sensors tell every ten seconds: that it is there, and how far it is.
    fn look(&mut self) {
        let up = !self.is_away();
        self.up(f64::from(u8::from(up)));
        if up {
            self.generated += f64::from(u8::from(!self.is_frozen()));
            let reading =
                Reading::single(Source::Engine, "generation_tokens_total", self.generated);
            self.record(self.now, Fact::Reading(reading));
        }
        let in_flight = self.in_flight.len() as f64;
        let reading = Reading::single(Source::Own, "in_flight", in_flight);
        self.record(self.now, Fact::Reading(reading));
    }

    fn end_all(&mut self, ended: Ended) {
        while let Some(flight) = self.in_flight.pop_front() {
            let request = self.request(flight, ended);
            self.record(self.now, Fact::Request(Box::new(request)));
        }
    }

    /// A tenth of a second passes, or less if the conductor wants to be woken.
    fn step(&mut self) {
        self.obey();
        let next = At((self.now.0 / 100_000 + 1) * 100_000);
        self.now = self.conductor.wake().map_or(next, |wake| wake.min(next));
        self.launched();
        if self.is_away() {
            self.end_all(Ended::Refused);
        }
        let asked =
            |toy: &Toy| toy.in_flight.front().map(|flight| toy.plan.at(flight.1).0.cell.depth);
        if self.deadly.is_some() && asked(self) == self.deadly && !self.is_away() {
            self.away = Some((self.now, At(self.now.0 + 5_000_000)));
            self.end_all(Ended::Truncated);
        }
        while let Some(flight) = self.in_flight.front().copied() {
            let stuck = self.stuck && self.now.seconds() > 10.0 || self.is_frozen();
            if stuck || self.now.since(flight.0) < self.answer_us {
                break;
            }
            self.in_flight.pop_front();
            let broken = self.hiccup.take_if(|from| self.now >= *from).is_some();
            let ended = if broken { Ended::ErrorFrame } else { Ended::Completed };
            let request = self.request(flight, ended);
            self.record(self.now, Fact::Request(Box::new(request)));
        }
        if self.sensor && self.now.0.is_multiple_of(10_000_000) {
            self.look();
        }
    }

    fn run(&mut self) -> ClosedBecause {
        for _ in 0..1_000_000 {
            self.step();
            if self.conductor.is_closed() {
                break;
            }
        }
        match &self.entries.last().unwrap().fact {
            Fact::Closed(closed) => closed.because,
            other => panic!("the last entry is {other:?}"),
        }
    }

    fn phases(&self) -> Vec<Phase> {
        self.entries
            .iter()
            .filter_map(|entry| match &entry.fact {
                Fact::Phase(began) => Some(began.phase),
                _ => None,
            })
            .collect()
    }

    fn batches(&self) -> Vec<Batch> {
        let batch = |entry: &Entry| match &entry.fact {
            Fact::Batch(batch) => Some(batch.clone()),
            _ => None,
        };
        self.entries.iter().filter_map(batch).collect()
    }

    fn requests(&self, wanted: impl Fn(&Request) -> bool) -> Vec<&Request> {
        let requests = self.entries.iter().filter_map(|entry| match &entry.fact {
            Fact::Request(request) => Some(&**request),
            _ => None,
        });
        requests.filter(|request| wanted(request)).collect()
    }

    fn sends(&self) -> Vec<Order> {
        let orders = self.orders.iter().filter(|order| matches!(order, Order::Send(..)));
        orders.cloned().collect()
    }

    fn act(&mut self, what: &str) {
        let action = Action { id: 1, what: what.to_owned(), note: String::new() };
        self.record(self.now, Fact::Action(action));
    }
}

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
    let address = |batch: &Batch| (batch.phase, batch.cell, batch.lap);
    assert_eq!(address(&broken[0]), address(&again[0]));
    assert_eq!(again[0].good, u64::from(again[0].cell.streams()), "whole this time");
    let (first, second) =
        (toy.requests(|it| it.ended == Ended::Refused), toy.requests(|it| it.repeat == 1));
    assert!(
        first
            .iter()
            .all(|it| second.iter().any(|again| (it.lane, it.slot) == (again.lane, again.slot)))
    );
    // What the outage kept from being sent at all was sent in the repeat.
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
    assert_eq!(most, Some(super::REPEATS_MAX));
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
    assert!(!toy.orders[orders..].iter().any(|order| matches!(order, Order::Send(..))));
}

#[test]
fn a_request_that_never_ends_does_not_hold_the_run() {
    let mut toy = Toy::seconds(60);
    toy.stuck = true;
    assert_eq!(toy.run(), ClosedBecause::Done);
    let limits = toy.plan.limits;
    let most = 62.0 + (limits.first_token + limits.stall).as_secs_f64();
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

/// All orders to send that a conductor gives while it is asked about an instant.
fn sends(conductor: &mut Conductor, at: At, sent: &mut Vec<Order>) {
    while let Some(order) = conductor.due(at) {
        match order {
            Order::Send(..) => sent.push(order),
            // What was recorded comes from the journal itself.
            Order::Record(_) => break,
            Order::Probe | Order::Cut(_) | Order::LastLook => {}
        }
    }
}

/// What a journal replayed sends: asked after every entry, and when it wants to be woken.
fn replayed(toy: &Toy) -> Vec<Order> {
    let mut again = Conductor::new(toy.plan.clone());
    let mut sent = Vec::new();
    sends(&mut again, At::ZERO, &mut sent);
    for entry in &toy.entries {
        while let Some(wake) = again.wake().filter(|wake| *wake < entry.at) {
            sends(&mut again, wake, &mut sent);
        }
        again.take(entry);
        sends(&mut again, entry.at, &mut sent);
    }
    sent
}

#[test]
fn a_journal_replayed_gives_the_same_orders() {
    let mut toy = Toy::seconds(40);
    toy.away = Some((At(12_000_000), At(18_000_000)));
    toy.run();
    assert_eq!(replayed(&toy), toy.sends());
}

#[test]
fn a_journal_of_an_open_loop_replayed_gives_the_same_orders_to_the_microsecond() {
    for arrivals in [Arrivals::Constant, Arrivals::Poisson] {
        let mut toy = Toy::open(120, arrivals);
        toy.answer_us = 3_700_000;
        toy.away = Some((At(52_000_000), At(61_000_000)));
        toy.hiccup = Some(At(20_000_000));
        toy.run();
        assert!(toy.sends().len() > 50);
        assert_eq!(replayed(&toy), toy.sends());
    }
}
