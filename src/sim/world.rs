//! Where the model meets time, and the seams of `world` in it: a wire that asks
//! the server's face without a socket, a target whose log is followed, sensors that look at its box, a disk
//! under the journal, and a wall clock. The one part of this room that knows
//! the clock; under a paused one, hours pass unseen.

pub(crate) mod boxes;
pub(crate) mod connections;
pub(crate) mod host;
pub(crate) mod sign;
pub(crate) mod target;
pub(crate) mod wire;

pub(crate) use connections::{Desk, Served, Ticket};
pub(crate) use host::{Disk, SimHost};
pub(crate) use sign::{SimEvent, SimEvents, signs};
pub(crate) use target::SimTarget;
pub(crate) use wire::SimWire;
