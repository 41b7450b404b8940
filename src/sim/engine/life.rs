//! Simulates the lifetime of the server's process: start, hang, end and restart.

use std::collections::BTreeSet;

use super::faults::AfterFailedStart;
use super::words::{self, LogWriter};
use super::{EngineStage, HangInProgress, SimEngine};
use crate::sim::ailment::AilmentKind;
use crate::sim::job::{ENGINE_DEAD, EngineEvent, JobId, ProcessExit};
use crate::sim::metrics::Metrics;
use crate::sim::scheduler::Scheduler;
use crate::sim::step_time::SimSpeed;
use crate::unit::At;

/// Time from power-on to a running kernel.
const BOOT_US: u64 = 90_000_000;
/// Minimum duration of a failing start.
const START_US_MIN: u64 = 1_000_000;

impl SimEngine {
    /// Performs the first start. It is complete at once unless
    /// [`Setup::first_start_s`](crate::sim::Setup::first_start_s) gives a duration. A failing one
    /// takes as long as any start.
    pub(super) fn first_start(&mut self) {
        let first_us = (self.setup.first_start_s.max(0.0) * 1e6) as u64;
        let start_us = if first_us > 0 { first_us } else { self.start_us() };
        self.begin_start(At(self.now.0.saturating_add(start_us)));
        if !self.setup.given.is_empty() {
            self.log_lines(self.writer().settings(&self.setup));
        }
        if first_us == 0 && matches!(self.life, EngineStage::Starting { .. }) {
            self.life = EngineStage::Up;
            self.stages.clear();
        }
    }

    /// Returns the writer of log lines of the current process.
    fn writer(&self) -> LogWriter {
        LogWriter(self.machine.process().map_or(0, |(pid, _)| pid))
    }

    fn log_lines(&mut self, lines: Vec<String>) {
        for line in lines {
            self.emit(EngineEvent::Said(line));
        }
    }

    /// Logs the next progress line of the start.
    pub(super) fn log_next_stage(&mut self) {
        let writer = self.writer();
        if let Some((_, stage)) = self.stages.pop() {
            self.log_lines(vec![stage.words(writer)]);
        }
    }

    pub(super) fn start(&mut self) {
        let EngineStage::Down { back: Some((_, ready)) } = self.life else { return };
        self.starts += 1;
        self.begin_start(ready);
        self.emit(EngineEvent::Started);
        self.log_lines(self.writer().settings(&self.setup));
    }

    /// Starts a process that will be ready at `ready`, or that fails halfway. After a failure, the
    /// next start begins at the time at which this one would have been ready.
    fn begin_start(&mut self, ready: At) {
        self.machine.start(self.now, self.starts);
        self.stages = words::stages(self.now, ready);
        if self.setup.refuses {
            // In a rehearsal the first start has no duration, so the minimum applies.
            let half_us = ((self.setup.first_start_s.max(0.0) * 5e5) as u64).max(START_US_MIN);
            self.life = EngineStage::Failing { ends: self.later(half_us), back: None };
            return;
        }
        self.life = match self.faults.start_fails(self.now) {
            None => EngineStage::Starting { ready },
            Some(again) => {
                // Without a minimum, a start of zero duration would fail endlessly at one instant.
                let start_us = ready.since(self.now).max(START_US_MIN);
                let back = (self.later(start_us), self.later(start_us.saturating_mul(2)));
                let back = (again == AfterFailedStart::Tried).then_some(back);
                EngineStage::Failing { ends: self.later(start_us / 2), back }
            }
        };
    }

    pub(super) fn start_failure(&mut self) {
        let EngineStage::Failing { back, .. } = self.life else { return };
        let writer = self.writer();
        self.log_lines(if self.setup.refuses {
            writer.cache_too_small(self.setup.max_model_len, self.scheduler.capacity())
        } else {
            writer.start_failed()
        });
        self.stages.clear();
        self.end_process(ProcessExit::StartFailed);
        self.life = EngineStage::Down { back };
        self.emit(EngineEvent::Exited(ProcessExit::StartFailed));
    }

    pub(super) fn boot(&mut self) {
        let EngineStage::Away { back, .. } = self.life else { return };
        self.machine.boot();
        self.life = EngineStage::Down { back };
        self.emit(EngineEvent::Booted);
    }

    /// Duration of a start on this machine.
    pub(super) fn start_us(&self) -> u64 {
        (self.setup.profile.start_s * 1e6) as u64
    }

    pub(super) fn ready(&mut self) {
        self.life = EngineStage::Up;
        self.speed = SimSpeed::new(&self.setup, self.seed, self.starts, self.now);
        if self.loaded {
            self.machine.fill(self.now);
        }
        self.log_lines(vec![words::READY.to_owned()]);
        self.emit(EngineEvent::Ready);
    }

