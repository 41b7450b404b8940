//! Lanes: sequential senders. Each has one slot at a time, which waits for its
//! time or is under way. How lanes go on, each by itself or together, is up to
//! a policy over them.

use std::collections::BTreeMap;

use crate::fact::{Batch, Phase, Request};
use crate::plan::{Plan, Slot};
use crate::unit::At;

/// All lanes of a run, in the present phase.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    phase: Option<Phase>,
    all: Vec<Lane>,
    /// The next slots of phases that another one broke off.
    left: BTreeMap<Phase, Vec<u64>>,
}

/// One sequential sender.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    /// One more than the last slot that was sent in this phase.
    next: u64,
    has: Has,
}

/// The slot of a lane, if it has one. `due` is `None` where it is due as soon as the server
/// serves.
#[derive(Clone, Copy, Debug, Default)]
enum Has {
    #[default]
    Nothing,
    Waiting(Slot, Option<At>),
    Out(Slot, Option<At>),
}

/// Progress of a phase in laps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Laps {
    /// Laps that are done.
    pub done: u64,
    /// Whether none is under way.
    pub whole: bool,
    /// How long the last one took, microseconds of service.
    pub last_us: u64,
}

/// How lanes go on: gives idle lanes their next slots, and says what they did together.
pub(super) trait LanePolicy {
    /// A phase begins, or goes on where another one broke it off. `service_us` is the clock of
    /// the service.
    fn began(&mut self, phase: Phase, at: At, service_us: u64);
    /// Nothing stands in the way of sending from this instant on.
    fn free(&mut self, at: At);
    /// Whether a phase or a drill may begin here, and lanes may be given slots.
    fn is_boundary(&self) -> bool;
    /// Whether something must be asked again before the phase may end.
    fn repeats(&self) -> bool;
    /// Gives idle lanes the slots that come next.
    fn deal(&mut self, plan: &Plan, lanes: &mut Lanes);
    /// The ask of a slot ended.
    fn ended(&mut self, lanes: &mut Lanes, slot: Slot, request: &Request);
    /// What lanes did together, where that is over and not yet written.
    fn over(&self, lanes: &Lanes) -> Option<Batch>;
    /// What [`LanePolicy::over`] gave is written.
    fn written(&mut self, plan: &Plan, at: At, service_us: u64);
    /// An outage that began at this instant: nothing that waits is sent into it.
    fn break_off(&mut self, lanes: &mut Lanes, since: At);
    /// An outage that began at this instant was over before it was noticed.
    fn broke_in(&mut self, since: At);
    /// Asks under way are lost with the process that sent them: their slots are sent again.
    fn lost(&mut self, lanes: &mut Lanes);
    /// Another segment begins at this instant of its own clock.
    fn opened(&mut self, plan: &Plan, lanes: &mut Lanes, at: At, service_us: u64);
    /// How far the phase is.
    fn laps(&self) -> Laps;
}

impl Lanes {
    /// So many lanes, before the first phase.
    pub(super) fn new(count: u32) -> Lanes {
        Lanes { phase: None, all: vec![Lane::default(); count as usize], left: BTreeMap::new() }
    }

    /// The phase whose slots are sent.
    pub(super) fn phase(&self) -> Option<Phase> {
        self.phase
    }

    /// A phase begins, or goes on where another one broke it off. What waits in the one before
    /// is left to it.
    pub(super) fn began(&mut self, phase: Phase) {
        if let Some(before) = self.phase.replace(phase) {
            self.left.insert(before, self.next());
        }
        let next = self.left.remove(&phase).unwrap_or_default();
        for (index, lane) in self.all.iter_mut().enumerate() {
            *lane = Lane { next: next.get(index).copied().unwrap_or(0), has: Has::Nothing };
        }
    }

    /// One more than the last slot that was sent, by lane.
    pub(super) fn next(&self) -> Vec<u64> {
        self.all.iter().map(|lane| lane.next).collect()
    }

    /// Gives a lane its slot. `due` is `None` where it is due as soon as the server serves.
    pub(super) fn give(&mut self, slot: Slot, due: Option<At>) {
        if let Some(lane) = self.all.get_mut(slot.lane as usize) {
            lane.has = Has::Waiting(slot, due);
        }
    }

    /// The waiting slot that is due first at a time of its own, and that time.
    pub(super) fn timed(&self) -> Option<(Slot, At)> {
        let waiting = self.all.iter().filter_map(|lane| match lane.has {
            Has::Waiting(slot, Some(due)) => Some((slot, due)),
            _ => None,
        });
        waiting.min_by_key(|(slot, due)| (*due, slot.lane))
    }

    /// The first waiting slot that is due as soon as the server serves.
    pub(super) fn ready(&self) -> Option<Slot> {
        self.all.iter().find_map(|lane| match lane.has {
            Has::Waiting(slot, None) => Some(slot),
            _ => None,
        })
    }

    /// Slots under way.
    pub(super) fn out(&self) -> impl Iterator<Item = Slot> + '_ {
        self.all.iter().filter_map(|lane| match lane.has {
            Has::Out(slot, _) => Some(slot),
            _ => None,
        })
    }

    /// Whether any ask is under way.
    pub(super) fn is_out(&self) -> bool {
        self.out().next().is_some()
    }

    /// Whether no lane has a slot, waiting or under way.
    pub(super) fn is_idle(&self) -> bool {
        (0..self.all.len()).all(|lane| !self.has(lane as u32))
    }

    /// Whether a lane has a slot, waiting or under way.
    pub(super) fn has(&self, lane: u32) -> bool {
        self.all.get(lane as usize).is_some_and(|lane| !matches!(lane.has, Has::Nothing))
    }

    /// The ask of a slot was sent.
    pub(super) fn sent(&mut self, slot: Slot) {
        let Some(lane) = self.all.get_mut(slot.lane as usize) else { return };
        lane.next = lane.next.max(slot.nth.saturating_add(1));
        if let Has::Waiting(waiting, due) = lane.has
            && waiting == slot
        {
            lane.has = Has::Out(slot, due);
        }
    }

    /// The ask of a row ended: its slot, where its lane had it. A row says that its ask was
    /// sent, whether or not somebody told so before.
    pub(super) fn ended(&mut self, request: &Request) -> Option<Slot> {
        let Request { phase, lane, slot: nth, repeat, .. } = *request;
        let known = self.all.get_mut(lane as usize).filter(|_| self.phase == Some(phase))?;
        known.next = known.next.max(nth.saturating_add(1));
        let slot = Slot { phase, lane, nth, repeat };
        match known.has {
            Has::Waiting(has, _) | Has::Out(has, _) if has == slot => {
                known.has = Has::Nothing;
                Some(slot)
            }
            _ => None,
        }
    }

    /// What waits is not sent.
    pub(super) fn drop_waiting(&mut self) {
        for lane in &mut self.all {
            if matches!(lane.has, Has::Waiting(..)) {
                lane.has = Has::Nothing;
            }
        }
    }

    /// What is under way has no end.
    pub(super) fn drop_out(&mut self) {
        for lane in &mut self.all {
            if matches!(lane.has, Has::Out(..)) {
                lane.has = Has::Nothing;
            }
        }
    }

    /// What was under way waits again, and is not yet sent.
    pub(super) fn take_back(&mut self) {
        for lane in &mut self.all {
            if let Has::Out(slot, due) = lane.has {
                lane.has = Has::Waiting(slot, due);
                if slot.repeat == 0 {
                    lane.next = slot.nth;
                }
            }
        }
    }
}
