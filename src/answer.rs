//! One answer, folded as it comes: what was in it, how it ended, how its tokens
//! were spread over time, and which checks fired.
//!
//! Pure. Takes stamps as they were made at the read, knows no clock and no
//! wire, and judges one answer only: never a run.

pub(crate) mod arrivals;
pub(crate) mod check;
mod ending;
mod evidence;
mod text;
pub(crate) mod watch;

pub(crate) use arrivals::Arrival;
pub(crate) use watch::AnswerReader;

use crate::fact::{BrokenHow, Request, Stage};

/// How the transport ended, as far as one answer is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The body came to its own end.
    End,
    /// The exchange broke below HTTP.
    Broke {
        how: BrokenHow,
        /// Where it was, as the wire saw it.
        stage: Stage,
        /// The system's own words.
        words: String,
    },
    /// The deadline that [`Watch::deadline`] named has passed.
    Late,
    /// longhaul hung up, and why.
    Cut(String),
    /// The workload hung up on purpose.
    Abandoned,
}

/// An answer that is over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// Its row. `idle_us` is left to who knows the session.
    pub request: Request,
    /// Times between tokens: microseconds, and how many tokens had them. Empty where
    /// the tokens of single chunks are not known.
    pub itl_us: Vec<(u64, u64)>,
    /// Times between chunks that carry text, microseconds.
    pub gap_us: Vec<u64>,
    /// When tokens came, for what is told of many streams at once. Empty where the
    /// tokens of single chunks are not known.
    pub arrivals: Vec<Arrival>,
    /// What the server called its build and configuration, where it did.
    pub system: Option<String>,
    /// The first and the last of the raw bytes, for an ending that counts as a
    /// failure; empty for every other.
    pub frames: Vec<u8>,
}
