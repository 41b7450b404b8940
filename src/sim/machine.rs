//! Models the engine's machine: its memory, its kernel's OOM killer, and the server's process, as
//! sensors report them. Knows nothing of HTTP.

mod memory;

pub(crate) use memory::{Growth, GrowthUnit, ProcessResources};

use super::job::ProcessExit;
use super::setup::Setup;
use crate::rng::Rng;
use crate::unit::At;

/// Memory that is still available at an OOM kill: the kernel kills before the last page is used.
pub(crate) const MEMORY_LEFT_BYTES: u64 = 256 << 20;
/// Divisor for the system's part of the memory in use when the server is ready.
const SYSTEM_PART: u64 = 16;

/// State of the machine at an instant, as sensors report it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MachineState {
    /// Total memory.
    pub memory_total_bytes: u64,
    /// Available memory (`MemAvailable`).
    pub memory_available_bytes: u64,
    /// Number of OOM kills since the machine was booted.
    pub oom_kills: u64,
    /// Process id of the server, while it runs.
    pub pid: Option<u32>,
    /// Start time of that process.
    pub process_started: Option<At>,
    /// Resources of that process.
    pub resources: Option<ProcessResources>,
    /// Whether the server's port is open.
    pub listening: bool,
    /// Whether the machine is reachable; without power no sensor returns a reading.
    pub reachable: bool,
    /// Number of ends of the server's process, of any kind.
    pub exits: u64,
    /// Kind of the last end.
    pub last_exit: Option<ProcessExit>,
    /// Boot id of the kernel; changes with each boot.
    pub boot_id: String,
    /// For each ailment how often it happened, or how many requests it hit.
    pub ailment_hits: Vec<u64>,
}

/// Horizon of the search for memory exhaustion: a hundred years.
const FOR_EVER_US: u64 = 100 * 365 * 86_400 * 1_000_000;

#[derive(Clone, Debug)]
pub(crate) struct Machine {
    seed: u64,
    total_bytes: u64,
    ready_bytes: u64,
    /// Whether readings of memory have noise: not on a machine whose speed has none.
    has_noise: bool,
    oom_kills: u64,
    process: Option<(u32, At)>,
    growths: Vec<Growth>,
    /// Memory that the process takes in its first minutes under load.
    fill: Option<Growth>,
    /// Memory that requests of the process did not give back, bytes.
    leaked_bytes: f64,
    /// Memory that ended processes did not give back, bytes.
    kept_bytes: f64,
    /// Time at which the growth will have used up the memory.
    exhausted: Option<At>,
    exits: u64,
    last_exit: Option<ProcessExit>,
    boots: u64,
    reachable: bool,
}

impl Machine {
    /// Creates a machine on which no server runs.
    pub(crate) fn new(setup: &Setup, seed: u64) -> Machine {
        Machine {
            seed,
            total_bytes: setup.profile.memory_bytes,
            ready_bytes: setup.profile.memory_ready_bytes,
            has_noise: setup.profile.noise_within > 0.0,
            oom_kills: 0,
            process: None,
            growths: Vec::new(),
            fill: None,
            leaked_bytes: 0.0,
            kept_bytes: 0.0,
            exhausted: None,
            exits: 0,
            last_exit: None,
            boots: 0,
            reachable: true,
        }
    }

    /// Sets the growth of the process.
    pub(crate) fn grow(&mut self, growths: Vec<Growth>) {
        self.growths = growths;
        self.exhausted = self.predict_oom();
    }

    /// Begins the fill of the ready process under load.
    pub(crate) fn fill(&mut self, from: At) {
        self.fill = Some(Growth { from, by: memory::FILL });
        self.exhausted = self.predict_oom();
    }

    /// Adds memory that a request of the process did not give back.
    pub(crate) fn leak(&mut self, bytes: f64) {
        if bytes > 0.0 {
            self.leaked_bytes += bytes;
            self.exhausted = self.predict_oom();
        }
    }

    /// Adds memory that an ended process did not give back.
    pub(crate) fn keep(&mut self, bytes: f64) {
        self.kept_bytes += bytes;
    }

    /// Records the start of the server's process.
    pub(crate) fn start(&mut self, at: At, start: u64) {
        let pid = 1000 + 100 * start + Rng::at(self.seed, &[0xB1, start]).below(100);
        self.process = Some((pid as u32, at));
        (self.fill, self.leaked_bytes) = (None, 0.0);
        self.exhausted = self.predict_oom();
    }

