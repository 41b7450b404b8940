//! Decides, and does nothing else. Its state is a fold over the entries of the
//! run; `due` looks at the clock and names the next order. Pure, so that a
//! journal replayed through it gives the same orders again.

mod care;
mod clock;
mod end;
mod phases;
mod round;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use care::Care;
use clock::ServiceClock;
use round::Running;

use crate::fact::{
    Action, ClosedBecause, Entry, Fact, Issued, Phase, PhaseBegan, Request, TargetFact, TargetWord,
};
use crate::incident::hang::Hangs;
use crate::incident::liveness::{Change, Liveness, State};
use crate::plan::{Place, Plan};
use crate::series::UP;
use crate::spec::Extent;
use crate::unit::{At, micros};
use crate::world::TargetOrder;

/// What the shell is to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Write a fact down.
    Record(Fact),
    /// Send the ask of a lane, which is due at this instant.
    Send(Place, u32, At),
    /// Ask the server whether it is there.
    Probe,
    /// Hang up on everything in flight, and say why.
    Cut(&'static str),
    /// Let the sensors look once more: nothing is in flight any more.
    LastLook,
}

/// The interrupt as an action: what is in flight may end.
pub const INTERRUPT: &str = "interrupt";
/// The second interrupt as an action: nothing is waited for.
pub const INTERRUPT_AGAIN: &str = "interrupt_again";
/// The user's wish to stop at the first broken gate, as an action.
pub const STOP_ON_FAIL: &str = "stop_on_fail";

/// The first wait before a server that went away is asked again, and the longest: bounds
/// how hard a server that struggles to its feet is knocked at.
const PROBE_US: (u64, u64) = (1_000_000, 15_000_000);
/// Probes that fit into the longest outage that a scenario allows, at the least.
const PROBES_MIN: u64 = 20;
/// How often a round comes again that outages break each time; bounds a cell that kills the
/// server whenever it is asked.
const REPEATS_MAX: u32 = 3;
/// A probe that no answer came of counts as lost after this.
pub const PROBE_LIMIT_US: u64 = 10_000_000;

/// Where a phase stands that another one broke off.
#[derive(Clone, Debug)]
struct Left {
    place: Place,
    next: Vec<u64>,
    /// How long its present lap has lasted, microseconds.
    lap_us: u64,
}

/// Decides what is sent, when phases end, and when the run is over.
pub struct Conductor {
    plan: Rc<Plan>,
    liveness: Liveness,
    hangs: Hangs,
    /// Since when it hangs.
    hung: Option<At>,
    care: Care,
    clock: ServiceClock,
    phase: Option<Phase>,
    place: Place,
    running: Option<Running>,
    /// Rounds that outages broke, which come again before the plan goes on.
    broken: VecDeque<Place>,
    /// The last round that ended, which may turn out to have met an outage.
    ended: Option<Running>,
    /// Since when nothing stands in the way of the next round: the stamp of the entry that
    /// ended the one before, began the phase, or showed that the server is there. Not when
    /// somebody asked, so that a journal replayed gives the same rounds.
    free_from: At,
    /// One more than the last slot that each lane sent in this phase.
    next: Vec<u64>,
    lap_began_us: u64,
    lap_us: u64,
    /// Where phases stand that drills broke off: each goes on where it was.
    left: BTreeMap<Phase, Left>,
    pending: VecDeque<Fact>,
    stopping: Option<(ClosedBecause, String)>,
    drain_from: Option<At>,
    /// Since when nothing is in flight and nothing more is sent.
    idle_from: Option<At>,
    cut: bool,
    closed: bool,
    probe_wait_us: u64,
    probe_at: At,
}

