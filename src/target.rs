//! The server under test, where longhaul can see more than its endpoint: a process or a container
//! that it starts, one that it only watches, or a cluster that `sparkrun` starts for it. A target
//! is a task that owns the process or container, and two channels: orders go in, news come out, and
//! neither side waits for the other.
//!
//! The module never decides what an exit means or whether to start again: it reports what happened,
//! and carries out orders only on what it started.

mod attached;
pub(crate) mod container;
pub(crate) mod docker;
mod handle;
pub(crate) mod launch;
mod log;
mod memory;
pub(crate) mod options;
pub(crate) mod orphan;
pub(crate) mod port;
mod printed;
pub(crate) mod process;
mod program;
pub(crate) mod server_log;
pub(crate) mod sparkrun;
#[cfg(test)]
mod standin;
mod tree;
pub(crate) mod watched;

pub(crate) use attached::attached;
pub(crate) use handle::{Leftovers, StartedTarget};
pub(crate) use program::Program;
