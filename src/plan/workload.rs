//! The kinds of asking, one file each. A workload lays itself out as rounds
//! and says what an ask at an address contains.

pub mod ladder;

use crate::fact::{Cell, Class};
use crate::spec::scenario::Api;

/// As many requests at once as its cell has streams; the next round begins when the
/// last of them has ended.
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
    /// The endpoint.
    pub api: Api,
    /// Whether the server is asked to go on to the cell's output.
    pub exact_output: bool,
}

/// What a round does with its contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Contexts of its own, never seen before.
    Fresh,
    /// The contexts that its lanes have at this depth throughout.
    Kept,
    /// Loads new contexts and asks nothing of them.
    Load,
    /// Asks about the contexts that the round before it loaded.
    Follow,
}
