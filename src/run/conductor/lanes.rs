//! Keeps the lanes, which are sequential senders. A lane has one slot at a
//! time, which waits for its due time or is in flight. How lanes advance,
//! independently or in rounds, is up to a [`LanePolicy`].
//!
//! A lane of a closed loop pauses after requests that failed at once. Slots that
//! wait together are sent together, when the longest of their pauses is over.

use std::collections::BTreeMap;

use super::pause::{self, Pause};
use crate::fact::{Batch, Load, Phase, Request};
use crate::plan::{Plan, Slot};
use crate::unit::At;

/// Lanes of a run, in the present phase.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    phase: Option<Phase>,
    all: Vec<Lane>,
    /// Next slots of phases that a drill interrupted, by lane.
    saved_progress: BTreeMap<Phase, Vec<u64>>,
    /// Description of the present pauses.
    paused: Option<String>,
    /// Whether the pauses were reported.
    reported: bool,
}

/// Sequential sender.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    /// Number of the next slot of this phase.
    next: u64,
    has: SlotState,
    /// Instant at which its last request was sent.
    sent: At,
    pause: Pause,
}

/// Slot of a lane, if it has one. The due time is `None` for a slot that is due as soon as the
/// server can be sent requests.
#[derive(Clone, Copy, Debug, Default)]
enum SlotState {
    #[default]
    Nothing,
    Waiting(Slot, Option<At>),
    Out(Slot, Option<At>),
}

/// Progress of a phase in laps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Laps {
    /// Number of finished laps.
    pub done: u64,
    /// Whether no lap is under way.
    pub whole: bool,
    /// Duration of the last lap, microseconds of service.
    pub last_us: u64,
}

/// Policy by which lanes advance: gives idle lanes their next slots, and returns the batches of
/// finished rounds.
pub(super) trait LanePolicy {
    /// Begins a phase, or resumes one that a drill interrupted. `service_us` is the time of
    /// service so far.
    fn began(&mut self, phase: Phase, at: At, service_us: u64);
    /// Allows sending from this instant on.
    fn allow_from(&mut self, at: At);
    /// Whether a phase or a drill may begin now, and lanes may be given slots.
    fn is_boundary(&self) -> bool;
    /// Whether something must be sent again before the phase may end.
    fn repeats(&self) -> bool;
    /// Gives idle lanes their next slots.
    fn assign_slots(&mut self, plan: &Plan, lanes: &mut Lanes);
    /// Records that the request of a slot ended.
    fn ended(&mut self, lanes: &mut Lanes, slot: Slot, request: &Request);
    /// Returns the batch of a finished round that is not yet written.
    fn finished_batch(&self, lanes: &Lanes) -> Option<Batch>;
    /// Records that the batch of [`LanePolicy::over`] was written.
    fn on_batch_written(&mut self, plan: &Plan, at: At, service_us: u64);
    /// Stops sending because of an outage that began at this instant; waiting slots are not sent.
    fn on_outage(&mut self, lanes: &mut Lanes, since: At);
    /// Records an outage that began at this instant and ended before it was detected.
    fn on_short_outage(&mut self, since: At);
    /// Records that requests in flight were lost with longhaul's own process. Their slots are
    /// sent again.
    fn requeue_in_flight(&mut self, lanes: &mut Lanes);
    /// Begins a new segment at this instant of its own clock.
    fn opened(&mut self, plan: &Plan, lanes: &mut Lanes, at: At, service_us: u64);
    /// Returns the progress of the phase.
    fn laps(&self) -> Laps;
}

impl Lanes {
    /// Returns this many lanes, before the first phase.
    pub(super) fn new(count: u32) -> Lanes {
        Lanes {
            phase: None,
            all: vec![Lane::default(); count as usize],
            saved_progress: BTreeMap::new(),
            paused: None,
            reported: false,
        }
    }

    /// Returns the phase whose slots are sent.
    pub(super) fn phase(&self) -> Option<Phase> {
        self.phase
    }

    /// Begins a phase, or resumes one that a drill interrupted. Waiting slots of the phase before
    /// are kept for when that is resumed.
    pub(super) fn began(&mut self, phase: Phase) {
        if let Some(before) = self.phase.replace(phase) {
            self.saved_progress.insert(before, self.next());
        }
        let next = self.saved_progress.remove(&phase).unwrap_or_default();
        for (index, lane) in self.all.iter_mut().enumerate() {
            lane.next = next.get(index).copied().unwrap_or(0);
            lane.has = SlotState::Nothing;
        }
    }

    /// Returns the number after that of the last slot that was sent, by lane.
    pub(super) fn next(&self) -> Vec<u64> {
        self.all.iter().map(|lane| lane.next).collect()
    }

    /// Gives a lane its slot. `due` is `None` for a slot that is due as soon as the server can be
    /// sent requests.
    pub(super) fn assign(&mut self, slot: Slot, due: Option<At>) {
        if let Some(lane) = self.all.get_mut(slot.lane as usize) {
            lane.has = SlotState::Waiting(slot, due);
        }
    }

    /// Returns the waiting slot with the earliest due time, and that time.
    pub(super) fn timed(&self) -> Option<(Slot, At)> {
        let waiting = self.all.iter().filter_map(|lane| match lane.has {
            SlotState::Waiting(slot, Some(due)) => Some((slot, due)),
            _ => None,
        });
        waiting.min_by_key(|(slot, due)| (*due, slot.lane))
    }

