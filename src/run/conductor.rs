//! Decides what the run does next, and performs no I/O. Its state changes only
//! through `fold` (an entry of the run) and `obeyed` (an order was carried
//! out); `due` returns the next order and changes nothing. A replayed journal
//! therefore gives the same orders again.

mod clock;
mod drill;
mod end;
mod lanes;
mod pause;
mod phases;
mod replay;
mod rounds;
mod server_state;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::rc::Rc;

pub(crate) use replay::Replay;
#[cfg(test)]
pub(crate) use replay::replay;
pub(crate) use server_state::PROBE_LIMIT_US;

use clock::ServiceClock;
use drill::Drilling;
use end::{Draining, Ending};
use lanes::{LanePolicy, Lanes};
use rounds::Rounds;
use server_state::ServerState;

use crate::fact::{
    Action, ClosedBecause, Entry, Fact, PAUSE, Phase, PhaseBegan, Reading, Request, Segment,
    SentSlots, Source, TargetFact, TargetWord,
};
use crate::incident::liveness::LivenessChange;
use crate::plan::{Plan, Slot};
use crate::series::UP;
use crate::spec::Extent;
use crate::unit::{At, micros};
use crate::world::TargetOrder;

/// Order to the event loop.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Order {
    /// Write a fact to the journal.
    Record(Fact),
    /// Send the ask of a slot, with the instant at which it is due.
    Send(Slot, At),
    /// Probe the server.
    Probe,
    /// Close all connections in flight, with the reason.
    Cut(&'static str),
    /// Take a last reading from every sensor; nothing is in flight any more.
    LastLook,
}

/// Action word of the first interrupt: requests in flight may end.
pub(crate) const INTERRUPT: &str = "interrupt";
/// Action word of the second interrupt: nothing is waited for.
pub(crate) const INTERRUPT_AGAIN: &str = "interrupt_again";
/// Action word of a stop at the first broken gate, as the user asked for.
pub(crate) const STOP_ON_FAIL: &str = "stop_on_fail";

/// State of the run. Rounds are tracked by the lane policy, and the server's state by [`ServerState`];
/// both are independent of this state.
#[derive(Clone, Copy, Debug)]
enum RunState {
    /// No request was sent yet.
    Before,
    /// The lanes send the asks of a phase.
    Load(Phase),
    /// A drill interrupts the soak.
    Drill(Drilling),
    /// The run ends: requests in flight may finish, no new one is sent.
    Drain(Draining),
    /// The run is over.
    Closed,
}

/// State machine that decides what is sent, when phases end, and when the run is over.
pub(crate) struct Conductor {
    plan: Rc<Plan>,
    segment: Segment,
    doing: RunState,
    /// Reason for the end of the run, once that is decided.
    stop: Option<Ending>,
    lanes: Lanes,
    policy: Box<dyn LanePolicy>,
    server: ServerState,
    clock: ServiceClock,
    /// Changes of the server's state that were detected and are not yet written.
    found: VecDeque<TargetFact>,
    /// Id of the last action.
    actions: u64,
    /// Number of drills that were begun.
    drilled: usize,
    /// Phase that goes on in a new segment, and is not yet written there.
    goes_on: Option<Phase>,
}

impl Conductor {
    /// Returns the conductor of a new run.
    pub(crate) fn new(plan: Rc<Plan>) -> Conductor {
        Conductor::of(plan, Box::new(Rounds::new()))
    }

    /// Returns a conductor of a new run with the given lane policy.
    fn of(plan: Rc<Plan>, policy: Box<dyn LanePolicy>) -> Conductor {
        Conductor {
            segment: 0,
            doing: RunState::Before,
            stop: None,
            lanes: Lanes::new(plan.lanes()),
            policy,
            server: ServerState::default(),
            clock: ServiceClock::default(),
            found: VecDeque::new(),
            actions: 0,
            drilled: 0,
            goes_on: None,
            plan,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.doing, RunState::Closed)
    }

