//! Reads the memory cgroup of the server's main process: memory in use, limit, and how often the
//! kernel killed a process at that limit. Supports cgroup v1 and v2.
//!
//! A cgroup does not count what a GPU's driver allocates, so an unchanged count alone proves
//! nothing; a count that rises proves a kill at the limit.

pub(super) mod find;
#[cfg(test)]
mod tests;

use find::{MemoryCgroup, Version};

use super::host_sensors::HostReader;
use super::root::Root;
use crate::fact::Source;
use crate::series::{
    CGROUP_HIGH_HITS, CGROUP_LIMIT_HITS, CGROUP_MEMORY, CGROUP_MEMORY_MAX, CGROUP_OOM_KILLS,
    CGROUP_OOMS, Series,
};
use crate::unit::At;
use crate::world::{Observation, Sample, ServerPid};

/// Cadence: once a second.
const CADENCE_US: u64 = 1_000_000;

/// Limit from which on no limit is set: the kernel writes such a value where nobody set one.
const NO_LIMIT: f64 = 4.0e18;

/// Counters of `memory.events` in version 2, and their series.
const EVENTS: [(&str, Series); 4] = [
    ("oom_kill", CGROUP_OOM_KILLS),
    ("oom", CGROUP_OOMS),
    ("max", CGROUP_LIMIT_HITS),
    ("high", CGROUP_HIGH_HITS),
];

/// Reader of a server's cgroup.
pub(super) struct Cgroup {
    root: Root,
    server_pid: ServerPid,
    /// Process whose cgroup was found, and the cgroup.
    found: Option<(u32, MemoryCgroup)>,
}

impl Cgroup {
    /// Creates the reader of the server at `server_pid`.
    pub(super) fn new(root: Root, server_pid: ServerPid) -> Cgroup {
        Cgroup { root, server_pid, found: None }
    }

    /// Locates the cgroup. After its process has ended it stays: its last OOM kill is counted
    /// there.
    fn place(&mut self) -> Result<MemoryCgroup, String> {
        let pid = self.server_pid.pid();
        if let Some(pid) = pid
            && self.found.as_ref().is_none_or(|(of, _)| *of != pid)
        {
            let groups = self.root.read(&format!("/proc/{pid}/cgroup"));
            let mounts = self.root.read("/proc/self/mountinfo")?;
            match groups.and_then(|groups| find::place(&groups, &mounts)) {
                Ok(place) => self.found = Some((pid, place)),
                // The process may have ended already; the cgroup of an earlier process must not
                // stand in for it.
                Err(why) => {
                    self.found = None;
                    return Err(why);
                }
            }
        }
        let found = self.found.as_ref().map(|(_, place)| place.clone());
        found.ok_or_else(|| "the server's process is not known".to_owned())
    }
}

impl HostReader for Cgroup {
    fn source(&self) -> Source {
        Source::Container
    }

    fn what(&self) -> &'static str {
        "memory cgroup"
    }

    fn cadence_us(&self) -> u64 {
        CADENCE_US
    }

    fn read(&mut self, _: At) -> Result<Observation, String> {
        let place = self.place()?;
        let read = |file: &str| self.root.read(&format!("{}/{file}", place.folder));
        let texts = match place.version {
            Version::One => Texts {
                events: read("memory.oom_control"),
                memory: read("memory.usage_in_bytes"),
                limit: read("memory.limit_in_bytes"),
                hits: read("memory.failcnt").ok(),
            },
            Version::Two => Texts {
                events: read("memory.events"),
                memory: read("memory.current"),
                limit: read("memory.max"),
                hits: None,
            },
        };
        samples(&place.group, &texts).map(Observation::from)
    }
}

/// Texts of a cgroup's files.
struct Texts {
    events: Result<String, String>,
    memory: Result<String, String>,
    limit: Result<String, String>,
    /// Failure count of version 1, where it has a file of its own.
    hits: Option<String>,
}

/// Parses the files of a cgroup.
fn samples(group: &str, texts: &Texts) -> Result<Vec<Sample>, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let of =
        |series: &Series, value: Option<f64>| value.map(|value| Sample::of(group, series, value));
    let mut samples = Vec::new();
    if let Ok(events) = &texts.events {
        samples.extend(EVENTS.iter().filter_map(|(key, series)| of(series, event(events, key))));
    }
    samples.extend(of(&CGROUP_LIMIT_HITS, texts.hits.as_deref().and_then(number)));
    samples.extend(of(&CGROUP_MEMORY, texts.memory.as_deref().ok().and_then(number)));
    let limit = texts.limit.as_deref().ok().and_then(number).filter(|limit| *limit < NO_LIMIT);
    samples.extend(of(&CGROUP_MEMORY_MAX, limit));
    if samples.iter().any(|sample| sample.name == CGROUP_OOM_KILLS.name) {
        return Ok(samples);
    }
    Err(texts.events.clone().err().unwrap_or_else(|| format!("{group} counts no oom_kill")))
}

/// Parses a counter, such as `oom_kill 3`.
fn event(text: &str, key: &str) -> Option<f64> {
    let value = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| value.trim().parse().ok()).flatten()
    };
    text.lines().find_map(value)
}
