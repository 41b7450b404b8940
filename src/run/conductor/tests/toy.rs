//! Simulates a server for the conductor's tests: every request takes equally
//! long, and the test carries out the orders.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::fact::{
    Action, Batch, ClosedBecause, Ended, Entry, Fact, Opened, Phase, Reading, Request, Source,
    Stage, TargetFact, TargetWord,
};
use crate::plan::tests::{ladder, open, scenario};
use crate::plan::{Bounds, Fit, Plan, Slot};
use crate::run::conductor::{Conductor, Order, replay};
use crate::series::TOKEN_ANSWERED;
use crate::spec::scenario::Arrivals;
use crate::spec::{Extent, Scenario};
use crate::unit::At;
use crate::world::TargetOrder;

/// Server and clock of a test. Every request takes equally long, mostly a second, and the server
/// may be away for a while.
#[allow(clippy::struct_excessive_bools)] // a world has many switches
pub(super) struct Toy {
    pub plan: Rc<Plan>,
    pub conductor: Conductor,
    pub now: At,
    pub segment: u32,
    pub seq: u64,
    /// Requests in flight: when sent, slot, due time.
    pub in_flight: VecDeque<(At, Slot, At)>,
    pub away: Option<(At, At)>,
    pub entries: Vec<Entry>,
    /// Orders, with the number of entries before each and its instant.
    pub orders: Vec<(usize, At, Order)>,
    /// Numbers of entries at which the conductor was polled.
    pub asked: BTreeSet<usize>,
    pub probes: u64,
    /// Duration of every response, microseconds.
    pub answer_us: u64,
    /// Whether the server stops answering for good after ten seconds.
    pub stuck: bool,
    /// Whether a sensor reports every ten seconds that the server is up.
    pub sensor: bool,
    /// Whether probes get no response.
    pub silent: bool,
    /// Depth that crashes the server, for five seconds each time.
    pub deadly: Option<u64>,
    /// Instant of the next launch of the server's process, and the id of its action.
    pub launch: Option<(At, u64)>,
    /// Interval in which the engine makes no progress though probes are answered.
    pub frozen: Option<(At, At)>,
    /// Tokens that the engine has generated.
    pub generated: f64,
    /// Instant from which on one request ends with an error frame, though the server is up.
    pub hiccup: Option<At>,
    /// Interval in which every request is refused at once, and what the server asks to wait.
    pub refuses: Option<(At, At)>,
    /// Whether it answers the request of a probe meanwhile.
    pub spares_probes: bool,
    pub retry_after_us: Option<u64>,
    /// Status of these refusals.
    pub status: u16,
}

impl Toy {
    pub(super) fn new(extent: Extent, reference_laps: u64) -> Toy {
        Toy::of(scenario(&[0, 4096], &[1, 2]), extent, reference_laps)
    }

    /// Two depths with an arrival every 1.5 seconds, ten to a round.
    pub(super) fn open(seconds: u64, arrivals: Arrivals) -> Toy {
        let extent = Extent::Duration(Duration::from_secs(seconds));
        let mut scenario = open(&[0, 4096], &[1.0 / 1.5], 10);
        ladder(&mut scenario).arrivals = arrivals;
        Toy::of(scenario, extent, 0)
    }

    pub(super) fn of(mut scenario: Scenario, extent: Extent, reference_laps: u64) -> Toy {
        scenario.extent = extent;
        scenario.reference_laps = reference_laps;
        let plan = Rc::new(Plan::new(&scenario, 7, Bounds::default()).unwrap());
        Toy {
            conductor: Conductor::new(plan.clone()),
            plan,
            now: At::ZERO,
            segment: 0,
            seq: 0,
            in_flight: VecDeque::new(),
            away: None,
            entries: Vec::new(),
            orders: Vec::new(),
            asked: BTreeSet::new(),
            probes: 0,
            answer_us: 1_000_000,
            stuck: false,
            sensor: false,
            silent: false,
            deadly: None,
            launch: None,
            frozen: None,
            generated: 0.0,
            hiccup: None,
            refuses: None,
            spares_probes: false,
            retry_after_us: None,
            status: 429,
        }
    }