    /// Returns the id of the next action, which the conductor and the loop number together.
    pub(crate) fn next_action(&self) -> u64 {
        self.actions + 1
    }

    /// Returns the next slot of each lane in the present phase, one more than the last that was
    /// sent. `None` before the load and in the drain, which has no slots.
    pub(crate) fn issued(&self) -> Option<SentSlots> {
        let phase = match &self.doing {
            RunState::Load(phase) => *phase,
            RunState::Drill(drilling) => drilling.phase(),
            RunState::Before | RunState::Drain(_) | RunState::Closed => return None,
        };
        Some(SentSlots { phase, next: self.lanes.next() })
    }

    /// Returns the instant at which [`Conductor::due`] must be called even if nothing happens: the
    /// due time of the next timed slot, or the end of a pause. `None` if there is none.
    pub(crate) fn wake(&self) -> Option<At> {
        let paused = self.lanes.paused().filter(|_| self.sends() && self.serves());
        let timed = self.timed().map(|(_, due)| due);
        paused.into_iter().chain(timed).min()
    }

    /// Whether the run is at a point at which requests are sent.
    fn sends(&self) -> bool {
        matches!(self.doing, RunState::Load(_) | RunState::Drill(_)) && self.stop.is_none()
    }

    /// Returns the next slot with a due time, and that time.
    fn timed(&self) -> Option<(Slot, At)> {
        let (slot, due) = self.lanes.timed()?;
        // A single failed request is not an outage: arrivals of an open loop are sent regardless
        // of responses.
        let is_sent = self.sends() && !self.server.is_down_or_starting() && !self.is_past(due);
        (is_sent && self.goes_on.is_none() && self.step(due).is_none()).then_some((slot, due))
    }

    /// Whether the duration is over at an instant. The duration is half-open: the instant at its
    /// end is outside.
    fn is_past(&self, at: At) -> bool {
        let Extent::Duration(duration) = self.plan.extent else { return false };
        self.clock.has_begun() && self.clock.now_us(at) >= micros(duration)
    }

    /// Whether the server can be sent requests. A hung server gets new requests only when nothing
    /// is in flight to it any more, since only a request can show that it recovered.
    fn serves(&self) -> bool {
        self.server.is_serving() && !(self.server.is_hung() && self.lanes.has_in_flight())
    }

    /// Whether a drill keeps all load away.
    fn is_quiet(&self) -> bool {
        matches!(&self.doing, RunState::Drill(drilling) if drilling.is_quiet())
    }

    /// Returns the next order at this instant, if any. The caller carries it out, reports it with
    /// [`Conductor::obeyed`], and calls again until the result is `None`.
    pub(crate) fn due(&self, now: At) -> Option<Order> {
        if self.is_closed() {
            return None;
        }
        if let Some(found) = self.found.front() {
            return Some(Order::Record(Fact::Target(found.clone())));
        }
        if let Some(words) = self.lanes.untold().filter(|_| self.sends()) {
            let (id, what) = (self.next_action(), PAUSE.to_owned());
            return Some(Order::Record(Fact::Action(Action { id, what, note: words.to_owned() })));
        }
        if self.stop.is_none() && self.server.is_probe_due(now) {
            return Some(Order::Probe);
        }
        if let Some(phase) = self.goes_on.filter(|_| self.sends() && self.serves()) {
            let because = "the run was cut off".to_owned();
            return Some(Order::Record(Fact::Phase(PhaseBegan { phase, because })));
        }
        // Checked before the end of the run: an arrival that was due within the duration is still
        // sent.
        if let Some((slot, due)) = self.timed().filter(|(_, due)| *due <= now) {
            return Some(Order::Send(slot, due));
        }
        if let Some(found) = self.hang_due(now) {
            return Some(Order::Record(Fact::Target(found)));
        }
        if let Some(ending) = self.ending(now) {
            return self.wind_down(now, ending);
        }
        if let Some(order) = self.restart_due(now) {
            return Some(order);
        }
        if let Some(order) = self.step(now) {
            // Lanes that advance independently finish their requests first.
            return (!self.lanes.has_in_flight()).then_some(order);
        }
        if self.serves()
            && let Some(slot) = self.lanes.ready(now)
        {
            return Some(Order::Send(slot, now));
        }
        self.policy.finished_batch(&self.lanes).map(|batch| Order::Record(Fact::Batch(batch)))
    }

