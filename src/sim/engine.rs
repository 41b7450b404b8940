//! Simulates the engine as a whole: process lifetime, steps and faults. The caller drives it:
//! `submit` and `cancel` change the requests, `advance` runs it to an instant and returns the
//! events until then, `next_event` returns the time of the next one.

mod faults;
mod life;
mod orders;
mod outcome;
mod step;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::ops::Range;

use super::ailment::{Ailment, AilmentKind};
use super::answer;
use super::job::{EngineEvent, JobId, SimJob};
use super::machine::{MEMORY_LEFT_BYTES, Machine, MachineState};
use super::metrics::{ABORT, Metrics};
use super::scheduler::{Scheduler, Sequence, StepPart};
use super::setup::Setup;
use super::step_time::SimSpeed;
use crate::rng::mix;
use crate::unit::At;
use faults::Faults;
use words::StartupStage;

/// Key of the answer that all prompts get in place of their own.
const SAME_ANSWER: u64 = 0;

/// State of the server's process.
#[derive(Clone, Copy, Debug, PartialEq)]
enum EngineStage {
    /// Started but not ready: the port refuses connections.
    Starting { ready: At },
    /// Started, but it ends before it is ready; then `back` applies as in `Down`.
    Failing { ends: At, back: Option<(At, At)> },
    /// Ready: the port is open.
    Up,
    /// Ended; `back` holds the times of the next start and of its readiness, `None` for never.
    Down { back: Option<(At, At)> },
    /// The machine has no power until `boots`; then `back` applies as in `Down`.
    Away { boots: At, back: Option<(At, At)> },
}

/// Running step of the engine.
#[derive(Clone, Debug)]
struct Step {
    ends: At,
    parts: Vec<StepPart>,
}

/// Hang in progress: its begin, its end if it has one, and the metrics frozen at its begin.
#[derive(Clone, Debug)]
struct HangInProgress {
    since: At,
    until: Option<At>,
    metrics: Metrics,
}

/// Output of a stalled request, withheld until `until`, or for ever without it.
#[derive(Clone, Debug, Default)]
struct WithheldOutput {
    until: Option<At>,
    kept: Vec<EngineEvent>,
}

/// Kind of the next internal event.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Boot,
    Start,
    StartFailure,
    Stage,
    Ready,
    Ailment,
    Exhausted,
    Thaw,
    Release(JobId),
    StepEnd,
}

/// A simulated engine and its machine.
#[derive(Clone, Debug)]
pub(crate) struct SimEngine {
    setup: Setup,
    seed: u64,
    now: At,
    life: EngineStage,
    starts: u64,
    machine: Machine,
    scheduler: Scheduler,
    speed: SimSpeed,
    metrics: Metrics,
    step: Option<Step>,
    frozen: Option<HangInProgress>,
    held: BTreeMap<JobId, WithheldOutput>,
    faults: Faults,
    /// Progress lines that the current start has still to log, the next one last.
    stages: Vec<(At, StartupStage)>,
    loaded: bool,
    jobs: u64,
    reported: Vec<(At, EngineEvent)>,
}

impl SimEngine {
    /// Creates an engine that is ready at `start`, or that begins its start then where
    /// [`Setup::first_start_s`] is above 0.
    pub(crate) fn new(setup: Setup, seed: u64, ailments: Vec<Ailment>, start: At) -> SimEngine {
        let in_vain = |ailment: &Ailment| setup.unchanged_by(ailment.kind).is_some();
        let in_vain: Vec<bool> = ailments.iter().map(in_vain).collect();
        let mut setup = setup.with_faults(&ailments);
        let scheduler = Scheduler::new(&setup);
        // vLLM refuses to start with a requested max_model_len that the cache cannot hold; a
        // default one is reduced.
        if !setup.refuses {
            setup.max_model_len = setup.max_model_len.min(scheduler.capacity());
        }
        let mut engine = SimEngine {
            life: EngineStage::Up,
            scheduler,
            speed: SimSpeed::new(&setup, seed, 0, start),
            machine: Machine::new(&setup, seed),
            setup,
            seed,
            now: start,
            starts: 0,
            metrics: Metrics::default(),
            step: None,
            frozen: None,
            held: BTreeMap::new(),
            faults: Faults::new(ailments, seed, start).without(&in_vain),
            stages: Vec::new(),
            loaded: false,
            jobs: 0,
            reported: Vec::new(),
        };
        engine.first_start();
        engine
    }

