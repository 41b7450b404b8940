//! Folds one answer as it arrives: its content, how it ended, the times of its tokens, and the
//! checks that fired.
//!
//! Pure. Uses the timestamps made at the read, knows no clock and no wire, and judges one answer
//! only: never a run.

pub(crate) mod arrivals;
pub(crate) mod check;
mod counts;
mod ending;
mod endless;
mod evidence;
mod text;
pub(crate) mod watch;

pub(crate) use arrivals::Arrival;
pub(crate) use watch::AnswerReader;

use crate::fact::{BrokenHow, Request, Stage};

/// End of the transport, as far as one answer is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TransportEnd {
    /// Complete body.
    End,
    /// Failure below HTTP.
    Broke {
        how: BrokenHow,
        /// Stage in which it failed, as the wire saw it.
        stage: Stage,
        /// System's own words.
        words: String,
    },
    /// Timeout: the deadline of [`AnswerReader::deadline`] has passed.
    Late,
    /// The answer has no end: what it exceeded, in words.
    Endless(String),
    /// longhaul closed the connection, for this reason.
    Cut(String),
    /// The workload aborted the request on purpose.
    Abandoned,
}

/// Answer that is over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// Request row. The caller, who knows the session, sets `idle_us`.
    pub request: Request,
    /// Times between tokens: microseconds, and the number of tokens with that time. Empty where the
    /// tokens of single chunks are not known.
    pub itl_us: Vec<(u64, u64)>,
    /// Times between arrivals of text, microseconds.
    pub gap_us: Vec<u64>,
    /// Arrivals of tokens, for series over many streams. Empty where the tokens of single chunks
    /// are not known.
    pub arrivals: Vec<Arrival>,
    /// Fingerprint of the server's build and configuration, where the server sent it.
    pub system: Option<String>,
    /// Model that the answer names, where it names one.
    pub model: Option<String>,
    /// First and last raw bytes, for an ending that counts as a failure; empty for any other.
    pub frames: Vec<u8>,
}
