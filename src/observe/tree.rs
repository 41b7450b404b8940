//! Reads the server's processes: their number, their memory by title, and the start time of the
//! main process. A main process that has ended is a value, not a miss. Processes that outlive it
//! are reported: engines can leave workers behind that hold the memory.

mod memory;

use std::collections::BTreeMap;
use std::fs;

use super::host_sensors::HostReader;
use super::root::Root;
use super::stat::{self, TICKS_PER_S};
use crate::fact::Source;
use crate::process::{Stat, families};
use crate::series::{OPEN_FILES, ORPHANS, PROCESS_STARTED, PROCESSES, THREADS};
use crate::unit::At;
use crate::world::{Observation, Sample, ServerPid};

/// Cadence of the known processes: once a second.
const CADENCE_US: u64 = 1_000_000;
/// Interval at which all processes of the machine are searched for new ones.
const SEARCH_US: u64 = 10_000_000;
/// Limit of the processes that are known; a server with several GPUs has some dozens.
const KNOWN_MAX: usize = 1_024;
/// Limit of the main process's open files that are counted.
const FILES_MAX: usize = 65_536;
/// Page size in bytes, where the kernel does not report it.
const PAGE_BYTES: u64 = 4_096;

/// Reader of a server's processes.
pub(super) struct ServerProcesses {
    root: Root,
    server_pid: ServerPid,
    /// Wall time of the boot, in seconds since 1970. Read once: it moves with the wall clock, and a
    /// start time that moved would be taken for a restart.
    booted_s: Option<f64>,
    page_bytes: u64,
    main: Option<Stat>,
    /// Start time and title by pid; a pid that is used again has another start time.
    known: BTreeMap<u32, (u64, String)>,
    searched: Option<At>,
}

impl ServerProcesses {
    /// Creates the reader of the server at `server_pid`.
    pub(super) fn new(root: Root, server_pid: ServerPid) -> ServerProcesses {
        let booted_s = root.read("/proc/stat").ok().and_then(|text| booted(&text));
        let page_bytes = root.read("/proc/self/smaps").ok().and_then(|text| page_bytes(&text));
        ServerProcesses {
            root,
            server_pid,
            booted_s,
            page_bytes: page_bytes.unwrap_or(PAGE_BYTES),
            main: None,
            known: BTreeMap::new(),
            searched: None,
        }
    }

    /// Searches all processes for descendants of the main process or of a known one.
    fn search(&mut self, main: u32) -> Result<(), String> {
        let entries = fs::read_dir(self.root.path("/proc"))
            .map_err(|why| format!("/proc: {}", super::root::plainly(&why)))?;
        let pids = entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let all: Vec<Stat> = pids.filter_map(|pid| stat::read(&self.root, pid)).collect();
        for found in families(all, |process| process.pid == main).into_values() {
            let is_known =
                self.known.get(&found.pid).is_some_and(|(began, _)| *began == found.began);
            // A process may set its title a while after its start.
            if is_known || self.known.len() < KNOWN_MAX {
                let command = self.root.read(&format!("/proc/{}/cmdline", found.pid));
                let title = stat::title(&found, &command.unwrap_or_default());
                self.known.insert(found.pid, (found.began, title));
            }
        }
        Ok(())
    }

    /// Returns the known processes that are alive, and forgets the others.
    fn alive(&mut self) -> Vec<(Stat, String)> {
        let root = self.root.clone();
        let mut alive = Vec::new();
        self.known.retain(|pid, (began, title)| {
            let stat = stat::read(&root, *pid).filter(|stat| stat.began == *began);
            let is_there = stat.is_some();
            alive.extend(stat.map(|stat| (stat, title.clone())));
            is_there
        });
        alive
    }

    fn files(&self, pid: u32) -> Option<Sample> {
        let entries = fs::read_dir(self.root.path(&format!("/proc/{pid}/fd"))).ok()?;
        Some(Sample::one(&OPEN_FILES, entries.take(FILES_MAX).count() as f64))
    }
}

impl HostReader for ServerProcesses {
    fn source(&self) -> Source {
        Source::Process
    }

    fn what(&self) -> &'static str {
        "processes"
    }

    fn cadence_us(&self) -> u64 {
        CADENCE_US
    }

    fn read(&mut self, now: At) -> Result<Observation, String> {
        let pid = self.server_pid.pid();
        if pid.is_none() && self.main.is_none() && self.known.is_empty() {
            return Err("the server's process is not known".to_owned());
        }
        let main = pid.and_then(|pid| stat::read(&self.root, pid));
        let is_another = main.as_ref().map(|it| (it.pid, it.began))
            != self.main.as_ref().map(|it| (it.pid, it.began));
        let due = self.searched.is_none_or(|at| now.since(at) >= SEARCH_US);
        let mut samples = Vec::new();
        if let Some(main) = &main
            && (due || is_another)
        {
            self.searched = Some(now);
            self.search(main.pid)?;
            samples.extend(self.files(main.pid));
        }
        let alive = self.alive();
        let (own, orphans) = main.as_ref().map_or((0, alive.len()), |main| {
            let own = count_of(&alive, main.pid);
            (own, alive.len() - own)
        });
        samples.push(Sample::one(&PROCESSES, own as f64));
        samples.push(Sample::one(&ORPHANS, orphans as f64));
        let threads: u64 = alive.iter().map(|(stat, _)| stat.threads).sum();
        samples.push(Sample::one(&THREADS, threads as f64));
        samples.extend(self.memory(&alive));
        if let (Some(main), Some(booted_s)) = (&main, self.booted_s) {
            let began_s = booted_s + main.began as f64 / TICKS_PER_S;
            samples.push(Sample::one(&PROCESS_STARTED, began_s));
        }
        self.main = main.or_else(|| self.main.take());
        Ok(samples.into())
    }
}

/// Counts the main process and its descendants.
fn count_of(alive: &[(Stat, String)], main: u32) -> usize {
    let all = alive.iter().map(|(process, _)| process.clone()).collect();
    families(all, |process| process.pid == main).len()
}

/// Parses the boot time, such as `btime 1763990000`.
fn booted(text: &str) -> Option<f64> {
    let seconds: u64 =
        text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(seconds as f64)
}

/// Parses the page size, such as `KernelPageSize:        4 kB`.
fn page_bytes(text: &str) -> Option<u64> {
    let size = text.lines().find_map(|line| line.strip_prefix("KernelPageSize:"))?;
    let kib: u64 = size.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests;
