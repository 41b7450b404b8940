//! Implements the client's side of the protocol: writes requests, and parses an answer's bytes.
//!
//! Pure. Knows no clock and no network, and judges nothing: `answer` does. The simulator writes its
//! own bytes and shares no code with this module, so that an error here cannot hide in both.

pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod models;
pub(crate) mod openai;
pub(crate) mod probe;
pub(crate) mod prometheus;
pub(crate) mod retry_after;
pub(crate) mod shape;
pub(crate) mod sse;
