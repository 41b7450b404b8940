//! Where the model meets time: the desk between an engine and those who wait
//! for its tokens. The one part of this room that knows the clock.

pub mod desk;

pub use desk::{Desk, Served, Ticket};
