//! What is under test, where longhaul can see more of it than its endpoint: a
//! process or a container that it starts itself, one that it only watches, or a
//! cluster that `sparkrun` starts for it. A target is a task that owns the thing
//! and two channels: orders go in, news come out, and nobody waits for anybody.
//!
//! The room never decides what an exit means or whether to start again: it
//! says what became of the thing, and does what it is told to what it started.

mod attached;
pub mod container;
pub mod docker;
mod handle;
pub mod launch;
mod log;
mod memory;
pub mod options;
pub mod process;
mod program;
pub mod sparkrun;
mod tree;
pub mod watched;

pub use attached::attached;
pub use handle::{Left, StartedTarget};
pub use program::Program;