    /// Simulates a power loss after so many entries: the conductor is replayed, and the requests
    /// in flight are lost. A server that longhaul started is up again.
    pub(super) fn cut(&self, entries: usize) -> Toy {
        let entries = self.entries[..entries].to_vec();
        Toy {
            plan: self.plan.clone(),
            conductor: replay(self.plan.clone(), &entries),
            now: entries.last().map_or(At::ZERO, |last| last.at),
            seq: entries.len() as u64,
            in_flight: VecDeque::new(),
            entries,
            orders: Vec::new(),
            asked: BTreeSet::new(),
            away: None,
            launch: None,
            frozen: None,
            hiccup: None,
            ..*self
        }
    }

    /// Begins a new segment with its own clock, with a server that is up.
    pub(super) fn reopens(&mut self) {
        self.segment += 1;
        self.now = At::ZERO;
        let opened = Opened {
            version: "0".to_owned(),
            simulated: true,
            wall_us: 0,
            boot_id: None,
            endpoint: String::new(),
            run: String::new(),
        };
        self.record(At::ZERO, Fact::Opened(opened));
        self.now = At(3_000_000);
        if self.entries.iter().any(is_launch) {
            self.record(self.now, Fact::Target(TargetFact::new(TargetWord::Launched, "")));
        }
        self.now = At(4_000_000);
        self.up(1.0);
    }

    pub(super) fn seconds(seconds: u64) -> Toy {
        Toy::new(Extent::Duration(Duration::from_secs(seconds)), 2)
    }

    pub(super) fn record(&mut self, at: At, fact: Fact) {
        let entry = Entry { segment: self.segment, seq: self.seq, at, fact };
        self.seq += 1;
        self.conductor.fold(&entry);
        self.entries.push(entry);
    }

    fn refuses_now(&self) -> bool {
        self.refuses.is_some_and(|(from, to)| self.now >= from && self.now < to)
    }

    pub(super) fn is_away(&self) -> bool {
        self.away.is_some_and(|(from, to)| self.now >= from && self.now < to)
    }

    pub(super) fn request(&self, (sent, slot, due): (At, Slot, At), ended: Ended) -> Request {
        let ask = self.plan.ask(slot, due, &Fit::guess(self.plan.corpus()));
        Request {
            lane: ask.lane,
            slot: ask.slot,
            lap: ask.lap,
            repeat: ask.repeat,
            due: ask.due,
            done: self.now,
            ttft_us: (ended != Ended::HttpError).then_some(500_000),
            last_us: (ended != Ended::HttpError)
                .then_some(self.now.since(sent).saturating_sub(100_000)),
            output_tokens: Some(16),
            first_tokens: Some(1),
            chunks: 16,
            ended,
            http_status: (ended == Ended::HttpError).then_some(self.status),
            retry_after_us: self.retry_after_us.filter(|_| ended == Ended::HttpError),
            stage: if ended.is_good() { Stage::Closing } else { Stage::Connect },
            ..Request::unanswered(ask.phase, ask.workload, ask.class, ask.cell, sent)
        }
    }

    pub(super) fn up(&mut self, value: f64) {
        let reading = Reading::single(Source::Engine, "up", value);
        self.record(self.now, Fact::Reading(reading));
    }

    pub(super) fn obey(&mut self) {
        self.asked.insert(self.entries.len());
        while let Some(order) = self.conductor.due(self.now) {
            self.orders.push((self.entries.len(), self.now, order.clone()));
            self.conductor.on_order_done(&order, self.now);
            match order {
                Order::Record(fact) => {
                    self.record(self.now, fact.clone());
                    self.react(&fact);
                }
                Order::Send(slot, due) => self.in_flight.push_back((self.now, slot, due)),
                Order::Probe => {
                    self.probes += 1;
                    let value = f64::from(u8::from(!self.is_away()));
                    if self.conductor.is_failing() && !self.silent {
                        let is_answered = self.spares_probes || !self.refuses_now();
                        let came = f64::from(u8::from(is_answered));
                        self.record(self.now, Fact::Reading(TOKEN_ANSWERED.reading(came)));
                    }
                    if !self.silent {
                        self.up(value);
                    }
                }
                Order::Cut(_) => self.end_all(Ended::Cut),
                Order::LastLook => self.look(),
            }
        }
    }

