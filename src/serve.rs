//! Listeners. What they say they write byte by byte themselves, without
//! `protocol`, so that one error cannot hide the other.

pub(crate) mod sim;
