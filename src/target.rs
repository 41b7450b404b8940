//! What is under test, where longhaul can see more of it than its endpoint: a
//! process or a container that it starts itself, one that it only watches, or a
//! cluster that `sparkrun` starts for it. A target is a task that owns the thing
//! and two channels: orders go in, news come out, and nobody waits for anybody.
//!
//! The room never decides what an exit means or whether to start again: it
//! says what became of the thing, and does what it is told to what it started.

mod attached;
pub(crate) mod container;
pub(crate) mod docker;
mod handle;
pub(crate) mod launch;
mod log;
mod memory;
pub(crate) mod options;
pub(crate) mod process;
mod program;
pub(crate) mod sparkrun;
mod tree;
pub(crate) mod watched;

pub(crate) use attached::attached;
pub(crate) use handle::{Left, StartedTarget};
pub(crate) use program::Program;
