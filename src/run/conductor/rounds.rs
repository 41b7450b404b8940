//! Advances lanes in rounds: the lanes of a round get their slots together, and
//! the next round begins when the last request of the round has ended. A round
//! that an outage interrupted is repeated.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::lanes::{LanePolicy, Lanes, Laps};
use crate::fact::{Batch, Phase, Request};
use crate::incident::liveness::{self, Sign};
use crate::plan::{Plan, RoundPosition, Slot};
use crate::unit::At;

/// Largest number of repeats of a round that outages interrupt each time; bounds a cell that
/// crashes the server whenever it is sent.
pub(super) const REPEATS_MAX: u32 = 3;

/// Policy that sends one round after the other.
#[derive(Clone, Debug)]
pub(super) struct Rounds {
    /// Round under way, if any.
    round: Option<Round>,
    /// Last round that ended; it may still turn out that an outage affected it.
    last: Option<Round>,
    /// Position of the round that is next or under way.
    place: RoundPosition,
    /// Rounds that outages interrupted, which are repeated before the plan goes on.
    again: VecDeque<RoundPosition>,
    /// Round that is finished later, with its lanes that ended already, because a new segment
    /// began or the run was stopped.
    done: Option<(RoundPosition, BTreeSet<u32>)>,
    /// Instant from which the next round may be sent: the stamp of the entry that ended the round
    /// before, began the phase, or showed that the server is up. It never comes from a poll of the
    /// clock, so that a replayed journal gives the same rounds.
    free_from: At,
    phase: Option<Phase>,
    lap_began_us: u64,
    lap_us: u64,
    /// Progress of phases that a drill interrupted.
    left: BTreeMap<Phase, SavedProgress>,
}

/// Progress of a phase that a drill interrupted.
#[derive(Clone, Copy, Debug, Default)]
struct SavedProgress {
    place: RoundPosition,
    /// Time spent in its present lap, microseconds of service.
    lap_us: u64,
}

/// Effect of an outage on a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RoundInterruption {
    None,
    /// The outage ended before it was detected; the whole round was sent.
    Met,
    /// The rest of the round was not sent.
    BrokeOff,
}

/// Round under way.
#[derive(Clone, Debug)]
struct Round {
    place: RoundPosition,
    /// Lanes whose request ended, in this segment or before it.
    ended: BTreeSet<u32>,
    batch: Batch,
    /// Whether all streams so far had their tokens counted, and whether all had those of their
    /// first chunk counted.
    counted: (bool, bool),
    outage: RoundInterruption,
    /// Instant at which the last of its failed requests ended.
    bad: Option<At>,
}

impl Rounds {
    /// Returns the state before the first phase.
    pub(super) fn new() -> Rounds {
        Rounds {
            round: None,
            last: None,
            place: RoundPosition::default(),
            again: VecDeque::new(),
            done: None,
            free_from: At::ZERO,
            phase: None,
            lap_began_us: 0,
            lap_us: 0,
            left: BTreeMap::new(),
        }
    }

    fn comes_again(&mut self, place: RoundPosition) {
        if place.repeat < REPEATS_MAX {
            self.again.push_back(place.again());
        }
    }

    /// Schedules the last round for a repeat if one of its requests failed at this instant or
    /// later.
    fn last_broke(&mut self, since: At) {
        if let Some(last) = self.last.take_if(|last| last.broke_since(since)) {
            self.comes_again(last.place);
        }
    }

    /// Advances the plan after a round. A round with unfinished lanes that no outage interrupted
    /// is finished first.
    fn go_on(&mut self, plan: &Plan, round: &Round, service_us: u64) {
        let is_whole = round.ended.len() as u64 >= u64::from(plan.at(round.place).0.lanes());
        if !is_whole && round.outage != RoundInterruption::BrokeOff {
            self.done = Some((round.place, round.ended.clone()));
            return;
        }
        if round.outage != RoundInterruption::None {
            self.comes_again(round.place);
        }
        if round.place.repeat > 0 {
            self.again.retain(|again| *again != round.place);
            return;
        }
        (_, self.place) = plan.at(round.place);
        if self.place.index == 0 {
            // Saturates: the service clock is set back when an outage turns out to have begun
            // before this lap.
            self.lap_us = service_us.saturating_sub(self.lap_began_us);
            self.lap_began_us = service_us;
        }
    }
}

impl LanePolicy for Rounds {
    fn began(&mut self, phase: Phase, at: At, service_us: u64) {
        if let Some(before) = self.phase.replace(phase) {
            let lap_us = service_us.saturating_sub(self.lap_began_us);
            self.left.insert(before, SavedProgress { place: self.place, lap_us });
        }
        let SavedProgress { place, lap_us } = self.left.remove(&phase).unwrap_or_default();
        self.place = place;
        self.lap_began_us = service_us.saturating_sub(lap_us);
        (self.round, self.last, self.done) = (None, None, None);
        self.again.clear();
        self.allow_from(at);
    }

    fn allow_from(&mut self, at: At) {
        // Stamps may come out of order.
        self.free_from = self.free_from.max(at);
    }

    fn is_boundary(&self) -> bool {
        self.round.is_none()
    }

    fn repeats(&self) -> bool {
        !self.again.is_empty()
    }

