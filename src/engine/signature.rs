//! What lines of a log mean. A signature is a row of a table: its name, the
//! words that show it, how bad it is, whose log it stands in, what it means, and
//! a line as it was seen in the wild, which a test holds against it.
//!
//! Rows stand with the engine that writes them; what the GPU's libraries, Python,
//! a container's engine and the kernel say of themselves stands here. A row of causes
//! comes before every row of consequences, because a consequence quotes its cause.
//!
//! Pure: who reads logs, and what follows from a line, is decided elsewhere.

mod container;
mod find;
mod gpu;
mod kernel;
mod message;
mod python;
#[cfg(test)]
mod tests;

use super::{llama_cpp, sglang, vllm};
use crate::fact::Severity;
pub(crate) use find::classify;
pub(crate) use message::message;

/// Whose log a line stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogSource {
    /// The server's own output.
    Server,
    /// The kernel's log of the server's box.
    Kernel,
}

/// What a line means for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
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
pub(crate) struct Signature {
    /// Its name in `events.csv`, snake_case.
    pub name: &'static str,
    /// Words that a line must have, in this order; compared without regard to case.
    pub words: &'static [&'static str],
    /// How bad it is.
    pub severity: Severity,
    /// Whose log it stands in.
    pub log: LogSource,
    /// What it means.
    pub meaning: Meaning,
    /// A line that has it.
    pub line: &'static str,
}

impl Meaning {
    /// Whether something broke, or would not come up.
    pub(crate) fn is_bad(self) -> bool {
        !matches!(self, Meaning::Progress(_) | Meaning::Asked | Meaning::Note)
    }
}

/// A row of the server's own log.
pub(in crate::engine) const fn server(
    name: &'static str,
    words: &'static [&'static str],
    severity: Severity,
    meaning: Meaning,
    line: &'static str,
) -> Signature {
    Signature { name, words, severity, log: LogSource::Server, meaning, line }
}

/// The rows of the server's log, in the order in which they are tried.
const SERVER: [&[Signature]; 12] = [
    vllm::signatures::CAUSES,
    sglang::signatures::CAUSES,
    llama_cpp::signatures::CAUSES,
    gpu::CAUSES,
    container::CAUSES,
    python::CAUSES,
    vllm::signatures::CONSEQUENCES,
    sglang::signatures::CONSEQUENCES,
    llama_cpp::signatures::CONSEQUENCES,
    vllm::signatures::WAY_UP,
    sglang::signatures::WAY_UP,
    llama_cpp::signatures::WAY_UP,
];

/// The rows of a log, in the order in which they are tried.
fn rows(log: LogSource) -> impl Iterator<Item = &'static Signature> {
    let groups: &'static [&'static [Signature]] = match log {
        LogSource::Server => &SERVER,
        LogSource::Kernel => &[kernel::ROWS],
    };
    groups.iter().copied().flatten()
}

/// The whole table, in the order in which it is tried.
pub(crate) fn all() -> impl Iterator<Item = &'static Signature> {
    rows(LogSource::Server).chain(rows(LogSource::Kernel))
}

/// Whether a row only says what came of it: why stands in another line, perhaps a later one.
pub(crate) fn is_consequence(name: &str) -> bool {
    let groups = [
        vllm::signatures::CONSEQUENCES,
        sglang::signatures::CONSEQUENCES,
        llama_cpp::signatures::CONSEQUENCES,
    ];
    groups.iter().copied().flatten().any(|signature| signature.name == name)
}

/// The row of a name.
pub(crate) fn named(name: &str) -> Option<&'static Signature> {
    all().find(|signature| signature.name == name)
}
