//! Defines an ask: a planned request with its place in the plan and its input.

use crate::fact::{Cell, Class, Phase};
use crate::spec::scenario::Api;
use crate::unit::At;

/// Planned request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ask {
    /// Phase in which it is due.
    pub phase: Phase,
    /// The workload's name.
    pub workload: &'static str,
    /// The kind of ask.
    pub class: Class,
    pub lane: u32,
    /// The lane's n-th ask in this phase, from 0.
    pub slot: u64,
    /// Conversation, where it belongs to one.
    pub session: Option<u64>,
    /// Its turn, from 0.
    pub turn: Option<u32>,
    /// Depth × load × shape.
    pub cell: Cell,
    /// Pass over all cells, from 0.
    pub lap: u64,
    /// 0, or the n-th appended repeat of a round that an outage broke.
    pub repeat: u32,
    /// Instant at which it should be sent.
    pub due: At,
    pub api: Api,
    pub input: Input,
    /// Whether the server is reported to generate the cell's output length regardless of
    /// end-of-sequence tokens.
    pub exact_output: bool,
    /// Time after sending at which the client hangs up, microseconds; only in an abort drill.
    pub abandon_us: Option<u64>,
}

/// Input of an ask.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// Messages of a chat request.
    Messages(Vec<Message>),
    /// Prompt of a plain completion.
    Text(String),
}

/// Message of a chat request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// `system`, `user`, `assistant`.
    pub role: &'static str,
    pub content: String,
}

#[cfg(test)]
impl Ask {
    /// An ask of the soak for tests, in a cell as a row names it.
    pub(crate) fn example(cell: &str, api: Api, input: Input) -> Ask {
        Ask {
            phase: Phase::Soak,
            workload: "ladder",
            class: Class::Cold,
            lane: 0,
            slot: 0,
            session: None,
            turn: None,
            cell: cell.parse().expect("a cell"),
            lap: 0,
            repeat: 0,
            due: At::ZERO,
            api,
            input,
            exact_output: false,
            abandon_us: None,
        }
    }
}