    /// Records the end of the server's process.
    pub(crate) fn exit(&mut self, exit: ProcessExit) {
        self.process = None;
        self.exhausted = None;
        self.exits += 1;
        self.last_exit = Some(exit);
        self.reachable = exit != ProcessExit::PowerCut;
    }

    /// Records a boot; the new kernel's OOM counter begins at 0, and it has all memory.
    pub(crate) fn boot(&mut self) {
        self.kept_bytes = 0.0;
        self.reachable = true;
        self.boots += 1;
        self.oom_kills = 0;
    }

    /// Returns the boot id in the format of Linux.
    fn boot_id(&self) -> String {
        // The first boot's random address has one part, so that counting boots does not change its
        // id.
        let address = [0xB0, self.boots];
        let mut rng = Rng::at(self.seed, &address[..if self.boots == 0 { 1 } else { 2 }]);
        let (high, low) = (rng.bits(), rng.bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xFFFF,
            high & 0xFFF,
            low >> 52,
            low & 0xFFFF_FFFF_FFFF
        )
    }

    /// Counts an OOM kill.
    pub(crate) fn count_oom_kill(&mut self) {
        self.oom_kills += 1;
    }

    /// Returns the process id and the start time of the server.
    pub(crate) fn process(&self) -> Option<(u32, At)> {
        self.process
    }

    /// Returns the time at which the memory will be used up; `None` for never.
    pub(crate) fn exhausted(&self) -> Option<At> {
        self.exhausted
    }

    /// Returns the growth in bytes of the current process by `at`.
    fn grown(&self, at: At) -> f64 {
        let Some((_, started)) = self.process else { return 0.0 };
        let growths = self.growths.iter().chain(&self.fill);
        self.leaked_bytes + growths.map(|growth| growth.bytes(started, at)).sum::<f64>()
    }

    /// Predicts when the growth will have used up the memory. The sum never falls, so bisection
    /// finds the instant.
    fn predict_oom(&self) -> Option<At> {
        let (_, started) = self.process?;
        let room = self.total_bytes.saturating_sub(self.ready_bytes + MEMORY_LEFT_BYTES) as f64
            - self.kept_bytes;
        let last = self.growths.iter().chain(&self.fill).map(|growth| growth.from).max();
        let last = last.unwrap_or(started).max(started);
        let (mut low, mut high) = (started.0, last.0.saturating_add(FOR_EVER_US));
        if self.grown(At(high)) < room {
            return None;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.grown(At(middle)) < room { low = middle + 1 } else { high = middle }
        }
        Some(At(low))
    }