    /// Settings of the engine; a default `max_model_len` is reduced to the size of the cache.
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Whether the port is open.
    pub(crate) fn listening(&self) -> bool {
        self.life == EngineStage::Up
    }

    /// Whether the load has begun. Before it, only faults of the start occur.
    pub(crate) fn loaded(&self) -> bool {
        self.loaded
    }

    /// Begins the load at `at`, planned to last `planned_us` if known: every fault gets
    /// its times. The last call applies.
    pub(crate) fn load_began(&mut self, at: At, planned_us: Option<u64>) {
        self.run_to(at);
        self.faults.load_began(at, planned_us);
        self.machine.grow(self.faults.growths());
        self.loaded = true;
        if self.listening() {
            self.machine.fill(self.now);
        }
    }

    /// Accepts a request that arrives at `at`; the queue has no limit. `None` if the port is not
    /// open or the prompt leaves no room for output.
    pub(crate) fn submit(&mut self, at: At, job: SimJob) -> Option<JobId> {
        self.run_to(at);
        let room = self.setup.max_model_len.saturating_sub(job.prompt.len() as u64);
        if !self.listening() || job.prompt.is_empty() || room == 0 {
            return None;
        }
        let id = JobId(self.jobs);
        self.jobs += 1;
        let answer = answer::key(&job.prompt);
        let natural = if job.ignore_eos {
            u64::MAX
        } else {
            answer::natural_length(answer).max(job.min_tokens)
        };
        let most = job.max_tokens.clamp(1, room);
        let mut sequence = Sequence::new(id, job.prompt, at);
        sequence.limit = natural.min(most);
        sequence.stops = natural < most;
        sequence.answer = answer;
        sequence.reasoning = job.reasoning;
        sequence.salt =
            job.salt.iter().flat_map(|salt| salt.bytes()).fold(1, |h, b| mix(h, u64::from(b)));
        match self.faults.fault_for(self.now, id, sequence.limit) {
            Some((AilmentKind::ShortAnswer { .. }, after)) => {
                sequence.limit = after;
                sequence.stops = true;
            }
            Some((AilmentKind::LongAnswer { .. }, _)) => {
                sequence.limit = (most * 2).min(room);
                sequence.stops = false;
            }
            Some((AilmentKind::EndlessAnswer { .. }, _)) => {
                sequence.limit = room;
                sequence.stops = false;
            }
            Some((AilmentKind::SameAnswer { .. }, _)) => sequence.answer = SAME_ANSWER,
            fate => sequence.fate = fate,
        }
        self.scheduler.push(sequence);
        self.begin_step();
        Some(id)
    }

    /// Cancels a request whose client disconnected.
    pub(crate) fn cancel(&mut self, at: At, id: JobId) {
        self.run_to(at);
        self.held.remove(&id);
        if self.scheduler.remove(id).is_some() {
            self.metrics.finished[ABORT] += 1;
            self.machine.leak(self.faults.leak_after_abort(self.now));
        }
    }

    /// Returns the time of the next internal event; `None` for never.
    pub(crate) fn next_event(&self) -> Option<At> {
        if self.reported.is_empty() { self.next().map(|(at, _)| at) } else { Some(self.now) }
    }

    /// Runs the engine to `at` and returns the events until then, in order.
    pub(crate) fn advance(&mut self, at: At) -> Vec<(At, EngineEvent)> {
        self.run_to(at);
        std::mem::take(&mut self.reported)
    }

    /// Returns the values of `/metrics`; during a hang, those of its begin.
    pub(crate) fn metrics(&self) -> Metrics {
        if let Some(frozen) = &self.frozen {
            return frozen.metrics.clone();
        }
        let (running, waiting) = self.scheduler.load();
        Metrics {
            running,
            waiting,
            kv_usage: self.scheduler.usage(),
            prefix_queries: self.scheduler.prefix_queries,
            prefix_hits: self.scheduler.prefix_hits,
            preemptions: self.scheduler.preemptions,
            ..self.metrics.clone()
        }
    }