    /// Applies the next event. An event while the server is not ready is dropped.
    pub(super) fn apply_fault(&mut self) {
        let Some(kind) = self.faults.pop(self.listening()) else { return };
        match kind {
            AilmentKind::Crash { away_us } => self.exit(ProcessExit::Killed, away_us),
            AilmentKind::CudaOom { away_us } => {
                self.log_lines(self.writer().cuda_oom());
                self.exit(ProcessExit::EngineDied, away_us);
            }
            AilmentKind::HostOomKill { away_us } => {
                self.machine.count_oom_kill();
                self.log_lines(self.writer().core_killed());
                self.exit(ProcessExit::EngineDied, away_us);
            }
            AilmentKind::HostReboot { away_us } => self.exit(ProcessExit::PowerCut, away_us),
            AilmentKind::Restart { away_us } => self.exit(ProcessExit::Terminated, Some(away_us)),
            AilmentKind::Hang { lasts_us } => self.hang(lasts_us),
            AilmentKind::PreemptionStorm { lasts_us } => {
                self.faults.storm_until(self.later(lasts_us));
            }
            AilmentKind::MetricsGoAway { lasts_us: Some(us) } => {
                self.faults.metrics_away_until(self.later(us));
            }
            AilmentKind::ModelUnlisted { lasts_us: Some(us) } => {
                self.faults.unlisted_until(self.later(us));
            }
            _ => {}
        }
    }

    pub(super) fn later(&self, us: u64) -> At {
        At(self.now.0.saturating_add(us))
    }

    /// Begins a hang: no step ends. A hang during a hang can only extend it.
    fn hang(&mut self, lasts_us: Option<u64>) {
        let until = lasts_us.map(|us| self.later(us));
        self.frozen = Some(match self.frozen.take() {
            None => HangInProgress { since: self.now, until, metrics: self.metrics() },
            Some(frozen) => {
                let until = frozen.until.zip(until).map(|(one, other)| one.max(other));
                HangInProgress { until, ..frozen }
            }
        });
    }

    /// Applies an OOM kill of the engine's process, the largest one, while the API server still
    /// answers.
    pub(super) fn oom_kill(&mut self) {
        self.machine.count_oom_kill();
        if self.listening() {
            self.log_lines(self.writer().core_killed());
            self.exit(ProcessExit::EngineDied, None);
        } else {
            self.log_lines(vec![words::KILLED_AT_START.to_owned()]);
            self.stages.clear();
            self.end_process(ProcessExit::EngineDied);
            self.life = EngineStage::Down { back: None };
            self.emit(EngineEvent::Exited(ProcessExit::EngineDied));
        }
    }

    /// Ends the server and discards its state. It is ready again `away_us` later. Its start takes
    /// the machine's start time, but at most half of `away_us`.
    pub(super) fn exit(&mut self, exit: ProcessExit, away_us: Option<u64>) {
        let lines = match exit {
            ProcessExit::Killed | ProcessExit::PowerCut | ProcessExit::StartFailed => Vec::new(),
            ProcessExit::EngineDied => self.writer().engine_died(),
            ProcessExit::Terminated => self.writer().terminated(),
        };
        if !lines.is_empty() {
            self.log_lines(lines);
            // A stalled request may be finished in the engine while its stream is still open.
            let mut open: BTreeSet<JobId> = self.scheduler.all_requests().into_iter().collect();
            open.extend(self.held.keys());
            for job in open {
                self.emit(EngineEvent::Failed { job, message: ENGINE_DEAD });
            }
        }
        self.scheduler = Scheduler::new(&self.setup);
        self.metrics = Metrics::default();
        self.step = None;
        self.frozen = None;
        self.held.clear();
        self.stages.clear();
        self.end_process(exit);
        let half_us = away_us.map_or(u64::MAX, |us| us / 2);
        let back =
            away_us.map(|us| (self.later(us - self.start_us().min(half_us)), self.later(us)));
        self.life = match exit {
            ProcessExit::PowerCut => {
                EngineStage::Away { boots: self.later(BOOT_US.min(half_us)), back }
            }
            _ => EngineStage::Down { back },
        };
        self.emit(EngineEvent::Exited(exit));
    }

    /// Ends the process on its machine, which may not get all memory back before it boots.
    fn end_process(&mut self, exit: ProcessExit) {
        self.machine.exit(exit);
        if exit != ProcessExit::PowerCut {
            self.machine.keep(self.faults.kept_memory(self.now));
        }
    }

    pub(super) fn end_hang(&mut self) {
        if let (Some(frozen), Some(step)) = (self.frozen.take(), &mut self.step) {
            step.ends = At(step.ends.0.saturating_add(self.now.since(frozen.since)));
        }
        self.begin_step();
    }

    pub(super) fn release(&mut self, id: JobId) {
        for happening in self.held.remove(&id).unwrap_or_default().kept {
            self.emit(happening);
        }
    }
}
