//! Rebuilds a conductor from the entries of a run. Its state is that of the
//! original conductor, had that been polled at every entry and at every wake-up
//! time.
//!
//! The journal has no entry for a request that was sent and did not end. The
//! replay therefore computes the original orders and marks them as carried out
//! without sending anything, because an outage treats sent slots differently
//! from waiting ones. At the end it takes back the slots that have no row, and
//! continues at each lane's first unfinished slot.

use std::rc::Rc;

use super::{Conductor, Order, RunState};
use crate::fact::Entry;
use crate::plan::Plan;
use crate::unit::At;

/// Returns the conductor of a run that was interrupted after these entries, given in the order in
/// which they were written. Its next orders are those that were given and not finished, then those
/// that would have followed.
#[cfg(test)]
pub(crate) fn replay<'a>(
    plan: Rc<Plan>,
    entries: impl IntoIterator<Item = &'a Entry>,
) -> Conductor {
    let mut replay = Replay::new(plan);
    for entry in entries {
        replay.fold(entry);
    }
    replay.finish()
}

/// Conductor that is being rebuilt.
pub(crate) struct Replay(Conductor);

impl Replay {
    /// Creates the conductor of a run without entries.
    pub(crate) fn new(plan: Rc<Plan>) -> Replay {
        Replay(Conductor::new(plan))
    }

    /// Folds the next entry.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        self.0.follow(entry);
    }

    /// Returns the conductor of a run that was interrupted after these entries.
    pub(crate) fn finish(mut self) -> Conductor {
        self.0.lost();
        self.0
    }
}

impl Conductor {
    /// Folds an entry of a journal, and marks the orders before it and because of it as carried
    /// out.
    pub(super) fn follow(&mut self, entry: &Entry) {
        if entry.segment == self.segment {
            while let Some(wake) = self.wake().filter(|wake| *wake < entry.at) {
                if !self.obeys(wake) {
                    break;
                }
            }
        }
        self.fold(entry);
        self.obeys(entry.at);
    }

    /// Marks the orders at an instant as carried out, without effect; true if there were any.
    /// Stops at a fact to record, since that comes from the journal.
    fn obeys(&mut self, at: At) -> bool {
        let mut any = false;
        while let Some(order) = self.due(at) {
            if matches!(order, Order::Record(_)) {
                break;
            }
            self.on_order_done(&order, at);
            any = true;
        }
        any
    }

    /// Takes back the requests that were lost with the process that sent them.
    fn lost(&mut self) {
        self.policy.requeue_in_flight(&mut self.lanes);
        if matches!(self.doing, RunState::Drain(_)) {
            self.lanes.drop_waiting();
        }
    }
}
