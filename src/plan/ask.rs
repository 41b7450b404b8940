//! One request to be made: where it stands in the plan, and what it says.

use crate::fact::{Cell, Class, Phase};
use crate::spec::scenario::Api;
use crate::unit::At;

/// One request to be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ask {
    /// The phase it is due in.
    pub phase: Phase,
    /// The workload's name.
    pub workload: &'static str,
    /// The kind of ask.
    pub class: Class,
    /// One of the sequential senders.
    pub lane: u32,
    /// The lane's n-th ask in this phase, from 0.
    pub slot: u64,
    /// The conversation, where there is one.
    pub session: Option<u64>,
    /// Its turn, from 0.
    pub turn: Option<u32>,
    /// Depth × load × shape.
    pub cell: Cell,
    /// Which pass over all cells, from 0.
    pub lap: u64,
    /// 0, or the n-th appended repeat of a round that an outage broke.
    pub repeat: u32,
    /// When it should be sent.
    pub due: At,
    pub api: Api,
    /// What it says.
    pub input: Input,
    /// Whether the server is asked to go on to the cell's output whatever it wants to say.
    pub exact_output: bool,
    /// The client hangs up so long after sending, microseconds, where it is a drill that it does.
    pub abandon_us: Option<u64>,
}

/// What an ask says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// Messages of a chat.
    Messages(Vec<Message>),
    /// A plain text.
    Text(String),
}

/// A message of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// `system`, `user`, `assistant`.
    pub role: &'static str,
    pub content: String,
}
