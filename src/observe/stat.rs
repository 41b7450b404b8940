//! A process on the box of the server, and its title.

use super::root::Root;
use crate::process::Stat;

/// Ticks in a second of a process's start, the same on every Linux.
pub(super) const TICKS_PER_S: f64 = 100.0;

/// Bounds a title.
const TITLE_CHARS_MAX: usize = 48;

/// A process that is there. One that has ended and only waits to be counted is not.
pub(super) fn read(root: &Root, pid: u32) -> Option<Stat> {
    let process = Stat::parse(&root.read(&format!("/proc/{pid}/stat")).ok()?)?;
    (!process.is_zombie).then_some(process)
}

/// What a process calls itself. Engines name their parts in their command line
/// (`VLLM::EngineCore`, `sglang::scheduler_TP0`); what any other says there is a command.
pub(super) fn title(process: &Stat, command: &str) -> String {
    let first = command.split('\0').next().unwrap_or_default().trim();
    let title = if first.contains("::") && !first.contains('/') { first } else { &process.name };
    title.chars().filter(|c| !c.is_control()).take(TITLE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engines_part_goes_by_its_title_and_all_else_by_its_name() {
        let line = format!("4242 (VLLM::EngineCor) S{}", " 1".repeat(30));
        let process = Stat::parse(&line).unwrap();
        assert_eq!(title(&process, "VLLM::EngineCore_DP0\0\0\0"), "VLLM::EngineCore_DP0");
        assert_eq!(title(&process, "/usr/bin/python3\0-m\0x::y\0"), "VLLM::EngineCor");
        assert_eq!(title(&process, ""), "VLLM::EngineCor");
    }
}
