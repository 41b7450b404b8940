//! The client's side of the protocol: what is written into a request and what
//! is read out of an answer's bytes.
//!
//! Pure. Knows no clock and no network, and judges nothing: `answer` does. The
//! simulator writes its own bytes and shares nothing with this room, so that
//! one error cannot hide the other.

pub(crate) mod error;
pub(crate) mod openai;
pub(crate) mod prometheus;
pub(crate) mod sse;
