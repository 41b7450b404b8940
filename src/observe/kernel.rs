//! Reads the kernel's count of OOM kills from `/proc/vmstat`, which every user may read, while the
//! kernel's log needs permission. It counts the whole machine: kills at a cgroup's limit and kills
//! for lack of memory alike.

use super::host_sensors::HostReader;
use super::root::Root;
use crate::fact::Source;
use crate::series::OOM_KILLS;
use crate::unit::At;
use crate::world::{Observation, Sample};

const PATH: &str = "/proc/vmstat";
const KEY: &str = "oom_kill";

/// Cadence: once a second, to separate a kill from the failures that follow it.
const CADENCE_US: u64 = 1_000_000;

/// Reader of the count.
pub(super) struct OomKills {
    root: Root,
}

impl OomKills {
    /// Creates the reader of the machine at `root`.
    pub(super) fn new(root: Root) -> OomKills {
        OomKills { root }
    }
}

impl HostReader for OomKills {
    fn source(&self) -> Source {
        Source::Kernel
    }

    fn what(&self) -> &'static str {
        PATH
    }

    fn cadence_us(&self) -> u64 {
        CADENCE_US
    }

    fn read(&mut self, _: At) -> Result<Observation, String> {
        let text = self.root.read(PATH)?;
        let kills = count(&text).ok_or_else(|| format!("{PATH} has no {KEY}"))?;
        Ok(vec![Sample::one(&OOM_KILLS, kills as f64)].into())
    }
}

fn count(text: &str) -> Option<u64> {
    let value = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        (key == KEY).then(|| value.trim().parse().ok()).flatten()
    };
    text.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::scratch::Scratch;

    #[test]
    fn the_count_is_found_among_the_others() {
        assert_eq!(count("pgfree 9\noom_kill_x 5\noom_kill 3\nnuma_hit 1\n"), Some(3));
    }

    #[test]
    fn a_kernel_without_the_count_is_a_miss_and_says_so() {
        let scratch = Scratch::new();
        scratch.write(PATH, "pgfree 9\n");
        let looked = OomKills::new(scratch.root()).read(At::ZERO);
        assert_eq!(looked, Err("/proc/vmstat has no oom_kill".to_owned()));
    }
}