impl Conductor {
    /// At the beginning of a run.
    pub fn new(plan: Rc<Plan>) -> Conductor {
        let next = vec![0; plan.lanes() as usize];
        Conductor {
            plan,
            liveness: Liveness::default(),
            hangs: Hangs::default(),
            hung: None,
            care: Care::default(),
            left: BTreeMap::new(),
            clock: ServiceClock::default(),
            phase: None,
            place: Place::default(),
            running: None,
            broken: VecDeque::new(),
            ended: None,
            free_from: At::ZERO,
            next,
            lap_began_us: 0,
            lap_us: 0,
            pending: VecDeque::new(),
            stopping: None,
            drain_from: None,
            idle_from: None,
            cut: false,
            closed: false,
            probe_wait_us: PROBE_US.0,
            probe_at: At::ZERO,
        }
    }

    /// Whether the run is over.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The phase whose asks are sent; `None` before the load and in the drain.
    pub fn phase(&self) -> Option<Phase> {
        self.phase.filter(|phase| *phase != Phase::Drain)
    }

    /// One more than the last slot that was sent, for every lane of the present phase.
    pub fn issued(&self) -> Option<Issued> {
        // Nothing new is sent in the drain; its slots are those of the phase before.
        Some(Issued { phase: self.phase()?, next: self.next.clone() })
    }

    /// When [`Conductor::due`] wants to be asked, whatever else happens: the next arrival of
    /// an open round. `None` where only what happens decides.
    pub fn wake(&self) -> Option<At> {
        let due = self.running.as_ref()?.next_due()?;
        let goes_on = !self.closed && self.stopping.is_none() && !self.is_past(due);
        // One bad sign is no outage: the arrivals of an open loop wait for no answer.
        let away = self.liveness.state() == State::Down || self.care.awaits();
        (goes_on && !away).then_some(due)
    }

    /// Whether an instant lies behind the duration. Half-open: its last instant is not in it.
    fn is_past(&self, at: At) -> bool {
        let Extent::Duration(duration) = self.plan.extent else { return false };
        self.phase.is_some() && self.clock.now_us(at) >= micros(duration)
    }

    /// Takes in what happened.
    pub fn take(&mut self, entry: &Entry) {
        let before = self.liveness.state();
        let change = self.liveness.take(entry);
        self.hangs.take(entry);
        let doubted = before == State::Up && self.liveness.state() != State::Up;
        if doubted {
            // All sending waits for the answer, so it is asked at once.
            self.probe_wait_us = PROBE_US.0;
            self.probe_at = entry.at;
        }
        if before != State::Up && self.liveness.state() == State::Up {
            self.free(entry.at);
        }
        match change {
            Some(Change::WentAway { since, evidence }) => self.went_away(since, evidence),
            Some(Change::CameBack { since, evidence }) => self.came_back(since, evidence, entry.at),
            Some(Change::Restarted { since, evidence }) => {
                if self.liveness.state() == State::Up {
                    self.broke_in(since);
                }
                self.pending.push_back(target(TargetWord::Restarted, since, evidence));
            }
            None => {}
        }
        match &entry.fact {
            Fact::Phase(began) => self.began(began, entry.at),
            Fact::Request(request) => self.ended(request),
            Fact::Batch(_) => self.round_ended(entry.at),
            Fact::Action(action) => self.told(action, entry.at),
            Fact::Target(target) => self.care_for(target, entry.at),
            Fact::Reading(reading) if UP.is_of(reading) && !doubted => {
                if reading.last >= 0.5 {
                    self.greeted(entry.at);
                }
                self.probed(entry.at);
            }
            Fact::Fault(fault) if fault.fatal => {
                self.stop(ClosedBecause::Fault, fault.why.clone());
                self.cut = true;
            }
            Fact::Closed(_) => self.closed = true,
            _ => {}
        }
    }

    /// Whether the server is there was answered: the next probe waits longer, as long as it is not.
    fn probed(&mut self, at: At) {
        if self.is_there() {
            return;
        }
        self.probe_at = At(at.0 + self.probe_wait_us);
        let away_us = micros(self.plan.limits.away);
        let longest_us = (away_us / PROBES_MIN).clamp(PROBE_US.0, PROBE_US.1);
        self.probe_wait_us = (self.probe_wait_us * 2).min(longest_us);
    }