    /// Returns the first waiting slot without a due time, unless a pause goes on.
    pub(super) fn ready(&self, now: At) -> Option<Slot> {
        self.all.iter().find_map(Lane::ready).filter(|_| self.paused() <= Some(now))
    }

    /// Returns the end of the longest pause of the waiting slots without a due time, if any of
    /// these lanes pauses.
    pub(super) fn paused(&self) -> Option<At> {
        let waiting = self.all.iter().filter(|lane| lane.ready().is_some());
        waiting.filter(|lane| lane.pause.goes_on()).map(|lane| lane.pause.until()).max()
    }

    /// Returns the description of pauses that are to be reported and are not yet.
    pub(super) fn untold(&self) -> Option<&str> {
        self.paused.as_deref().filter(|_| !self.reported)
    }

    /// Records that the pauses were reported.
    pub(super) fn reported(&mut self) {
        self.reported = true;
    }

    /// Ends all pauses: their instants are those of an earlier segment.
    pub(super) fn end_pauses(&mut self) {
        self.all.iter_mut().for_each(|lane| lane.pause = Pause::default());
        (self.paused, self.reported) = (None, false);
    }

    /// Records that a request of a closed loop ended.
    fn pause(&mut self, request: &Request) {
        let Some(lane) = self.all.get_mut(request.lane as usize) else { return };
        if lane.pause.ended(request) && lane.pause.is_told() {
            self.paused.get_or_insert_with(|| pause::words(request));
        }
        if !self.all.iter().any(|lane| lane.pause.goes_on()) {
            (self.paused, self.reported) = (None, false);
        }
    }

    /// Returns the slots in flight.
    pub(super) fn out(&self) -> impl Iterator<Item = Slot> + '_ {
        self.all.iter().filter_map(|lane| match lane.has {
            SlotState::Out(slot, _) => Some(slot),
            _ => None,
        })
    }

    /// Whether any request is in flight.
    pub(super) fn has_in_flight(&self) -> bool {
        self.out().next().is_some()
    }

    /// Whether no lane has a slot, waiting or in flight.
    pub(super) fn is_idle(&self) -> bool {
        (0..self.all.len()).all(|lane| !self.has(lane as u32))
    }

    /// Whether a lane has a slot, waiting or in flight.
    pub(super) fn has(&self, lane: u32) -> bool {
        self.all.get(lane as usize).is_some_and(|lane| !matches!(lane.has, SlotState::Nothing))
    }

    /// Returns the slots in flight that were sent before an instant, each with its own.
    pub(super) fn out_before(&self, at: At) -> impl Iterator<Item = (Slot, At)> + '_ {
        let sent = self.all.iter().filter_map(|lane| match lane.has {
            SlotState::Out(slot, _) => Some((slot, lane.sent)),
            _ => None,
        });
        sent.filter(move |(_, sent)| *sent < at)
    }

    /// Records that the request of a slot was sent.
    pub(super) fn sent(&mut self, slot: Slot, at: At) {
        let Some(lane) = self.all.get_mut(slot.lane as usize) else { return };
        lane.sent = at;
        lane.next = lane.next.max(slot.nth.saturating_add(1));
        if let SlotState::Waiting(waiting, due) = lane.has
            && waiting == slot
        {
            lane.has = SlotState::Out(slot, due);
        }
    }

    /// Records the end of a request, and returns its slot if the lane had it. The row alone proves
    /// that the request was sent, even if [`Lanes::sent`] was not called before.
    pub(super) fn ended(&mut self, request: &Request) -> Option<Slot> {
        let Request { phase, lane, slot: nth, repeat, .. } = *request;
        if matches!(request.cell.load, Load::Streams(_)) {
            self.pause(request);
        }
        let known = self.all.get_mut(lane as usize).filter(|_| self.phase == Some(phase))?;
        known.next = known.next.max(nth.saturating_add(1));
        let slot = Slot { phase, lane, nth, repeat };
        match known.has {
            SlotState::Waiting(has, _) | SlotState::Out(has, _) if has == slot => {
                known.has = SlotState::Nothing;
                Some(slot)
            }
            _ => None,
        }
    }

    /// Drops the waiting slots without sending them.
    pub(super) fn drop_waiting(&mut self) {
        for lane in &mut self.all {
            if matches!(lane.has, SlotState::Waiting(..)) {
                lane.has = SlotState::Nothing;
            }
        }
    }

    /// Drops the slots in flight, whose requests have no end.
    pub(super) fn drop_out(&mut self) {
        for lane in &mut self.all {
            if matches!(lane.has, SlotState::Out(..)) {
                lane.has = SlotState::Nothing;
            }
        }
    }

    /// Makes the slots in flight wait again, as if they had not been sent.
    pub(super) fn take_back(&mut self) {
        for lane in &mut self.all {
            if let SlotState::Out(slot, due) = lane.has {
                lane.has = SlotState::Waiting(slot, due);
                if slot.repeat == 0 {
                    lane.next = slot.nth;
                }
            }
        }
    }
}

impl Lane {
    /// Returns its waiting slot, if that has no due time.
    fn ready(&self) -> Option<Slot> {
        match self.has {
            SlotState::Waiting(slot, None) => Some(slot),
            _ => None,
        }
    }
}
