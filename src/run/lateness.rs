//! Checks whether longhaul keeps the pace of an open loop. An arrival that is
//! sent long after it was due shows nothing about the server, and distorts the
//! measurement.

use super::LATE_US;
use crate::fact::{Fault, FaultKind, Group, Load, Phase, Request};

/// Pace of the groups under way.
#[derive(Default)]
pub(super) struct Lateness {
    /// Groups whose late arrival was reported since their last batch.
    reported: Vec<(Phase, Group)>,
}

impl Lateness {
    /// Checks a request that ended; a fault for the first of a batch that was sent too late.
    pub(super) fn check(&mut self, request: &Request) -> Option<Fault> {
        let late_us = request.late_us();
        let open = matches!(request.cell.load, Load::PerSecond(_));
        if !open || late_us <= LATE_US {
            return None;
        }
        let alike = (request.phase, request.group());
        if self.reported.contains(&alike) {
            return None;
        }
        self.reported.push(alike);
        let why = format!("an arrival was sent {} ms after it was due", late_us / 1000);
        Some(Fault { kind: FaultKind::Pace, why, fatal: false })
    }

    /// Records that a batch of a group ended.
    pub(super) fn close(&mut self, phase: Phase, group: &Group) {
        self.reported.retain(|reported| (reported.0, &reported.1) != (phase, group));
    }

    /// Records that a phase ended, and with it the groups without batches.
    pub(super) fn close_all(&mut self) {
        self.reported.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixture::Story;
    use crate::unit::At;

    fn late(load: Load, late_us: u64) -> Request {
        let mut request = Story::new().request(10.0, 0);
        request.cell.load = load;
        request.due = At(request.sent.0 - late_us);
        request
    }

    #[test]
    fn an_arrival_that_is_a_second_late_is_a_fault_once_a_batch() {
        let mut pace = Lateness::default();
        let open = Load::PerSecond(2.0);
        assert_eq!(pace.check(&late(open, 1_000_000)), None);
        let fault = pace.check(&late(open, 1_234_000)).unwrap();
        assert_eq!((fault.kind, fault.fatal), (FaultKind::Pace, false));
        insta::assert_snapshot!(fault.why, @"an arrival was sent 1234 ms after it was due");
        assert_eq!(pace.check(&late(open, 2_000_000)), None);
        let other = late(Load::PerSecond(3.0), 2_000_000);
        assert!(pace.check(&other).is_some(), "groups may be under way side by side");
        let ended = late(open, 2_000_000);
        pace.close(ended.phase, &ended.group());
        assert!(pace.check(&ended).is_some());
        assert!(pace.check(&other).is_none());
        assert_eq!(pace.reported.len(), 2);
        pace.close_all();
        assert_eq!(pace.reported.len(), 0, "what goes in no batches is over with its phase");
    }

    #[test]
    fn a_closed_loop_has_no_pace_to_keep() {
        assert_eq!(Lateness::default().check(&late(Load::Streams(1), 9_000_000)), None);
    }
}
