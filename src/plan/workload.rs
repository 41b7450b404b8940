//! Lays out the kinds of load for a server, one file each. A workload returns
//! its lanes, the ask of a lane's slot, and its due time; how it finds the
//! place of a slot is internal to it.

mod ladder;

use super::{Ask, Bounds, Fit, Plan, RoundPosition, Slot};
use crate::error::Mistake;
use crate::fact::{Cell, Class, Group, Phase};
use crate::spec::scenario::{Api, Arrivals};
use crate::spec::{Scenario, Workload};
use crate::unit::At;
use ladder::Ladders;

/// The workloads of a scenario, laid out for a server.
#[derive(Clone, Debug)]
pub(crate) enum PlannedWorkload {
    /// Ladders, one after the other in each lap, on the same lanes.
    Ladders(Ladders),
}

impl PlannedWorkload {
    /// Lays the workloads of a scenario out, for a server that takes all of it.
    pub(crate) fn new(workloads: &[Workload]) -> PlannedWorkload {
        let mut ladders = Ladders::default();
        for (origin, workload) in workloads.iter().enumerate() {
            match workload {
                Workload::Ladder(ladder) => ladders.add(ladder, origin),
            }
        }
        PlannedWorkload::Ladders(ladders)
    }

    /// Leaves out what the server cannot take, and notes it.
    ///
    /// # Errors
    /// The server cannot take a depth that the scenario does not allow to drop.
    pub(crate) fn narrow(
        &mut self,
        scenario: &Scenario,
        bounds: Bounds<'_>,
    ) -> Result<Vec<String>, Mistake> {
        let mut notes = Vec::new();
        let depths: Result<Vec<Vec<u64>>, Mistake> = scenario
            .workloads
            .iter()
            .map(|workload| match workload {
                Workload::Ladder(ladder) => ladder::depths(ladder, bounds, scenario, &mut notes),
            })
            .collect();
        match self {
            PlannedWorkload::Ladders(ladders) => ladders.keep(&depths?),
        }
        Ok(notes)
    }

    /// Returns the rounds of a lap, in order.
    pub(crate) fn lap(&self) -> &[Round] {
        match self {
            PlannedWorkload::Ladders(ladders) => ladders.lap(),
        }
    }

    /// Returns the number of lanes.
    pub(crate) fn lanes(&self) -> u32 {
        match self {
            PlannedWorkload::Ladders(ladders) => ladders.lanes(),
        }
    }

    /// Returns the round at a place, and the next place.
    pub(crate) fn at(&self, place: RoundPosition) -> (&Round, RoundPosition) {
        match self {
            PlannedWorkload::Ladders(ladders) => ladders.at(place),
        }
    }

    /// Returns the slot of a lane in the round at a place.
    pub(crate) fn slot(&self, place: RoundPosition, lane: u32) -> u64 {
        match self {
            PlannedWorkload::Ladders(ladders) => ladders.slot(place, lane),
        }
    }

    /// Returns the place of a lane's slot; `None` if the lane never sends.
    #[cfg(test)]
    pub(crate) fn place(&self, lane: u32, nth: u64) -> Option<RoundPosition> {
        match self {
            PlannedWorkload::Ladders(ladders) => ladders.place(lane, nth),
        }
    }

    /// Returns the due time of each lane in the round at a place, microseconds since the round's
    /// start; `None` where all are due at once.
    pub(crate) fn due_us(&self, seed: u64, phase: Phase, place: RoundPosition) -> Option<Vec<u64>> {
        match self {
            PlannedWorkload::Ladders(ladders) => ladders.due_us(seed, phase, place),
        }
    }

    /// Returns the ask of a slot, due at an instant.
    pub(crate) fn ask(&self, plan: &Plan, slot: Slot, due: At, fit: &Fit) -> Ask {
        match self {
            PlannedWorkload::Ladders(ladders) => ladders.ask(plan, slot, due, fit),
        }
    }

    /// Returns the ask of a slot with the lengths of another cell.
    pub(crate) fn resized(&self, plan: &Plan, slot: Slot, cell: Cell, fit: &Fit) -> Ask {
        match self {
            PlannedWorkload::Ladders(ladders) => ladders.resized(plan, slot, cell, fit),
        }
    }

    /// Returns the cell of the ask of a slot.
    pub(crate) fn cell(&self, slot: Slot) -> Cell {
        match self {
            PlannedWorkload::Ladders(ladders) => ladders.cell(slot),
        }
    }

    /// Returns a slot for each length of a prompt and an output.
    pub(crate) fn samples(&self) -> Vec<LengthSample> {
        match self {
            PlannedWorkload::Ladders(ladders) => ladders.samples(),
        }
    }

    /// Returns the part of the load's fingerprint that the workloads determine.
    pub(crate) fn fingerprint(&self) -> String {
        match self {
            PlannedWorkload::Ladders(ladders) => ladders.fingerprint(),
        }
    }
}

/// Slot whose ask stands for all asks of the same lengths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LengthSample {
    pub slot: Slot,
    pub cell: Cell,
    pub api: Api,
}

/// Round of requests. A closed round sends as many at once as its cell has streams, an open round
/// sends each when it is due. The next round begins when the last request has ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Round {
    /// The workload's name.
    pub workload: &'static str,
    /// Depth × load × shape.
    pub cell: Cell,
    /// The kind of ask.
    pub class: Class,
    pub part: PromptPart,
    /// Parameters of the open loop; `None` in a closed round.
    pub open: Option<OpenLoop>,
    pub api: Api,
    /// Whether the server is reported to generate the cell's whole output length.
    pub exact_output: bool,
}

/// Parameters of an open round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenLoop {
    /// Distribution of its arrivals over time.
    pub arrivals: Arrivals,
    /// Number of its requests.
    pub requests: u32,
}

impl Round {
    /// Returns the group of its asks.
    pub(crate) fn group(&self) -> Group {
        let cell = Some(self.cell);
        Group { workload: self.workload.to_owned(), class: self.class, cell }
    }

    /// Returns the number of its requests, each on a lane of its own: one per stream or arrival,
    /// since an arrival does not wait for the one before it.
    pub(crate) fn lanes(&self) -> u32 {
        self.open.map_or(self.cell.streams(), |open| open.requests)
    }
}

/// Use of contexts in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PromptPart {
    /// New contexts for every request.
    Fresh,
    /// Contexts that a lane keeps at this depth for the whole run; arrivals share one.
    Kept,
    /// Loads new contexts without a prompt.
    Load,
    /// Sends prompts on the contexts that the round before it loaded.
    Follow,
}
