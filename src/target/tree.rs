//! Tracks the processes that a command started. A server is a tree of processes, and the tree
//! outlives its root: each process is identified by pid *and* start time, so that a pid that is
//! used again is never taken for an old process.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::process::{Stat, families};

/// Limit of the processes that are remembered.
const KNOWN_MAX: usize = 4_096;
/// Number of processes named in a text.
const NAMED_MAX: usize = 8;

/// Lists all visible processes.
pub(super) fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(seen).collect()
}

/// Reads one process; `None` where it does not exist.
pub(super) fn seen(pid: u32) -> Option<Stat> {
    Stat::parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
}

/// Tree of processes below a root.
#[derive(Clone, Debug)]
pub(super) struct ProcessTree {
    root: u32,
    /// Whether the root leads its own process group, which then belongs to the tree.
    owns_group: bool,
    /// Start time of each known process, by pid.
    known: BTreeMap<u32, u64>,
}

impl ProcessTree {
    /// Creates the tree of a process that leads its own group.
    pub(super) fn of_group(root: u32) -> ProcessTree {
        ProcessTree::new(root, true)
    }

    /// Creates the tree of a process that somebody else started.
    pub(super) fn below(root: u32) -> ProcessTree {
        ProcessTree::new(root, false)
    }

    fn new(root: u32, owns_group: bool) -> ProcessTree {
        let known = seen(root).map(|seen| (root, seen.began)).into_iter().collect();
        ProcessTree { root, owns_group, known }
    }

    /// Scans the tree, and remembers its processes.
    pub(super) fn look(&mut self) -> Vec<Stat> {
        self.look_among(all())
    }

    fn look_among(&mut self, mut all: Vec<Stat>) -> Vec<Stat> {
        all.retain(|seen| !seen.is_zombie);
        let known = &self.known;
        let is_known = |seen: &Stat| known.get(&seen.pid) == Some(&seen.began);
        // While one member lives, the group's id is not used again, so the group is still the
        // tree's.
        let group =
            self.owns_group && all.iter().any(|seen| seen.group == self.root && is_known(seen));
        let members = families(all, |seen| is_known(seen) || group && seen.group == self.root);
        self.known = members.values().map(|seen| (seen.pid, seen.began)).take(KNOWN_MAX).collect();
        members.into_values().collect()
    }

    /// Sends SIGTERM to the process group, where the tree owns one.
    pub(super) fn ask_to_end(&mut self) {
        if self.owns_group && !self.look().is_empty() {
            signal_group(self.root, Signal::TERM);
        }
    }

    /// Kills the tree, processes that left the group too.
    pub(super) fn end(&mut self) {
        let members = self.look();
        if self.owns_group && members.iter().any(|seen| seen.group == self.root) {
            signal_group(self.root, Signal::KILL);
        }
        for member in members {
            if let Some(pid) = number(member.pid) {
                // A failure means that the process has already ended.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn signal_group(group: u32, signal: Signal) {
    if let Some(pid) = number(group) {
        // A failure means that the group has already ended.
        let _ = kill_process_group(pid, signal);
    }
}

fn number(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Formats processes by name for a reader.
pub(super) fn names(processes: &[Stat]) -> String {
    let mut names: Vec<String> = processes
        .iter()
        .take(NAMED_MAX)
        .map(|seen| format!("{} (pid {})", seen.name, seen.pid))
        .collect();
    if processes.len() > NAMED_MAX {
        names.push(format!("{} more", processes.len() - NAMED_MAX));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, group: u32, began: u64) -> Stat {
        let name = format!("p{pid}");
        Stat { pid, name, parent, group, threads: 1, began, rss_pages: 1, is_zombie: false }
    }

    fn pids(found: &[Stat]) -> Vec<u32> {
        found.iter().map(|seen| seen.pid).collect()
    }

    #[test]
    fn who_was_seen_once_is_known_when_the_root_is_gone_and_he_is_in_no_group_of_ours() {
        let mut tree = ProcessTree { root: 10, owns_group: true, known: [(10, 5)].into() };
        let all = vec![
            process(10, 1, 10, 5),
            process(11, 10, 10, 6),
            process(12, 11, 12, 7),
            process(99, 1, 99, 3),
        ];
        assert_eq!(pids(&tree.look_among(all)), [10, 11, 12]);
        let all = vec![process(12, 1, 12, 7), process(11, 1, 11, 50), process(99, 1, 99, 3)];
        assert_eq!(pids(&tree.look_among(all)), [12], "11 is another process by now");
    }

    #[test]
    fn a_stranger_with_the_old_roots_number_is_left_alone_with_his_group() {
        let mut tree = ProcessTree { root: 10, owns_group: true, known: [(10, 5)].into() };
        let all = vec![process(10, 1, 10, 900), process(20, 10, 10, 901)];
        assert!(tree.look_among(all).is_empty());
    }

    #[test]
    fn an_orphan_that_was_never_seen_before_is_found_by_its_group() {
        let mut tree = ProcessTree { root: 10, owns_group: true, known: [(10, 5), (11, 6)].into() };
        let all = vec![process(11, 1, 10, 6), process(12, 1, 10, 7)];
        assert_eq!(pids(&tree.look_among(all)), [11, 12]);
    }
}
