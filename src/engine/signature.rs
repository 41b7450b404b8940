//! What lines of a log mean. A signature is a row of a table: its name, the
//! words that show it, how bad it is, whose log it stands in, what it means, and
//! a line as it was seen in the wild, which a test holds against it.
//!
//! Pure: who reads logs, and what follows from a line, is decided elsewhere.

use crate::fact::Severity;

/// Whose log a line stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Log {
    /// The server's own output.
    Server,
    /// The kernel's log of the server's box.
    Kernel,
}

/// What a line means for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// A rung of the way up: `weights`, `compilation`, `graphs`, `ready`.
    Progress(&'static str),
    /// It will not come up, and why, in a few words.
    StartFailed(&'static str),
    /// Memory ran out in the engine, the CUDA libraries or the GPU's driver.
    DriverOom,
    /// The kernel's OOM killer ended a process for want of the box's memory.
    KernelOom,
    /// The kernel's OOM killer ended a process at its cgroup's limit.
    CgroupOom,
    /// A program of the user's (earlyoom, systemd-oomd) ended a process to save memory.
    UserspaceKill,
    /// The GPU or its driver failed.
    GpuFault,
    /// The engine is dead, or says that it cannot go on.
    EngineDead,
    /// It was asked to end.
    Asked,
    /// Worth knowing, and no cause of anything.
    Note,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Its name in `events.csv`, snake_case.
    pub name: &'static str,
    /// Words that a line must have, in this order; compared without regard to case.
    pub words: &'static [&'static str],
    /// How bad it is.
    pub severity: Severity,
    /// Whose log it stands in.
    pub log: Log,
    /// What it means.
    pub meaning: Meaning,
    /// A line that has it.
    pub line: &'static str,
}
