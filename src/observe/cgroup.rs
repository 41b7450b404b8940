//! The memory cgroup that the server's main process is in: how much it has, its
//! limit, and how often the kernel killed at it. Of version 1 and 2.
//!
//! A cgroup does not see what a GPU's driver allocates, so a count that stands
//! still proves nothing alone; a count that rises proves a kill at the limit.

mod find;
#[cfg(test)]
mod tests;

use find::{MemoryCgroup, Version};

use super::nearby::HostReader;
use super::root::Root;
use crate::fact::Source;
use crate::series::{
    CGROUP_HIGH_HITS, CGROUP_LIMIT_HITS, CGROUP_MEMORY, CGROUP_MEMORY_MAX, CGROUP_OOM_KILLS,
    CGROUP_OOMS, Series,
};
use crate::unit::At;
use crate::world::{Look, Sample, Whereabouts};

/// Once a second.
const CADENCE_US: u64 = 1_000_000;

/// A limit from here on is none: what the kernel writes where nobody set one.
const NO_LIMIT: f64 = 4.0e18;

/// What version 2 counts in `memory.events`, and the series.
const EVENTS: [(&str, Series); 4] = [
    ("oom_kill", CGROUP_OOM_KILLS),
    ("oom", CGROUP_OOMS),
    ("max", CGROUP_LIMIT_HITS),
    ("high", CGROUP_HIGH_HITS),
];

/// Reads the cgroup of a server.
pub(super) struct Cgroup {
    root: Root,
    whereabouts: Whereabouts,
    /// The process whose cgroup this is, and where the cgroup is.
    found: Option<(u32, MemoryCgroup)>,
}

impl Cgroup {
    /// Of the server that is where somebody says.
    pub(super) fn new(root: Root, whereabouts: Whereabouts) -> Cgroup {
        Cgroup { root, whereabouts, found: None }
    }

    /// Where the cgroup is. That of a process that is gone stays: its last kill is told there.
    fn place(&mut self) -> Result<MemoryCgroup, String> {
        let pid = self.whereabouts.pid();
        if let Some(pid) = pid
            && self.found.as_ref().is_none_or(|(of, _)| *of != pid)
        {
            let groups = self.root.read(&format!("/proc/{pid}/cgroup"));
            let mounts = self.root.read("/proc/self/mountinfo")?;
            match groups.and_then(|groups| find::place(&groups, &mounts)) {
                Ok(place) => self.found = Some((pid, place)),
                // It may be gone already; the cgroup of the one before is no answer.
                Err(why) => {
                    self.found = None;
                    return Err(why);
                }
            }
        }
        let found = self.found.as_ref().map(|(_, place)| place.clone());
        found.ok_or_else(|| "nobody knows the server's process".to_owned())
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

    fn read(&mut self, _: At) -> Result<Look, String> {
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
        samples(&place.group, &texts).map(Look::from)
    }
}

/// The texts of a cgroup's files.
struct Texts {
    events: Result<String, String>,
    memory: Result<String, String>,
    limit: Result<String, String>,
    /// Of version 1, where it is a file of its own.
    hits: Option<String>,
}

/// What the files of a cgroup say.
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

/// `oom_kill 3`.
fn event(text: &str, key: &str) -> Option<f64> {
    let value = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| value.trim().parse().ok()).flatten()
    };
    text.lines().find_map(value)
}
