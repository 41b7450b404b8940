//! Models the memory of the server's process, and the noise in readings of memory.

use crate::rng::Rng;
use crate::unit::At;

/// The process's parts of the memory in use when the server is ready, as divisors: anonymous,
/// shared and file memory. The rest belongs to the system and to the GPU's driver, which no process
/// shows.
const ANONYMOUS_PART: u64 = 16;
const SHARED_PART: u64 = 256;
const FILES_PART: u64 = 128;
/// Threads of the process.
const THREADS: u64 = 137;
/// Files that the process has open without a request.
const FILES_OPEN: u64 = 64;
/// Size of a page.
const PAGE_BYTES: f64 = 4096.0;
const MIB: f64 = (1u64 << 20) as f64;

/// Memory that a process takes in its first minutes under load, and keeps: pools of allocators,
/// compiled shapes, caches of the tokenizer.
pub(crate) const FILL: GrowthUnit = GrowthUnit::Towards { bytes: 128.0 * MIB, within_s: 300.0 };

/// Noise of one time scale: a line through normal deviates, one for each period.
struct Noise {
    period_us: u64,
    deviation_bytes: f64,
}

const fn noise(period_s: u64, deviation_mib: f64) -> Noise {
    Noise { period_us: period_s * 1_000_000, deviation_bytes: deviation_mib * MIB }
}

/// Noise of the process's anonymous memory: buffers of the requests under way.
const OWN_NOISE: [Noise; 2] = [noise(30, 1.5), noise(600, 2.0)];
/// Noise of the available memory, by other processes of the machine.
const OTHERS_NOISE: [Noise; 3] = [noise(1, 3.0), noise(60, 12.0), noise(900, 16.0)];
/// Streams of random numbers.
const OWN: u64 = 0xC0;
const OTHERS: u64 = 0xC1;

/// Resources of the server's process, as sensors report them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessResources {
    pub anonymous_bytes: u64,
    pub shared_bytes: u64,
    /// Anonymous, shared and file memory.
    pub resident_bytes: u64,
    pub threads: u64,
    pub open_files: u64,
}

impl ProcessResources {
    /// Returns those of a process that grew by `grown_bytes`, where a ready server uses
    /// `ready_bytes`.
    pub(super) fn new(ready_bytes: u64, grown_bytes: f64) -> ProcessResources {
        let anonymous_bytes = whole_pages((ready_bytes / ANONYMOUS_PART) as f64 + grown_bytes);
        let shared_bytes = whole_pages((ready_bytes / SHARED_PART) as f64);
        let files_bytes = whole_pages((ready_bytes / FILES_PART) as f64);
        ProcessResources {
            anonymous_bytes,
            shared_bytes,
            resident_bytes: anonymous_bytes + shared_bytes + files_bytes,
            threads: THREADS,
            open_files: FILES_OPEN,
        }
    }
}

/// Memory growth of a process above its normal use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Growth {
    /// Begin of the growth; the start of the process if that is later.
    pub from: At,
    pub by: GrowthUnit,
}

/// Shape of memory growth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum GrowthUnit {
    /// Bytes per second, without end.
    Rate(f64),
    /// Final size in bytes, approached as `1 - exp(-t / within_s)`.
    Towards { bytes: f64, within_s: f64 },
}

impl Growth {
    /// Returns the growth in bytes by `at` of a process that was started at `started`.
    pub(super) fn bytes(&self, started: At, at: At) -> f64 {
        let us = at.since(self.from.max(started)) as f64;
        match self.by {
            GrowthUnit::Rate(bytes_per_s) => bytes_per_s * us / 1e6,
            GrowthUnit::Towards { bytes, within_s } => bytes * -(-us / 1e6 / within_s).exp_m1(),
        }
    }
}

/// Returns the noise in bytes of the anonymous memory of the process `pid` at an instant.
pub(super) fn own_noise(seed: u64, pid: u32, at: At) -> f64 {
    sum(&OWN_NOISE, at, |place| Rng::at(seed, &[OWN, u64::from(pid), place.0, place.1]))
}

/// Returns the noise in bytes of the memory in use by other processes.
pub(super) fn others_noise(seed: u64, at: At) -> f64 {
    sum(&OTHERS_NOISE, at, |place| Rng::at(seed, &[OTHERS, place.0, place.1]))
}

/// Adds up noise at an instant. `rng` has the deviate at a period and its number.
fn sum(all: &[Noise], at: At, rng: impl Fn((u64, u64)) -> Rng) -> f64 {
    let height = |noise: &Noise| {
        let (number, rest_us) = (at.0 / noise.period_us, at.0 % noise.period_us);
        let deviate = |number: u64| rng((noise.period_us, number)).normal();
        let part = rest_us as f64 / noise.period_us as f64;
        noise.deviation_bytes * ((1.0 - part) * deviate(number) + part * deviate(number + 1))
    };
    all.iter().map(height).sum()
}

/// Rounds to pages; never below 0.
pub(super) fn whole_pages(bytes: f64) -> u64 {
    ((bytes.max(0.0) / PAGE_BYTES).round() * PAGE_BYTES) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise over ten hours, one value for each minute, in MiB.
    fn hours(noise: impl Fn(At) -> f64) -> Vec<f64> {
        (0..600).map(|minute| noise(At(minute * 60_000_000 + 7_000_000)) / MIB).collect()
    }

    #[test]
    fn noise_is_some_mib_in_a_process_and_some_tens_on_its_machine() {
        let spread = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / values.len() as f64).sqrt()
        };
        let own = hours(|at| own_noise(7, 1000, at));
        let others = hours(|at| others_noise(7, at));
        assert!((1.0..4.0).contains(&spread(&own)), "{}", spread(&own));
        assert!((10.0..30.0).contains(&spread(&others)), "{}", spread(&others));
        assert_eq!(own, hours(|at| own_noise(7, 1000, at)), "the same in every reading");
        assert_ne!(own, hours(|at| own_noise(8, 1000, at)));
        assert_ne!(own, hours(|at| own_noise(7, 1001, at)), "another process");
    }

    #[test]
    fn what_a_process_grows_by_is_anonymous() {
        let before = ProcessResources::new(100 << 30, 0.0);
        let after = ProcessResources::new(100 << 30, 8.0 * MIB);
        assert_eq!(after.anonymous_bytes - before.anonymous_bytes, 8 << 20);
        assert_eq!(after.resident_bytes - before.resident_bytes, 8 << 20);
        assert_eq!(after.shared_bytes, before.shared_bytes);
    }
}