    /// Returns the state of the machine at `at`, which must not be before the last instant that the
    /// engine was run to.
    pub(crate) fn view(&self, at: At) -> MachineState {
        let mut view = self.machine.view(at, self.listening());
        // Before the OOM kill, another process takes up the available memory.
        let left = view.memory_available_bytes.min(MEMORY_LEFT_BYTES);
        let taken = (view.memory_available_bytes - left) as f64 * self.faults.memory_pressure(at);
        view.memory_available_bytes -= taken as u64;
        if let Some(resources) = &mut view.resources {
            let (running, waiting) = self.scheduler.load();
            resources.open_files += running + waiting;
        }
        view.ailment_hits = self.faults.hits(at);
        view
    }

    /// Whether `/metrics` answers 404 at `at`.
    pub(crate) fn metrics_away(&self, at: At) -> bool {
        self.faults.metrics_away(at)
    }

    /// Whether `/v1/models` lists another model at `at`.
    pub(crate) fn lists_another(&self, at: At) -> bool {
        self.faults.lists_another(at)
    }

    /// Start time of the server's process, while there is one.
    pub(crate) fn process_started(&self) -> Option<At> {
        self.machine.process().map(|(_, started)| started)
    }

    /// Predicts how many requests each ailment hits in a load of `load_us` microseconds, whose
    /// requests have these numbers and come evenly. `limit` is their output in tokens. Requests
    /// before `from_us` are hit, but not counted.
    pub(crate) fn predicted_hits(
        ailments: &[Ailment],
        seed: u64,
        load_us: u64,
        from_us: u64,
        requests: Range<u64>,
        limit: u64,
    ) -> Vec<u64> {
        let mut faults = Faults::new(ailments.to_vec(), seed, At::ZERO);
        faults.load_began(At::ZERO, Some(load_us));
        let count = (requests.end - requests.start).max(1);
        let mut before = None;
        for id in requests.clone() {
            let done = (id - requests.start) as f64 / count as f64;
            let now = At((done * load_us as f64) as u64);
            if now.0 >= from_us {
                before.get_or_insert_with(|| faults.hits(now));
            }
            faults.fault_for(now, JobId(id), limit);
        }
        let hits = faults.hits(At(load_us));
        let before = before.unwrap_or_else(|| hits.clone());
        hits.iter().zip(before).map(|(all, before)| all - before).collect()
    }

    fn next(&self) -> Option<(At, Next)> {
        let life = match self.life {
            EngineStage::Starting { ready } => Some((ready, Next::Ready)),
            EngineStage::Failing { ends, .. } => Some((ends, Next::StartFailure)),
            EngineStage::Down { back } => back.map(|(start, _)| (start, Next::Start)),
            EngineStage::Away { boots, .. } => Some((boots, Next::Boot)),
            EngineStage::Up => None,
        };
        let stage = self.stages.last().map(|(due, _)| (*due, Next::Stage));
        let ailment = self.faults.next().map(|due| (due, Next::Ailment));
        let exhausted = self.machine.exhausted().map(|at| (at, Next::Exhausted));
        let thaw = self.frozen.as_ref().and_then(|frozen| Some((frozen.until?, Next::Thaw)));
        let released = self
            .held
            .iter()
            .filter_map(|(id, held)| Some((held.until?, Next::Release(*id))))
            .min_by_key(|(at, _)| *at);
        let step = self.step.as_ref().filter(|_| self.frozen.is_none());
        let step = step.map(|step| (step.ends, Next::StepEnd));
        [stage, life, ailment, exhausted, thaw, released, step]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }

    fn run_to(&mut self, at: At) {
        while let Some((due, next)) = self.next().filter(|(due, _)| *due <= at) {
            self.now = self.now.max(due);
            match next {
                Next::Boot => self.boot(),
                Next::Start => self.start(),
                Next::StartFailure => self.start_failure(),
                Next::Stage => self.log_next_stage(),
                Next::Ready => self.ready(),
                Next::Ailment => self.apply_fault(),
                Next::Exhausted => self.oom_kill(),
                Next::Thaw => self.end_hang(),
                Next::Release(id) => self.release(id),
                Next::StepEnd => self.end_step(),
            }
        }
        self.now = self.now.max(at);
    }

    fn emit(&mut self, happening: EngineEvent) {
        self.reported.push((self.now, happening));
    }
}