    /// Whether it is believed to be there, and is not being started.
    fn is_there(&self) -> bool {
        self.liveness.state() == State::Up && !self.care.awaits()
    }

    /// Whether it may be asked: it is there and serves. What hangs is asked again only when
    /// everything that was asked of it has been given up: how else would it show that it moves?
    fn serves(&self) -> bool {
        let out = self.running.as_ref().is_some_and(Running::is_out);
        self.is_there() && (self.hung.is_none() || !out)
    }

    fn free(&mut self, at: At) {
        // Stamps may come out of order.
        self.free_from = self.free_from.max(at);
    }

    fn ended(&mut self, request: &Request) {
        if Some(request.phase) == self.phase {
            self.sent(request.lane, request.slot);
        }
        if let Some(running) = &mut self.running {
            running.ended(request);
        }
    }

    fn sent(&mut self, lane: u32, slot: u64) {
        if let Some(next) = self.next.get_mut(lane as usize) {
            *next = slot.saturating_add(1).max(*next);
        }
    }

    fn went_away(&mut self, since: At, evidence: String) {
        self.clock.stand(since);
        self.probe_wait_us = PROBE_US.0;
        self.pending.push_back(target(TargetWord::Away, since, evidence));
        self.break_off(since);
    }

    /// The rest of the round is not sent into the dark, nor in a burst afterwards. One of
    /// which nothing was sent begins anew when the server is back; any other comes again, and
    /// so does the round before where its last requests were those that broke.
    fn break_off(&mut self, since: At) {
        if self.running.as_mut().is_some_and(|running| !running.break_off()) {
            self.running = None;
        }
        if let Some(ended) = self.ended.take_if(|ended| ended.broke_since(since)) {
            self.comes_again(ended.place);
        }
    }

    /// A restart that was over before it was noticed: what broke in it comes again.
    fn broke_in(&mut self, since: At) {
        if let Some(running) = &mut self.running {
            running.mark(since);
        }
        if let Some(ended) = self.ended.take_if(|ended| ended.broke_since(since)) {
            self.comes_again(ended.place);
        }
    }

    fn comes_again(&mut self, place: Place) {
        if place.repeat < REPEATS_MAX {
            self.broken.push_back(place.again());
        }
    }

    fn came_back(&mut self, since: At, evidence: String, at: At) {
        self.clock.go(at);
        self.pending.push_back(target(TargetWord::Back, since, evidence));
    }

    fn began(&mut self, began: &PhaseBegan, at: At) {
        if let Some(phase) = self.phase {
            let (place, next) = (self.place, self.next.clone());
            let lap_us = self.clock.now_us(at).saturating_sub(self.lap_began_us);
            self.left.insert(phase, Left { place, next, lap_us });
        }
        self.phase = Some(began.phase);
        self.clock.start(at);
        self.free(at);
        self.broken.clear();
        self.ended = None;
        self.drill_began(began.phase, at);
        if began.phase != Phase::Drain {
            self.go_on(began.phase, at);
        } else if self.drain_from.is_none() {
            self.drain_from = Some(at);
        }
    }

    /// A phase begins, or goes on where a drill broke it off.
    fn go_on(&mut self, phase: Phase, at: At) {
        let left = self.left.remove(&phase);
        let nowhere =
            || Left { place: Place::default(), next: vec![0; self.next.len()], lap_us: 0 };
        let left = left.unwrap_or_else(nowhere);
        (self.place, self.next) = (left.place, left.next);
        self.lap_began_us = self.clock.now_us(at).saturating_sub(left.lap_us);
    }