    /// Records that an order was carried out. A recorded fact arrives as an entry instead.
    pub(crate) fn on_order_done(&mut self, order: &Order, at: At) {
        match order {
            Order::Record(_) => {}
            Order::Send(slot, _) => self.lanes.sent(*slot, at),
            Order::Probe => self.server.probed(at, &self.plan.limits),
            Order::Cut(_) => self.was_cut(),
            Order::LastLook => self.looked(at),
        }
    }

    /// Folds an entry into the state.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        if entry.segment > self.segment {
            self.on_segment(entry);
        }
        self.clock.advance_to(entry.at);
        let shown = self.server.fold(entry);
        if shown.came {
            self.policy.allow_from(entry.at);
            if self.clock.has_begun() {
                self.clock.start(entry.at);
            }
        }
        self.on_liveness(shown.change, entry.at);
        match &entry.fact {
            Fact::Phase(began) => self.on_phase(began, entry.at),
            Fact::Request(request) => self.on_request(request),
            Fact::Batch(_) => {
                self.policy.on_batch_written(&self.plan, entry.at, self.clock.now_us(entry.at));
            }
            Fact::Action(action) => self.on_action(action, entry.at),
            Fact::Target(target) => self.on_target(target, entry.at),
            Fact::Reading(reading) if !shown.doubted => self.probe_answered(reading, entry.at),
            Fact::Missed(missed) if !shown.doubted && missed.source == Source::Engine => {
                self.server.answered(entry.at, &self.plan.limits);
            }
            Fact::Fault(fault) if fault.fatal => {
                self.stop(ClosedBecause::Fault, fault.why.clone());
                self.hang_up();
            }
            Fact::Closed(_) => self.doing = RunState::Closed,
            _ => {}
        }
        self.deal(entry.at);
    }

    /// Records the start of a new segment with its own clock: requests in flight are lost,
    /// instants of the earlier segment are dropped, and a stopped run goes on unless it was done.
    fn on_segment(&mut self, entry: &Entry) {
        self.segment = entry.segment;
        self.clock.carry();
        self.server.opened();
        self.found.clear();
        self.lanes.end_pauses();
        let service_us = self.clock.now_us(entry.at);
        self.policy.opened(&self.plan, &mut self.lanes, entry.at, service_us);
        self.stop.take_if(|ending| ending.because != ClosedBecause::Done);
        self.doing = match self.doing {
            RunState::Drain(_) | RunState::Closed if self.stop.is_some() => {
                RunState::Drain(Draining::new(entry.at))
            }
            RunState::Drain(_) | RunState::Closed => match self.lanes.phase() {
                Some(phase) => self.load(phase, entry.at),
                None => RunState::Before,
            },
            RunState::Drill(drilling) => RunState::Drill(drilling.anew(entry.at)),
            RunState::Before | RunState::Load(_) => self.doing,
        };
        self.goes_on = match &self.doing {
            RunState::Load(phase) => Some(*phase),
            RunState::Drill(drilling) => Some(drilling.phase()),
            RunState::Before | RunState::Drain(_) | RunState::Closed => None,
        };
    }

    /// Returns the state for a phase: its load, or the last begun drill if the phase belongs to a
    /// drill.
    fn load(&self, phase: Phase, at: At) -> RunState {
        let drill = self.drilled.checked_sub(1).and_then(|last| self.plan.drills.get(last));
        match drill {
            Some(drill) if matches!(phase, Phase::Idle | Phase::Drill) => {
                RunState::Drill(Drilling::new(*drill, at))
            }
            _ => RunState::Load(phase),
        }
    }

    /// Records a change of the server's liveness.
    fn on_liveness(&mut self, change: Option<LivenessChange>, at: At) {
        let (word, since, evidence) = match change {
            None => return,
            Some(LivenessChange::WentAway { since, evidence }) => {
                self.clock.pause(since);
                self.policy.on_outage(&mut self.lanes, since);
                (TargetWord::Away, since, evidence)
            }
            Some(LivenessChange::CameBack { since, evidence }) => {
                self.clock.resume(at);
                (TargetWord::Back, since, evidence)
            }
            Some(LivenessChange::Restarted { since, evidence, .. }) => {
                if self.server.is_up() {
                    self.policy.on_short_outage(since);
                }
                (TargetWord::Restarted, since, evidence)
            }
        };
        self.found.push_back(TargetFact::new(word, evidence).since(since));
    }

    fn on_target(&mut self, target: &TargetFact, at: At) {
        let is_it = |found: &TargetFact| (found.word, found.since) == (target.word, target.since);
        if self.found.front().is_some_and(is_it) {
            self.found.pop_front();
        }
        self.apply_target_fact(target, at);
    }

    fn probe_answered(&mut self, reading: &Reading, at: At) {
        if !self.server.ends_probe(reading) {
            return;
        }
        if UP.is_of(reading)
            && reading.last >= 0.5
            && self.server.confirm_start(at)
            && self.server.is_up()
        {
            self.clock.resume(at);
            self.policy.allow_from(at);
        }
        self.server.answered(at, &self.plan.limits);
    }

    fn on_request(&mut self, request: &Request) {
        if let Some(slot) = self.lanes.ended(request) {
            self.policy.ended(&mut self.lanes, slot, request);
        }
    }

    fn on_phase(&mut self, began: &PhaseBegan, at: At) {
        self.clock.start(at);
        if self.goes_on.take() == Some(began.phase) {
            return;
        }
        if began.phase == Phase::Drain {
            let ending = self.ending(at);
            self.stop = ending.or_else(|| Some(Ending::new(ClosedBecause::Done, &*began.because)));
            self.lanes.drop_waiting();
            self.doing = RunState::Drain(Draining::new(at));
            return;
        }
        let is_drill = matches!(began.phase, Phase::Idle | Phase::Drill);
        self.drilled += usize::from(is_drill);
        self.doing = self.load(began.phase, at);
        self.lanes.began(began.phase);
        self.policy.began(began.phase, at, self.clock.now_us(at));
    }

    fn on_action(&mut self, action: &Action, at: At) {
        self.actions = self.actions.max(action.id);
        if let Some(order) = TargetOrder::parse(&action.what) {
            self.server.ordered(order, at, matches!(self.doing, RunState::Drill(_)));
            if let RunState::Drill(drilling) = &mut self.doing {
                drilling.ordered(at);
            }
            return self.policy.on_outage(&mut self.lanes, at);
        }
        let note = action.note.clone();
        match action.what.as_str() {
            INTERRUPT => self.stop(ClosedBecause::Interrupted, note),
            INTERRUPT_AGAIN => {
                self.stop = Some(Ending::new(ClosedBecause::InterruptedTwice, note));
                self.hang_up();
            }
            PAUSE => self.lanes.reported(),
            STOP_ON_FAIL => self.stop(ClosedBecause::StopOnFail, note),
            _ => {}
        }
    }

    /// Gives lanes their next slots, unless something else has to be done first.
    fn deal(&mut self, at: At) {
        let sends =
            matches!(self.doing, RunState::Load(_) | RunState::Drill(_)) && !self.is_quiet();
        let is_free = sends
            && self.found.is_empty()
            && self.serves()
            && self.policy.is_boundary()
            && self.ending(at).is_none()
            && self.restart_due(at).is_none()
            && self.step(at).is_none();
        if is_free {
            self.policy.assign_slots(&self.plan, &mut self.lanes);
        }
    }
}
