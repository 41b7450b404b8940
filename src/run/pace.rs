//! Whether longhaul keeps the pace of an open loop: an arrival that is sent long
//! after it was due says nothing of the server, and spoils what it measures.

use super::LATE_US;
use crate::fact::{Cell, Fault, FaultKind, Load, Phase, Request};

/// The pace of the cells under way.
#[derive(Default)]
pub struct Pace {
    /// Cells of which a late arrival was told since their last batch.
    told: Vec<(Phase, Cell)>,
}

impl Pace {
    /// Takes a request that ended; a fault for the first of a batch that was sent too late.
    pub fn take(&mut self, request: &Request) -> Option<Fault> {
        let late_us = request.late_us();
        let open = matches!(request.cell.load, Load::PerSecond(_));
        let alike = (request.phase, request.cell);
        if !open || late_us <= LATE_US || self.told.contains(&alike) {
            return None;
        }
        self.told.push(alike);
        let why = format!("an arrival was sent {} ms after it was due", late_us / 1000);
        Some(Fault { kind: FaultKind::Pace, why, fatal: false })
    }

    /// A batch ended.
    pub fn close(&mut self, phase: Phase, cell: Cell) {
        self.told.retain(|alike| *alike != (phase, cell));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::story::Story;
    use crate::unit::At;

    fn late(load: Load, late_us: u64) -> Request {
        let mut request = Story::new().request(10.0, 0);
        request.cell.load = load;
        request.due = At(request.sent.0 - late_us);
        request
    }

    #[test]
    fn an_arrival_that_is_a_second_late_is_a_fault_once_a_batch() {
        let mut pace = Pace::default();
        let open = Load::PerSecond(2.0);
        assert_eq!(pace.take(&late(open, 1_000_000)), None);
        let fault = pace.take(&late(open, 1_234_000)).unwrap();
        assert_eq!((fault.kind, fault.fatal), (FaultKind::Pace, false));
        assert!(fault.why.contains("1234 ms"), "{}", fault.why);
        assert_eq!(pace.take(&late(open, 2_000_000)), None);
        let other = late(Load::PerSecond(3.0), 2_000_000);
        assert!(pace.take(&other).is_some(), "cells may be under way side by side");
        let ended = late(open, 2_000_000);
        pace.close(ended.phase, ended.cell);
        assert!(pace.take(&ended).is_some());
        assert!(pace.take(&other).is_none());
    }

    #[test]
    fn a_closed_loop_has_no_pace_to_keep() {
        assert_eq!(Pace::default().take(&late(Load::Streams(1), 9_000_000)), None);
    }
}
