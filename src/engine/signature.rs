//! Classifies lines of a log. A signature is a row of a table: its name, the words that identify
//! it, its severity, its log, its meaning, and a line from a real log, which a test checks against
//! it.
//!
//! Rows of an engine are in the engine's own folder; rows of the GPU's libraries, Python, the
//! container engine and the kernel are here. Every row of causes comes before every row of
//! consequences, because a consequence quotes its cause.
//!
//! Pure: other modules read the logs, and decide what follows from a line.

mod container;
mod find;
mod gpu;
mod kernel;
mod message;
mod python;
#[cfg(test)]
mod tests;
pub(crate) mod victim;

use super::{llama_cpp, sglang, vllm};
use crate::fact::Severity;
pub(crate) use find::{classify, is_echo};
pub(crate) use message::message;

/// Log that a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogSource {
    /// Server's own output.
    Server,
    /// Kernel log of the server's machine.
    Kernel,
}

/// Meaning of a line for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
    /// Startup stage: `weights`, `compilation`, `graphs`, `ready`.
    Progress(&'static str),
    /// Failed start, with the reason in a few words.
    StartFailed(&'static str),
    /// Out of memory in the engine, the CUDA libraries or the GPU's driver.
    DriverOom,
    /// Kill by the kernel's OOM killer, for lack of the machine's memory.
    KernelOom,
    /// Kill by the kernel's OOM killer, at a cgroup's limit.
    CgroupOom,
    /// Kill by a user-space program (earlyoom, systemd-oomd) to free memory.
    UserspaceKill,
    /// Failure of the GPU or its driver.
    GpuFault,
    /// The engine is dead, or reports that it cannot go on.
    EngineDead,
    /// Requested shutdown.
    Asked,
    /// Setting with which the server runs (`engine/effect.rs` reads it).
    Setting,
    /// Notable line that is not the cause of anything.
    Note,
}

/// Row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// Name in `events.csv`, in snake_case.
    pub name: &'static str,
    /// Words that a line must have, in this order; case is ignored.
    pub words: &'static [&'static str],
    /// Severity of the line.
    pub severity: Severity,
    /// Log that the line comes from.
    pub log: LogSource,
    /// Meaning of the line.
    pub meaning: Meaning,
    /// Example line, for the test.
    pub line: &'static str,
}

impl Meaning {
    /// Whether something failed, or could not start.
    pub(crate) fn is_bad(self) -> bool {
        !matches!(self, Meaning::Progress(_) | Meaning::Setting | Meaning::Asked | Meaning::Note)
    }
}

/// Creates a row of the server's own log.
pub(in crate::engine) const fn server(
    name: &'static str,
    words: &'static [&'static str],
    severity: Severity,
    meaning: Meaning,
    line: &'static str,
) -> Signature {
    Signature { name, words, severity, log: LogSource::Server, meaning, line }
}

/// Rows of the server's log, in the order in which they are tried.
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
    vllm::signatures::STARTUP,
    sglang::signatures::STARTUP,
    llama_cpp::signatures::STARTUP,
];

/// Returns the rows of a log, in the order in which they are tried.
fn rows(log: LogSource) -> impl Iterator<Item = &'static Signature> {
    let groups: &'static [&'static [Signature]] = match log {
        LogSource::Server => &SERVER,
        LogSource::Kernel => &[kernel::ROWS],
    };
    groups.iter().copied().flatten()
}

/// Returns the whole table, in the order in which it is tried.
pub(crate) fn all() -> impl Iterator<Item = &'static Signature> {
    rows(LogSource::Server).chain(rows(LogSource::Kernel))
}

/// Whether a row is only a consequence: its cause is in another line, perhaps a later one.
pub(crate) fn is_consequence(name: &str) -> bool {
    let groups = [
        vllm::signatures::CONSEQUENCES,
        sglang::signatures::CONSEQUENCES,
        llama_cpp::signatures::CONSEQUENCES,
    ];
    groups.iter().copied().flatten().any(|signature| signature.name == name)
}

/// Finds the row with a name.
pub(crate) fn named(name: &str) -> Option<&'static Signature> {
    all().find(|signature| signature.name == name)
}
