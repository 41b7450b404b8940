//! The box the engine stands in: its memory, its kernel's OOM killer, and the
//! server's process. What a sensor on the box would see, and nothing of HTTP.

use super::job::Exit;
use super::setup::Setup;
use crate::rng::Rng;
use crate::unit::At;

/// Left when the kernel kills: an OOM killer does not wait for the last page.
const MEMORY_LEFT_BYTES: u64 = 256 << 20;
/// Of the memory in use with the server ready, what is the system's own: 1 in so many.
const SYSTEM_PART: u64 = 16;

/// What a sensor on the box sees at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxView {
    /// Memory of the box.
    pub memory_total_bytes: u64,
    /// Memory that could still be had (`MemAvailable`).
    pub memory_available_bytes: u64,
    /// Processes that the kernel's OOM killer has killed since the box was booted.
    pub oom_kills: u64,
    /// The server's process, while there is one.
    pub pid: Option<u32>,
    /// When that process was started.
    pub process_started: Option<At>,
    /// Whether the server's port is open.
    pub listening: bool,
    /// Times that the server's process ended, however it did.
    pub exits: u64,
    /// How it ended last.
    pub last_exit: Option<Exit>,
    /// Changes when the box is booted.
    pub boot_id: String,
}

/// A leak: from when on, and how fast, bytes per second.
pub type Leak = (At, f64);

/// The box.
#[derive(Clone, Debug)]
pub struct Machine {
    seed: u64,
    total_bytes: u64,
    ready_bytes: u64,
    oom_kills: u64,
    process: Option<(u32, At)>,
    exits: u64,
    last_exit: Option<Exit>,
    boot_id: String,
}

impl Machine {
    /// A box with no server on it.
    pub fn new(setup: &Setup, seed: u64) -> Machine {
        let mut rng = Rng::at(seed, &[0xB0]);
        let (high, low) = (rng.bits(), rng.bits());
        let boot_id = format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xFFFF,
            high & 0xFFF,
            low >> 52,
            low & 0xFFFF_FFFF_FFFF
        );
        Machine {
            seed,
            total_bytes: setup.profile.memory_bytes,
            ready_bytes: setup.profile.memory_ready_bytes,
            oom_kills: 0,
            process: None,
            exits: 0,
            last_exit: None,
            boot_id,
        }
    }

    /// The server's process was started.
    pub fn start(&mut self, at: At, start: u64) {
        let pid = 1000 + 100 * start + Rng::at(self.seed, &[0xB1, start]).below(100);
        self.process = Some((pid as u32, at));
    }

    /// The server's process ended.
    pub fn exit(&mut self, exit: Exit) {
        self.process = None;
        self.exits += 1;
        self.last_exit = Some(exit);
    }

    /// The kernel killed the engine.
    pub fn count_oom_kill(&mut self) {
        self.oom_kills += 1;
    }

    /// The server's process: its number and when it was started.
    pub fn process(&self) -> Option<(u32, At)> {
        self.process
    }

    /// Bytes that leaked from the present process by `at`.
    fn leaked(&self, leaks: &[Leak], at: At) -> f64 {
        let Some((_, started)) = self.process else { return 0.0 };
        leaks.iter().map(|(from, rate)| rate * at.since(*from.max(&started)) as f64 / 1e6).sum()
    }

    /// When the leaks will have used up the memory; `None` for never.
    pub fn exhausted(&self, leaks: &[Leak]) -> Option<At> {
        let (_, started) = self.process?;
        let room = self.total_bytes.saturating_sub(self.ready_bytes + MEMORY_LEFT_BYTES) as f64;
        let mut starts: Vec<At> = leaks.iter().map(|(from, _)| *from.max(&started)).collect();
        starts.sort_unstable();
        // Growth is linear from one start of a leak to the next: find the piece it ends in.
        starts.iter().enumerate().find_map(|(index, from)| {
            let rate: f64 =
                leaks.iter().filter(|(start, _)| start <= from).map(|(_, rate)| rate).sum();
            let left = room - self.leaked(leaks, *from);
            let end = At(from.0.saturating_add((left.max(0.0) / rate * 1e6).ceil() as u64));
            (rate > 0.0 && starts.get(index + 1).is_none_or(|next| end <= *next)).then_some(end)
        })
    }

    /// What a sensor sees.
    pub fn view(&self, leaks: &[Leak], at: At, listening: bool) -> BoxView {
        let used = match self.process {
            Some(_) => self.ready_bytes.saturating_add(self.leaked(leaks, at) as u64),
            None => self.ready_bytes / SYSTEM_PART,
        };
        BoxView {
            memory_total_bytes: self.total_bytes,
            memory_available_bytes: self.total_bytes.saturating_sub(used),
            oom_kills: self.oom_kills,
            pid: self.process.map(|(pid, _)| pid),
            process_started: self.process.map(|(_, started)| started),
            listening,
            exits: self.exits,
            last_exit: self.last_exit,
            boot_id: self.boot_id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::setup::tests::record;

    #[test]
    fn two_leaks_use_memory_up_sooner_than_one() {
        let mut machine = Machine::new(&record(1.0), 7);
        assert_eq!(machine.exhausted(&[(At(0), 1e9)]), None, "nothing leaks without a process");
        machine.start(At(0), 0);
        let one = machine.exhausted(&[(At(0), 1e9)]).expect("a leak ends");
        let two = machine.exhausted(&[(At(0), 1e9), (At(10_000_000), 1e9)]).expect("both end");
        assert!(two < one && two > At(one.0 / 2), "{two:?} {one:?}");
        assert_eq!(machine.exhausted(&[]), None);
    }

    #[test]
    fn memory_comes_back_when_the_process_is_gone() {
        let mut machine = Machine::new(&record(1.0), 7);
        machine.start(At(0), 0);
        let leaks = [(At(0), 1e9)];
        let before = machine.view(&leaks, At(1_000_000), true);
        machine.exit(Exit::Killed);
        let after = machine.view(&leaks, At(2_000_000), false);
        assert!(after.memory_available_bytes > before.memory_available_bytes + (50 << 30));
        assert_eq!((before.exits, after.exits, after.pid), (0, 1, None));
        assert_eq!(before.boot_id, after.boot_id);
    }
}
