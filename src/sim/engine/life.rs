//! The life of the server's process: how it starts, hangs, dies and comes back.

use std::collections::BTreeSet;

use super::{Engine, Frozen, Life};
use crate::sim::ailment::Kind;
use crate::sim::job::{ENGINE_DEAD, Exit, Happening, JobId};
use crate::sim::metrics::Metrics;
use crate::sim::pace::Pace;
use crate::sim::scheduler::Scheduler;
use crate::unit::At;

impl Engine {
    pub(super) fn start(&mut self) {
        let Life::Down { back: Some((_, ready)) } = self.life else { return };
        self.starts += 1;
        self.machine.start(self.now, self.starts);
        self.life = Life::Starting { ready };
        self.tell(Happening::Said("Initializing a V1 LLM engine (simulated)".to_owned()));
        self.tell(Happening::Started);
    }

    pub(super) fn ready(&mut self) {
        self.life = Life::Up;
        self.pace = Pace::new(&self.setup, self.seed, self.starts, self.now);
        self.tell(Happening::Said("Application startup complete.".to_owned()));
        self.tell(Happening::Ready);
    }

    /// The next of the ailments that happen once. What would befall a server
    /// that is not there does not happen.
    pub(super) fn ail(&mut self) {
        let Some((_, kind)) = self.events.pop() else { return };
        if !self.listening() {
            return;
        }
        match kind {
            Kind::Crash { away_us } => self.exit(Exit::Killed, away_us),
            Kind::CudaOom { away_us } => {
                self.tell(Happening::Said(
                    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
                        .to_owned(),
                ));
                self.exit(Exit::EngineDied, away_us);
            }
            Kind::Restart { away_us } => self.exit(Exit::Terminated, Some(away_us)),
            Kind::Hang { lasts_us } => {
                let until = lasts_us.map(|us| At(self.now.0.saturating_add(us)));
                let metrics = self.metrics();
                self.frozen = Some(Frozen { since: self.now, until, metrics });
            }
            _ => {}
        }
    }

    /// The kernel kills the largest process, which is the engine, below the server that answers.
    pub(super) fn oom_kill(&mut self) {
        self.machine.count_oom_kill();
        if self.listening() {
            self.exit(Exit::EngineDied, None);
        } else {
            self.machine.exit(Exit::EngineDied);
            self.life = Life::Down { back: None };
            self.tell(Happening::Exited(Exit::EngineDied));
        }
    }

    /// The server is gone, and with it all it knew. It is ready again `away_us`
    /// later: its start takes as long as the machine's starts do, at most half of that.
    fn exit(&mut self, exit: Exit, away_us: Option<u64>) {
        let line = match exit {
            Exit::Killed => None,
            Exit::EngineDied => Some("EngineCore encountered a fatal error."),
            Exit::Terminated => Some("Shutting down"),
        };
        if let Some(line) = line {
            self.tell(Happening::Said(line.to_owned()));
            // Whoever is stalled may be through with the engine and still has an open stream.
            let mut open: BTreeSet<JobId> = self.scheduler.everyone().into_iter().collect();
            open.extend(self.held.keys());
            for job in open {
                self.tell(Happening::Failed { job, message: ENGINE_DEAD });
            }
        }
        self.scheduler = Scheduler::new(&self.setup);
        self.metrics = Metrics::default();
        self.step = None;
        self.frozen = None;
        self.held.clear();
        self.machine.exit(exit);
        let back = away_us.map(|us| {
            let start_us = ((self.setup.profile.start_s * 1e6) as u64).min(us / 2);
            (At(self.now.0 + us - start_us), At(self.now.0 + us))
        });
        self.life = Life::Down { back };
        self.tell(Happening::Exited(exit));
    }

    pub(super) fn thaw(&mut self) {
        if let (Some(frozen), Some(step)) = (self.frozen.take(), &mut self.step) {
            step.ends = At(step.ends.0 + self.now.since(frozen.since));
        }
        self.begin_step();
    }

    pub(super) fn release(&mut self, id: JobId) {
        for happening in self.held.remove(&id).unwrap_or_default().kept {
            self.tell(happening);
        }
    }
}
