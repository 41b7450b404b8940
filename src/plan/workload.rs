//! The kinds of asking, laid out for a server, one file each. A workload is
//! asked for its lanes, for what a slot of a lane asks, and for when it is due;
//! how it finds the place of a slot is its own.

mod ladder;

use super::{Ask, Bounds, Fit, Place, Plan, Slot};
use crate::error::Mistake;
use crate::fact::{Cell, Class, Group, Phase};
use crate::spec::scenario::{Api, Arrivals};
use crate::spec::{Scenario, Workload};
use crate::unit::At;
use ladder::Ladders;

/// The workloads of a scenario, laid out for a server.
#[derive(Clone, Debug)]
pub(crate) enum Laid {
    /// Ladders, one after the other in each lap, on the same lanes.
    Ladders(Ladders),
}

impl Laid {
    /// Lays the workloads of a scenario out, for a server that takes all of it.
    pub(crate) fn new(workloads: &[Workload]) -> Laid {
        let mut ladders = Ladders::default();
        for (origin, workload) in workloads.iter().enumerate() {
            match workload {
                Workload::Ladder(ladder) => ladders.add(ladder, origin),
            }
        }
        Laid::Ladders(ladders)
    }

    /// Leaves out what the server does not take, and says what that is.
    ///
    /// # Errors
    /// A depth that the server cannot take, where the scenario does not allow to drop it.
    pub(crate) fn narrow(
        &mut self,
        scenario: &Scenario,
        bounds: Bounds,
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
            Laid::Ladders(ladders) => ladders.keep(&depths?),
        }
        Ok(notes)
    }

    /// The rounds of a lap, in order.
    pub(crate) fn lap(&self) -> &[Round] {
        match self {
            Laid::Ladders(ladders) => ladders.lap(),
        }
    }

    /// Sequential senders.
    pub(crate) fn lanes(&self) -> u32 {
        match self {
            Laid::Ladders(ladders) => ladders.lanes(),
        }
    }

    /// The round at a place and the place after it.
    pub(crate) fn at(&self, place: Place) -> (&Round, Place) {
        match self {
            Laid::Ladders(ladders) => ladders.at(place),
        }
    }

    /// The slot of a lane in the round at a place.
    pub(crate) fn slot(&self, place: Place, lane: u32) -> u64 {
        match self {
            Laid::Ladders(ladders) => ladders.slot(place, lane),
        }
    }

    /// The place of a lane's slot; `None` if the lane never sends.
    #[cfg(test)]
    pub(crate) fn place(&self, lane: u32, nth: u64) -> Option<Place> {
        match self {
            Laid::Ladders(ladders) => ladders.place(lane, nth),
        }
    }

    /// When each lane of the round at a place is due, in microseconds since the round's
    /// start; `None` where all are due at once.
    pub(crate) fn due_us(&self, seed: u64, phase: Phase, place: Place) -> Option<Vec<u64>> {
        match self {
            Laid::Ladders(ladders) => ladders.due_us(seed, phase, place),
        }
    }

    /// The ask of a slot, due at an instant.
    pub(crate) fn ask(&self, plan: &Plan, slot: Slot, due: At, fit: &Fit) -> Ask {
        match self {
            Laid::Ladders(ladders) => ladders.ask(plan, slot, due, fit),
        }
    }

    /// Depth × load × shape of the ask of a slot.
    pub(crate) fn cell(&self, slot: Slot) -> Cell {
        match self {
            Laid::Ladders(ladders) => ladders.cell(slot),
        }
    }

    /// A slot for each length that a chat template is added to, and its cell.
    pub(crate) fn samples(&self) -> Vec<(Cell, Slot)> {
        match self {
            Laid::Ladders(ladders) => ladders.samples(),
        }
    }

    /// What of it makes the load another one.
    pub(crate) fn fingerprint(&self) -> String {
        match self {
            Laid::Ladders(ladders) => ladders.fingerprint(),
        }
    }
}

/// In a closed loop as many requests at once as its cell has streams, in an open one so many
/// requests when they are due; the next round begins when the last of them has ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Round {
    /// The workload's name.
    pub workload: &'static str,
    /// Depth × load × shape.
    pub cell: Cell,
    /// The kind of ask.
    pub class: Class,
    /// What the round does with its contexts.
    pub part: Part,
    /// What makes it a round of the open loop, where it is one.
    pub open: Option<Open>,
    pub api: Api,
    /// Whether the server is asked to go on to the cell's output.
    pub exact_output: bool,
}

/// A round of the open loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// How its requests are spread over time.
    pub arrivals: Arrivals,
    /// How many there are.
    pub requests: u32,
}

impl Round {
    /// The group of its asks.
    pub(crate) fn group(&self) -> Group {
        let cell = Some(self.cell);
        Group { workload: self.workload.to_owned(), class: self.class, cell }
    }

    /// Requests of the round, each on a lane of its own: one lane to a stream, or to an
    /// arrival, since an arrival does not wait for the one before it.
    pub(crate) fn lanes(&self) -> u32 {
        self.open.map_or(self.cell.streams(), |open| open.requests)
    }
}

/// What a round does with its contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Contexts of its own, never seen before.
    Fresh,
    /// The contexts that its lanes have at this depth throughout; arrivals share one.
    Kept,
    /// Loads new contexts and asks nothing of them.
    Load,
    /// Asks about the contexts that the round before it loaded.
    Follow,
}