    /// Carries out an order to a server that longhaul started: it stops at once, is launched two
    /// seconds later if so ordered, and is up ten seconds after that.
    pub(super) fn react(&mut self, fact: &Fact) {
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

    /// Ends the process of a server that longhaul started, without an order.
    pub(super) fn dies(&mut self) {
        self.away = Some((self.now, At(u64::MAX)));
        self.end_all(Ended::Truncated);
        let exited = TargetFact::new(TargetWord::Exited, "signal 9");
        self.record(self.now, Fact::Target(exited));
    }

    pub(super) fn launched(&mut self) {
        let Some((_, action)) = self.launch.take_if(|(at, _)| *at <= self.now) else { return };
        self.away = Some((self.now, At(self.now.0 + 10_000_000)));
        self.frozen = None;
        let launched = TargetFact::new(TargetWord::Launched, "");
        self.record(self.now, Fact::Target(TargetFact { action: Some(action), ..launched }));
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.is_some_and(|(from, to)| self.now >= from && self.now < to)
    }

    /// Records the readings of every ten seconds: that the server is up, and its token count.
    pub(super) fn look(&mut self) {
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

    pub(super) fn end_all(&mut self, ended: Ended) {
        while let Some(flight) = self.in_flight.pop_front() {
            let request = self.request(flight, ended);
            self.record(self.now, Fact::Request(Box::new(request)));
        }
    }

    /// Advances the clock by a tenth of a second, or less if the conductor is due earlier.
    pub(super) fn step(&mut self) {
        self.obey();
        if self.conductor.is_closed() {
            return;
        }
        let next = At((self.now.0 / 100_000 + 1) * 100_000);
        self.now = self.conductor.wake().map_or(next, |wake| wake.min(next));
        self.launched();
        if self.is_away() {
            self.end_all(Ended::Refused);
        }
        if self.refuses_now() {
            self.end_all(Ended::HttpError);
        }
        let asked = |toy: &Toy| toy.in_flight.front().map(|flight| toy.plan.cell(flight.1).depth);
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

    pub(super) fn run(&mut self) -> ClosedBecause {
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

    pub(super) fn phases(&self) -> Vec<Phase> {
        self.entries
            .iter()
            .filter_map(|entry| match &entry.fact {
                Fact::Phase(began) => Some(began.phase),
                _ => None,
            })
            .collect()
    }

    pub(super) fn batches(&self) -> Vec<Batch> {
        let batch = |entry: &Entry| match &entry.fact {
            Fact::Batch(batch) => Some(batch.clone()),
            _ => None,
        };
        self.entries.iter().filter_map(batch).collect()
    }

    pub(super) fn requests(&self, wanted: impl Fn(&Request) -> bool) -> Vec<&Request> {
        let requests = self.entries.iter().filter_map(|entry| match &entry.fact {
            Fact::Request(request) => Some(&**request),
            _ => None,
        });
        requests.filter(|request| wanted(request)).collect()
    }

    /// Slots that were sent, with their due times.
    pub(super) fn sends(&self) -> Vec<(Slot, At)> {
        let send = |order: &(usize, At, Order)| match order.2 {
            Order::Send(slot, due) => Some((slot, due)),
            _ => None,
        };
        self.orders.iter().filter_map(send).collect()
    }

    pub(super) fn act(&mut self, what: &str) {
        let action = Action { id: 1, what: what.to_owned(), note: String::new() };
        self.record(self.now, Fact::Action(action));
    }
}

fn is_launch(entry: &Entry) -> bool {
    matches!(&entry.fact, Fact::Target(target) if target.word == TargetWord::Launched)
}
