//! Connects the model to time and to the traits of `world`: a wire to the server without a socket,
//! a target with a followed log, sensors of its machine, a disk under the journal, and a wall
//! clock. Only this part of the module uses the clock; with tokio's paused clock, hours pass in
//! moments.

pub(crate) mod connections;
pub(crate) mod events;
pub(crate) mod host;
pub(crate) mod machine_sensors;
pub(crate) mod target;
pub(crate) mod wire;

pub(crate) use connections::{Accepted, Connections, JobHandle};
pub(crate) use events::{SimEvent, SimEvents, signs};
pub(crate) use host::{Disk, SimHost};
pub(crate) use target::SimTarget;
pub(crate) use wire::SimWire;