    fn assign_slots(&mut self, plan: &Plan, lanes: &mut Lanes) {
        let Some(phase) = self.phase else { return };
        let place = self.again.front().copied().unwrap_or(self.place);
        let (planned, _) = plan.at(place);
        let dues = plan.due_us(phase, place);
        let done = self.done.take_if(|(of, _)| *of == place);
        let ended = done.map(|(_, ended)| ended).unwrap_or_default();
        let due_us = |lane: u32| dues.as_ref()?.get(lane as usize).copied();
        let is_done = |lane: &u32| ended.contains(lane);
        let unfinished: Vec<u32> = (0..planned.lanes()).filter(|lane| !is_done(lane)).collect();
        // A round that goes on in another segment is due at once.
        let passed_us = match unfinished.first() {
            Some(first) if *first > 0 => due_us(*first).unwrap_or(0),
            _ => 0,
        };
        for lane in unfinished {
            let (nth, repeat) = (plan.slot(place, lane), place.repeat);
            let after = |us: u64| At(self.free_from.0.saturating_add(us.saturating_sub(passed_us)));
            lanes.assign(Slot { phase, lane, nth, repeat }, due_us(lane).map(after));
        }
        let began = lanes.paused().unwrap_or_default().max(self.free_from);
        self.round = Some(Round::new(plan, phase, place, ended, began));
    }

    fn ended(&mut self, _: &mut Lanes, _: Slot, request: &Request) {
        if let Some(round) = &mut self.round {
            round.ended(request);
        }
    }

    fn finished_batch(&self, lanes: &Lanes) -> Option<Batch> {
        let round = self.round.as_ref()?;
        (lanes.is_idle() && round.batch.requests > 0).then(|| round.batch.clone())
    }

    fn on_batch_written(&mut self, plan: &Plan, at: At, service_us: u64) {
        self.allow_from(at);
        if let Some(round) = self.round.take() {
            self.go_on(plan, &round, service_us);
            self.last = (round.outage == RoundInterruption::None).then_some(round);
        }
    }

    /// Drops the rest of the round, so that it is sent neither during the outage nor as a burst
    /// afterwards. A round of which nothing was sent begins again when the server is back; any
    /// other is repeated, and so is the round before it if its last requests failed.
    fn on_outage(&mut self, lanes: &mut Lanes, since: At) {
        if let Some(round) = &mut self.round {
            lanes.drop_waiting();
            if round.batch.requests > 0 || lanes.has_in_flight() {
                round.outage = RoundInterruption::BrokeOff;
            } else {
                self.round = None;
            }
        }
        self.last_broke(since);
    }

    fn on_short_outage(&mut self, since: At) {
        if let Some(round) = &mut self.round
            && round.broke_since(since)
            && round.outage == RoundInterruption::None
        {
            round.outage = RoundInterruption::Met;
        }
        self.last_broke(since);
    }

    fn requeue_in_flight(&mut self, lanes: &mut Lanes) {
        match &self.round {
            Some(round) if round.outage == RoundInterruption::BrokeOff => {
                lanes.drop_out();
                if round.batch.requests == 0 {
                    self.round = None;
                }
            }
            _ => lanes.take_back(),
        }
    }

    /// Continues the unfinished lanes of a round in the new segment as a round of its own, without
    /// the batch so far: no batch spans two clocks.
    fn opened(&mut self, plan: &Plan, lanes: &mut Lanes, at: At, service_us: u64) {
        self.requeue_in_flight(lanes);
        self.last = None;
        if let Some(round) = self.round.take() {
            self.go_on(plan, &round, service_us);
        }
        lanes.drop_waiting();
        self.free_from = at;
    }

    fn laps(&self) -> Laps {
        Laps { done: self.place.lap, whole: self.place.index == 0, last_us: self.lap_us }
    }
}

impl Round {
    /// Returns a round of which nothing was sent.
    fn new(
        plan: &Plan,
        phase: Phase,
        place: RoundPosition,
        ended: BTreeSet<u32>,
        began: At,
    ) -> Round {
        let (round, _) = plan.at(place);
        Round {
            place,
            ended,
            batch: Batch {
                lap: place.lap,
                repeat: place.repeat,
                ..Batch::begun(phase, round.group(), began)
            },
            counted: (true, true),
            outage: RoundInterruption::None,
            bad: None,
        }
    }

    /// Whether a request of the round failed at this instant or later.
    fn broke_since(&self, since: At) -> bool {
        self.bad.is_some_and(|bad| bad >= since)
    }

    /// Adds a request that ended.
    fn ended(&mut self, request: &Request) {
        self.ended.insert(request.lane);
        let batch = &mut self.batch;
        batch.requests += 1;
        batch.good += u64::from(request.ended.is_good());
        if liveness::sign(request) == Sign::Bad {
            self.bad = self.bad.max(Some(request.done));
        }
        let after = |us: Option<u64>| us.map(|us| At(request.sent.0 + us));
        batch.first = earlier(batch.first, after(request.ttft_us), At::min);
        batch.last = earlier(batch.last, after(request.last_us), At::max);
        // If any stream's tokens are unknown, the sum is dropped instead of being too low.
        sum(&mut batch.tokens, &mut self.counted.0, request.output_tokens);
        // A stream that arrived in one piece has no rate, and neither has its round.
        let first_tokens = request.first_tokens.filter(|_| !request.came_at_once());
        sum(&mut batch.first_tokens, &mut self.counted.1, first_tokens);
    }
}

fn sum(total: &mut Option<u64>, counted: &mut bool, tokens: Option<u64>) {
    *counted &= tokens.is_some();
    *total = match tokens {
        Some(tokens) if *counted => Some(total.unwrap_or(0) + tokens),
        _ => None,
    };
}

fn earlier(known: Option<At>, new: Option<At>, of: fn(At, At) -> At) -> Option<At> {
    match (known, new) {
        (Some(known), Some(new)) => Some(of(known, new)),
        (known, new) => known.or(new),
    }
}
