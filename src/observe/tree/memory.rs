//! Reads the memory of the server's processes. Anonymous, shared and swapped memory come from
//! `/proc/PID/status`, which holds counts that the kernel keeps anyway. `smaps_rollup` has the
//! proportional share of each page (PSS) as well, but walks all pages of a process for it: on an
//! engine of 100 GiB that would distort the measurement.

use std::collections::BTreeMap;

use super::ServerProcesses;
use crate::process::Stat;
use crate::series::{ANONYMOUS, RSS, SHARED, SWAPPED};
use crate::world::Sample;

/// Memory of a process by kind, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct MemoryKinds {
    anonymous: u64,
    shared: u64,
    swapped: u64,
}

impl MemoryKinds {
    /// Parses a process's `status`; `None` without these lines, as before Linux 4.5.
    fn parse(status: &str) -> Option<MemoryKinds> {
        let bytes = |name: &str| {
            let size = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(size.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
        };
        Some(MemoryKinds {
            anonymous: bytes("RssAnon:")?,
            shared: bytes("RssShmem:")?,
            swapped: bytes("VmSwap:").unwrap_or(0),
        })
    }

    fn add(&mut self, other: MemoryKinds) {
        self.anonymous += other.anonymous;
        self.shared += other.shared;
        self.swapped += other.swapped;
    }

    fn samples(self, title: &str) -> [Sample; 2] {
        [
            Sample::of(title, &ANONYMOUS, self.anonymous as f64),
            Sample::of(title, &SHARED, self.shared as f64),
        ]
    }
}

impl ServerProcesses {
    /// Sums memory by title, and over all processes.
    pub(super) fn memory(&self, alive: &[(Stat, String)]) -> Vec<Sample> {
        let mut resident: BTreeMap<&str, u64> = BTreeMap::new();
        let mut kinds: BTreeMap<&str, MemoryKinds> = BTreeMap::new();
        for (stat, title) in alive {
            *resident.entry(title).or_default() += stat.rss_pages * self.page_bytes;
            let status = self.root.read(&format!("/proc/{}/status", stat.pid));
            // A process that ended since its `stat` was read has no memory any more.
            if let Some(read) = status.ok().and_then(|text| MemoryKinds::parse(&text)) {
                kinds.entry(title).or_default().add(read);
            }
        }
        let of_title = |(title, bytes)| Sample::of(title, &RSS, bytes as f64);
        let mut samples: Vec<Sample> = resident.into_iter().map(of_title).collect();
        let mut whole = MemoryKinds::default();
        for part in kinds.values() {
            whole.add(*part);
        }
        if !kinds.is_empty() {
            samples.extend(whole.samples(""));
            samples.push(Sample::one(&SWAPPED, whole.swapped as f64));
        }
        if kinds.len() > 1 {
            samples.extend(kinds.into_iter().flat_map(|(title, part)| part.samples(title)));
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_of_memory_stand_among_the_other_lines_of_a_status() {
        let status = "Name:\tpython3\nVmRSS:\t 3158916 kB\nRssAnon:\t 3152672 kB\n\
                      RssFile:\t    6244 kB\nRssShmem:\t      12 kB\nVmSwap:\t       7 kB\n";
        let read = MemoryKinds { anonymous: 3_152_672 << 10, shared: 12 << 10, swapped: 7 << 10 };
        assert_eq!(MemoryKinds::parse(status), Some(read));
        assert_eq!(MemoryKinds::parse("Name:\tkthreadd\nThreads:\t1\n"), None);
    }
}