    /// Returns the state of the machine as sensors report it.
    pub(crate) fn view(&self, at: At, listening: bool) -> MachineState {
        let noise = |bytes: f64| if self.has_noise { bytes } else { 0.0 };
        let grown = self
            .process
            .map(|(pid, _)| self.grown(at) + noise(memory::own_noise(self.seed, pid, at)));
        let server_bytes = match grown {
            Some(grown) => self.ready_bytes as f64 + grown,
            None => (self.ready_bytes / SYSTEM_PART) as f64,
        };
        let others = noise(memory::others_noise(self.seed, at));
        let used = memory::whole_pages(server_bytes + self.kept_bytes + others);
        MachineState {
            memory_total_bytes: self.total_bytes,
            memory_available_bytes: self.total_bytes.saturating_sub(used),
            oom_kills: self.oom_kills,
            pid: self.process.map(|(pid, _)| pid),
            process_started: self.process.map(|(_, started)| started),
            resources: grown.map(|grown| ProcessResources::new(self.ready_bytes, grown)),
            listening,
            reachable: self.reachable,
            exits: self.exits,
            last_exit: self.last_exit,
            boot_id: self.boot_id(),
            ailment_hits: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::setup::tests::record;

    /// A machine with a process that grows like this from its start.
    fn growing(growths: &[(u64, GrowthUnit)]) -> Machine {
        let mut setup = record(1.0);
        setup.profile.noise_within = 0.0;
        let mut machine = Machine::new(&setup, 7);
        machine
            .grow(growths.iter().map(|(from, by)| Growth { from: At(*from), by: *by }).collect());
        assert_eq!(machine.exhausted(), None, "nothing leaks without a process");
        machine.start(At(0), 0);
        machine
    }

    const LEAK: GrowthUnit = GrowthUnit::Rate(1e9);

    /// Growth towards a size, as a cache that fills.
    fn towards(bytes: f64) -> GrowthUnit {
        GrowthUnit::Towards { bytes, within_s: 1200.0 }
    }

    #[test]
    fn two_leaks_use_memory_up_sooner_than_one() {
        let one = growing(&[(0, LEAK)]).exhausted().expect("a leak ends");
        let two = growing(&[(0, LEAK), (10_000_000, LEAK)]).exhausted().expect("both end");
        assert!(two < one && two > At(one.0 / 2), "{two:?} {one:?}");
        assert_eq!(growing(&[]).exhausted(), None);
    }

    #[test]
    fn a_leak_that_plateaus_uses_memory_up_only_if_it_does_not_fit() {
        // The record's machine has 28 GiB left, of which the kernel keeps a quarter of one.
        let gib = f64::from(1 << 30);
        let fits = growing(&[(0, towards(27.0 * gib))]);
        assert_eq!(fits.exhausted(), None);
        assert!(growing(&[(0, towards(29.0 * gib))]).exhausted().is_some());
        let left = |machine: &Machine, minutes: u64| {
            machine.view(At(minutes * 60_000_000), true).memory_available_bytes as f64 / gib
        };
        assert!((left(&fits, 20) - (28.0 - 27.0 * (1.0 - (-1.0f64).exp()))).abs() < 0.01);
        assert!((left(&fits, 600) - 1.0).abs() < 0.01 && left(&fits, 600) >= left(&fits, 6000));
        let both = growing(&[(0, towards(27.0 * gib)), (0, GrowthUnit::Rate(1e6))]);
        let end = both.exhausted().expect("the rest leaks away");
        assert!(both.grown(end) >= 27.75 * gib && both.grown(At(end.0 - 1)) < 27.75 * gib);
    }

    #[test]
    fn memory_comes_back_when_the_process_is_gone() {
        let mut machine = growing(&[(0, LEAK)]);
        let before = machine.view(At(1_000_000), true);
        machine.exit(ProcessExit::Killed);
        let after = machine.view(At(2_000_000), false);
        assert!(after.memory_available_bytes > before.memory_available_bytes + (50 << 30));
        assert_eq!((before.exits, after.exits, after.pid), (0, 1, None));
        assert_eq!(before.boot_id, after.boot_id);
    }

    #[test]
    fn a_power_cut_takes_the_box_away_until_its_kernel_begins_anew() {
        let mut machine = growing(&[]);
        machine.count_oom_kill();
        let before = machine.view(At(0), true);
        machine.exit(ProcessExit::PowerCut);
        assert!(!machine.view(At(1), false).reachable);
        machine.boot();
        let after = machine.view(At(2), false);
        assert!(before.reachable && after.reachable && before.boot_id != after.boot_id);
        assert_eq!((before.oom_kills, after.oom_kills), (1, 0));
    }

    #[test]
    fn the_process_shows_what_the_machine_misses() {
        let mut machine = growing(&[(0, GrowthUnit::Rate(1e6))]);
        machine.fill(At(0));
        machine.leak(5e7);
        let (before, after) = (machine.view(At(0), true), machine.view(At(3_600_000_000), true));
        let anonymous = |state: &MachineState| state.resources.expect("it runs").anonymous_bytes;
        let grown = anonymous(&after) - anonymous(&before);
        assert_eq!(grown, before.memory_available_bytes - after.memory_available_bytes);
        assert!(grown > 3_600_000_000 + (127 << 20), "{grown}");
        machine.exit(ProcessExit::Killed);
        assert_eq!(machine.view(At(1), false).resources, None);
    }

    #[test]
    fn a_leak_of_requests_ends_with_its_process_and_can_use_memory_up() {
        let mut machine = growing(&[]);
        machine.leak(27.0 * f64::from(1 << 30));
        assert_eq!(machine.exhausted(), None);
        machine.leak(f64::from(1 << 30));
        assert_eq!(machine.exhausted(), Some(At(0)));
        machine.exit(ProcessExit::Killed);
        machine.start(At(5), 1);
        assert_eq!(machine.exhausted(), None);
    }

    #[test]
    fn what_an_ended_process_keeps_is_missing_until_a_boot() {
        let mut machine = growing(&[]);
        let left = |machine: &Machine| machine.view(At(10), false).memory_available_bytes >> 30;
        machine.exit(ProcessExit::Killed);
        let whole = left(&machine);
        machine.keep(f64::from(1u32 << 31));
        assert_eq!(left(&machine), whole - 2);
        machine.keep(27.0 * f64::from(1 << 30));
        machine.start(At(20), 1);
        assert_eq!(machine.exhausted(), Some(At(20)), "it no longer fits");
        machine.exit(ProcessExit::EngineDied);
        machine.boot();
        assert_eq!(left(&machine), whole);
    }
}
