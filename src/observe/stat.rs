//! Reads a process on the server's machine, and its title.

use super::root::Root;
use crate::process::Stat;

/// Clock ticks per second in a process's start time, the same on every Linux.
pub(super) const TICKS_PER_S: f64 = 100.0;

/// Limit of a title.
const TITLE_CHARS_MAX: usize = 48;

/// Reads a process that is alive; `None` for a zombie.
pub(super) fn read(root: &Root, pid: u32) -> Option<Stat> {
    let process = Stat::parse(&root.read(&format!("/proc/{pid}/stat")).ok()?)?;
    (!process.is_zombie).then_some(process)
}

/// Returns the title of a process. Engines put their parts' names in the command line
/// (`VLLM::EngineCore`, `sglang::scheduler_TP0`); for any other process that line is a command.
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
