//! The kinds of asking, one file each. A workload lays itself out as rounds
//! and says what an ask at an address contains.

pub mod ladder;

use crate::fact::{Cell, Class};
use crate::spec::scenario::{Api, Arrivals};

/// In a closed loop as many requests at once as its cell has streams, in an open one so many
/// requests when they are due; the next round begins when the last of them has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
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
    /// The endpoint.
    pub api: Api,
    /// Whether the server is asked to go on to the cell's output.
    pub exact_output: bool,
}

/// A round of the open loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// How its requests are spread over time.
    pub arrivals: Arrivals,
    /// How many there are.
    pub requests: u32,
}

impl Round {
    /// Requests of the round, each on a lane of its own: one lane to a stream, or to an
    /// arrival, since an arrival does not wait for the one before it.
    pub fn lanes(&self) -> u32 {
        self.open.map_or(self.cell.streams(), |open| open.requests)
    }
}

/// What a round does with its contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Contexts of its own, never seen before.
    Fresh,
    /// The contexts that its lanes have at this depth throughout; arrivals share one.
    Kept,
    /// Loads new contexts and asks nothing of them.
    Load,
    /// Asks about the contexts that the round before it loaded.
    Follow,
}
