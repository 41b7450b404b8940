//! Reads the memory of the server's machine from `/proc/meminfo`. On a machine whose GPU shares it,
//! this is the GPU's memory too, and there is no other source: a cgroup does not count what CUDA
//! allocates, and `nvidia-smi` prints `N/A`.
//!
//! A reboot of the machine is no series here: the boot id is in `opened` and in the segments of
//! `run.json`.

use super::host_sensors::HostReader;
use super::root::Root;
use crate::fact::Source;
use crate::meminfo::{self, PATH};
use crate::series::{CACHED_BYTES, MEM_AVAILABLE, MEM_FREE, SWAP_FREE, Series};
use crate::unit::At;
use crate::world::{Observation, Sample};

/// Cadence: twice a second. A loss of 20 GiB within 1.5 s has been observed.
const CADENCE_US: u64 = 500_000;

/// Series with the kernel's names for them. The first is mandatory.
const NAMES: [(Series, &str); 4] = [
    (MEM_AVAILABLE, meminfo::AVAILABLE),
    (MEM_FREE, "MemFree"),
    (SWAP_FREE, "SwapFree"),
    (CACHED_BYTES, "Cached"),
];

/// Reader of the machine's memory.
pub(super) struct HostMemory {
    root: Root,
}

impl HostMemory {
    /// Creates the reader of the machine at `root`.
    pub(super) fn new(root: Root) -> HostMemory {
        HostMemory { root }
    }
}

impl HostReader for HostMemory {
    fn source(&self) -> Source {
        Source::Host
    }

    fn what(&self) -> &'static str {
        PATH
    }

    fn cadence_us(&self) -> u64 {
        CADENCE_US
    }

    fn read(&mut self, _: At) -> Result<Observation, String> {
        let samples = samples(&self.root.read(PATH)?);
        if samples.first().is_none_or(|sample| sample.name != NAMES[0].0.name) {
            return Err(format!("{PATH} has no {}", NAMES[0].1));
        }
        Ok(samples.into())
    }
}

fn samples(text: &str) -> Vec<Sample> {
    let of = |(series, key): &(Series, &str)| {
        Some(Sample::one(series, meminfo::bytes(text, key)? as f64))
    };
    NAMES.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::scratch::Scratch;

    const TEXT: &str = "MemTotal:       127600748 kB\nMemFree:         2904472 kB\n\
                        MemAvailable:   54525952 kB\nCached:         52000000 kB\n\
                        SwapCached:            8 kB\nSwapFree:              0 kB\n";

    #[test]
    fn memory_is_read_in_bytes_and_what_is_cached_for_swap_is_not_taken_for_the_cache() {
        let scratch = Scratch::new();
        scratch.write(PATH, TEXT);
        let look = HostMemory::new(scratch.root()).read(At::ZERO).unwrap();
        let values: Vec<(&str, f64)> =
            look.samples.iter().map(|it| (it.name.as_str(), it.value)).collect();
        assert_eq!(
            values,
            [
                ("mem_available_bytes", 54_525_952.0 * 1024.0),
                ("mem_free_bytes", 2_904_472.0 * 1024.0),
                ("swap_free_bytes", 0.0),
                ("cached_bytes", 52_000_000.0 * 1024.0),
            ]
        );
    }

    #[test]
    fn a_kernel_that_does_not_say_what_is_available_is_a_miss() {
        let scratch = Scratch::new();
        let mut host = HostMemory::new(scratch.root());
        assert_eq!(host.read(At::ZERO), Err("/proc/meminfo: no such file".to_owned()));
        scratch.write(PATH, "MemFree:  5 kB\n");
        assert_eq!(host.read(At::ZERO), Err("/proc/meminfo has no MemAvailable".to_owned()));
    }

    #[test]
    fn this_machine_can_be_read() {
        assert!(HostMemory::new(Root::here()).read(At::ZERO).unwrap().samples[0].value > 0.0);
    }
}