    fn round_ended(&mut self, at: At) {
        self.free(at);
        let Some(running) = self.running.take() else { return };
        let place = running.place;
        if running.is_broken() {
            self.comes_again(place);
        }
        self.ended = (!running.is_broken()).then_some(running.clone());
        if place.repeat > 0 {
            self.broken.retain(|again| *again != place);
            return;
        }
        self.place = running.after;
        if self.place.index == 0 {
            let now_us = self.clock.now_us(at);
            // The clock went back where an outage was found to have begun before this lap.
            self.lap_us = now_us.saturating_sub(self.lap_began_us);
            self.lap_began_us = now_us;
        }
    }

    fn told(&mut self, action: &Action, at: At) {
        self.counted(action);
        if let Some(order) = TargetOrder::parse(&action.what) {
            return self.ordered(order, at);
        }
        match action.what.as_str() {
            INTERRUPT => self.stop(ClosedBecause::Interrupted, action.note.clone()),
            INTERRUPT_AGAIN => {
                self.stopping = Some((ClosedBecause::InterruptedTwice, action.note.clone()));
                self.cut = true;
            }
            STOP_ON_FAIL => self.stop(ClosedBecause::StopOnFail, action.note.clone()),
            _ => return,
        }
        self.drain_from.get_or_insert(at);
    }

    fn stop(&mut self, because: ClosedBecause, note: String) {
        self.stopping.get_or_insert((because, note));
    }

    /// What is to be done at this instant, if anything. Ask again until it is `None`.
    pub fn due(&mut self, now: At) -> Option<Order> {
        if self.closed {
            return None;
        }
        if let Some(fact) = self.pending.pop_front() {
            return Some(Order::Record(fact));
        }
        if self.stopping.is_none() && !self.is_there() && now >= self.probe_at {
            // Its answer sets the time of the next; this one bounds an answer that never comes.
            self.probe_at = At(now.0 + PROBE_LIMIT_US + PROBE_US.1);
            return Some(Order::Probe);
        }
        // Before the clock: an arrival that was due in time is sent, if only just.
        if let Some(due) = self.wake().filter(|due| *due <= now) {
            return self.send(due);
        }
        self.notice_limits(now);
        self.notice_hang(now);
        if let Some(fact) = self.pending.pop_front() {
            return Some(Order::Record(fact));
        }
        if let Some((because, note)) = self.stopping.clone() {
            return self.wind_down(now, because, note);
        }
        if let Some(order) = self.restart_due(now) {
            return Some(order);
        }
        if let Some(running) = &self.running {
            let at_once = self.serves() && !running.is_open();
            return at_once.then(|| self.send(now)).flatten().or_else(|| self.round_over());
        }
        if self.phase.is_some_and(|phase| matches!(phase, Phase::Idle | Phase::Drill))
            && let Some(order) = self.drill(now)
        {
            return Some(order);
        }
        if !self.serves() || self.care.is_quiet() {
            return None;
        }
        if self.broken.is_empty()
            && let Some(order) = self.next_phase(now)
        {
            return Some(order);
        }
        if self.stopping.is_none() {
            let (phase, place) = (self.phase?, self.broken.front().copied());
            let place = place.unwrap_or(self.place);
            self.running = Some(Running::new(&self.plan, phase, place, self.free_from));
        }
        self.due(now)
    }

    /// Sends the next lane of the running round.
    fn send(&mut self, due: At) -> Option<Order> {
        let running = self.running.as_mut()?;
        let (place, lane) = (running.place, running.send()?);
        self.sent(lane, self.plan.slot(place, lane));
        Some(Order::Send(place, lane, due))
    }

    /// Ends the running round. One that an outage broke ends with what was sent.
    fn round_over(&self) -> Option<Order> {
        let running = self.running.as_ref().filter(|running| running.is_over())?;
        Some(Order::Record(Fact::Batch(running.batch())))
    }
}

fn target(word: TargetWord, since: At, evidence: String) -> Fact {
    Fact::Target(TargetFact::new(word, evidence).since(since))
}
