//! A conductor from the entries of a run: the one that lived, had it been asked
//! at every entry and whenever it wanted to be woken.
//!
//! What was sent and has no row is not in the journal. The replay gives the
//! orders that the one that lived gave, and obeys them to nobody, since an
//! outage treats what was sent otherwise than what was not; at the end it takes
//! back what has no row, and goes on at each lane's first unfinished slot.

use std::rc::Rc;

use super::{Conductor, Doing, Order};
use crate::fact::Entry;
use crate::plan::Plan;
use crate::unit::At;

/// The conductor of a run that broke off after these entries, in the order in which they were
/// written. Its next orders are those that were given and not finished, and then those that
/// would have come.
pub(crate) fn replay<'a>(
    plan: Rc<Plan>,
    entries: impl IntoIterator<Item = &'a Entry>,
) -> Conductor {
    let mut conductor = Conductor::new(plan);
    for entry in entries {
        conductor.follow(entry);
    }
    conductor.lost();
    conductor
}

impl Conductor {
    /// Takes an entry of a journal, and the orders that were given before it and upon it.
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

    /// Obeys what it orders at an instant, to nobody; whether there was anything. What was to be
    /// recorded comes from the journal itself.
    fn obeys(&mut self, at: At) -> bool {
        let mut any = false;
        while let Some(order) = self.due(at) {
            if matches!(order, Order::Record(_)) {
                break;
            }
            self.obeyed(&order, at);
            any = true;
        }
        any
    }

    /// What was sent and has not ended is lost with the process that sent it.
    fn lost(&mut self) {
        self.policy.lost(&mut self.lanes);
        if matches!(self.doing, Doing::Drain(_)) {
            self.lanes.drop_waiting();
        }
    }
}
