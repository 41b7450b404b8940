//! Where the model meets time, and the seams of `world` in it: a wire that asks
//! the server's face without a socket, a target whose log is followed, sensors that look at its box, a disk
//! under the journal, and a wall clock. The one part of this room that knows
//! the clock; under a paused one, hours pass unseen.

pub mod boxes;
pub mod connections;
pub mod host;
pub mod sign;
pub mod target;
pub mod wire;

pub use connections::{Desk, Served, Ticket};
pub use host::{Disk, SimHost};
pub use sign::{SimEvent, SimEvents, signs};
pub use target::SimTarget;
pub use wire::SimWire;
