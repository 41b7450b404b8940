//! Runs the event loop around the conductor: turns each event into a fact,
//! gives it its sequence number, writes it to the journal, and carries out the
//! conductor's orders. Reaches the server only through the traits of `world`;
//! does not know whether it is real or simulated.

pub(crate) mod arrive;
pub(crate) mod conductor;
mod disk;
pub(crate) mod fit_prompts;
mod gaps;
pub(crate) mod identity;
mod lateness;
pub(crate) mod load;
mod observe;
pub(crate) mod probe;
mod reread_identity;
mod side_by_side;
pub(crate) mod startup;
pub(crate) mod stop;
mod watch_list;

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use conductor::{Conductor, Order};
use disk::DiskWatch;
use gaps::GapHistograms;
use identity::Identity;
use lateness::Lateness;
use load::{Progress, Terms};
use observe::SensorControl;
use reread_identity::KnownServer;
use stop::{Stop, StopWord};

use crate::answer::Answer;
use crate::fact::{
    Abilities, Action, Clock, Closed, Entry, Fact, Fault, FaultKind, Phase, Reading, Request,
    Segment, Seq,
};
use crate::incident::liveness::is_failure;
use crate::plan::{Fit, Plan, Slot};
use crate::series::{IN_FLIGHT, JOURNAL_WAITING, LATE_MAX, OUTPUT_TOKENS, SERVING};
use crate::shared_value::SharedValue;
use crate::spec::Recipe;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{News, Sensor, Sink, Standstills, Target, Wire};

/// Capacity of the channel from tasks to the loop; bounds memory when the loop stalls.
const FACTS_MAX: usize = 4_096;
/// Interval at which the conductor is polled when nothing else happens.
const TICK: Duration = Duration::from_millis(200);
/// Longest time between two syncs of the journal to disk, microseconds.
const SYNC_US: u64 = 5_000_000;
/// Interval of longhaul's readings of itself, microseconds.
const OWN_US: u64 = 10_000_000;
/// Interval at which the wall clock is read, microseconds.
const CLOCK_US: u64 = 60_000_000;
/// Interval at which a lack of connections of longhaul's own machine is reported, microseconds.
const LACKED_US: u64 = 60_000_000;
/// Largest drift of the wall clock against the monotonic clock between two reads, microseconds.
/// More means that the machine slept or that the clock was set.
const CLOCK_JUMP_US: i64 = 5_000_000;
/// Largest delay of a tick or of an open-loop arrival, microseconds. More is recorded as a pace
/// fault of longhaul.
const LATE_US: u64 = 1_000_000;

/// Inputs of a run besides wire, target, sensors and journal.
pub(crate) struct RunInputs {
    pub timeline: Timeline,
    pub plan: Rc<Plan>,
    /// Text lengths that give the planned token counts on this server.
    pub fit: Rc<Fit>,
    pub abilities: Abilities,
    pub recipe: Rc<Recipe>,
    /// Server identity as read before the load.
    pub identity: Identity,
    /// Path of probes.
    pub probe_path: &'static str,
    /// Model name that requests carry.
    pub model: String,
    /// Names by which an answer may call that model.
    pub names: Vec<String>,
    /// Models of which the server lists one as long as it is the same server; empty where it listed
    /// none.
    pub listed: Vec<String>,
    /// Text that keeps this run's prompts from matching the server's prefix cache.
    pub salt: String,
    /// Segments before this one, where a run that was cut off goes on.
    pub earlier: Option<EarlierSegments>,
    /// Facts from before the load: opened, seen, fitted, ready.
    pub before: Vec<(At, Fact)>,
    /// Latency of `/v1/models`, microseconds; llama-benchy subtracts it from prefill times.
    pub models_us: Option<u64>,
    pub wall: WallClock,
    /// Times in which longhaul itself stood still.
    pub standstills: Standstills,
}

/// State that earlier segments of a run leave to the next one.
pub(crate) struct EarlierSegments {
    /// Conductor after their entries.
    pub conductor: Conductor,
    /// Number of the segment that follows.
    pub segment: Segment,
    /// Number of the next entry.
    pub next_seq: Seq,
}

/// Reader of the wall clock at an instant, microseconds since 1970: the machine's own clock in a
/// real run, a scripted one in a rehearsal.
pub(crate) type WallClock = Box<dyn Fn(At) -> u64>;

/// Message from a task of the run to the loop.
enum TaskMessage {
    Fact(At, Fact),
    Answer(Box<Answer>),
    Identity(At, Result<Identity, String>),
    /// Models that a probe found listed in place of the one that is asked for.
    Relisted(At, Vec<String>),
    /// Models that are listed while the load runs.
    Listed(At, Vec<arrive::Model>),
}

/// Event that the loop handles.
enum Input {
    Interrupt(StopWord),
    Tick,
    Woken,
    Task(Box<TaskMessage>),
    News(Box<News>),
    TaskBroke(String),
}

/// Runs a plan to its end and writes everything that happens to the journal.
///
/// # Errors
/// The journal could not be written. Entries written before that remain.
pub(crate) async fn carry_out<W: Wire, S: Sink>(
    wire: W,
    target: Box<dyn Target>,
    sensors: Vec<Box<dyn Sensor>>,
    sink: S,
    mut script: RunInputs,
    mut stop: Stop,
    watcher: &mut dyn Watcher,
) -> Result<Closed, String> {
    let timeline = script.timeline;
    let (facts, mut heard) = mpsc::channel(FACTS_MAX);
    let control = SensorControl::default();
    let mut tasks = JoinSet::new();
    let before = std::mem::take(&mut script.before);
    let EarlierSegments { conductor, segment, next_seq } =
        script.earlier.take().unwrap_or_else(|| EarlierSegments {
            conductor: Conductor::new(script.plan.clone()),
            segment: 0,
            next_seq: 0,
        });
    for sensor in sensors {
        tasks.spawn_local(observe::watch(sensor, timeline, facts.clone(), control.clone()));
    }
    if !script.listed.is_empty() {
        let (wire, facts, control) = (wire.clone(), facts.clone(), control.clone());
        tasks.spawn_local(watch_list::watch(wire, timeline, facts, control));
    }
    let mut event_loop = EventLoop {
        wire,
        target,
        sink,
        watcher,
        timeline,
        conductor,
        segment,
        known: KnownServer::new(script.identity.clone()),
        script: Rc::new(script),
        seq: next_seq,
        facts,
        cut: SharedValue::default(),
        control,
        tasks,
        progress: Progress::default(),
        gaps: GapHistograms::default(),
        lateness: Lateness::default(),
        disk: DiskWatch::default(),
        own: PeriodicWork { ticked: timeline.now(), ..PeriodicWork::default() },
        closed: None,
    };
    let driven = event_loop.drive(before, &mut heard, &mut stop).await;
    event_loop.tasks.abort_all();
    // The journal is closed even after a write error: entries that it accepted earlier may still
    // be written.
    let durable = event_loop.sink.close().await;
    driven.and(durable)?;
    event_loop.closed.ok_or_else(|| "the run ended without saying why".to_owned())
}

/// Frees the tasks that have ended, and returns the error text of the first that panicked. Called
/// at every turn of the loop: `select!` polls the tasks last, so a busy loop would never free
/// them.
fn collect(tasks: &mut JoinSet<()>) -> Option<String> {
    while let Some(ended) = tasks.try_join_next() {
        if let Err(broke) = ended {
            return Some(broke.to_string());
        }
    }
    None
}

/// Waits until the conductor's next wake-up time; for ever if there is none.
async fn due(timeline: &Timeline, wake: Option<At>) {
    match wake {
        Some(at) => timeline.until(at).await,
        None => std::future::pending().await,
    }
}

struct EventLoop<'a, W: Wire, S: Sink> {
    wire: W,
    target: Box<dyn Target>,
    sink: S,
    watcher: &'a mut dyn Watcher,
    timeline: Timeline,
    conductor: Conductor,
    segment: Segment,
    known: KnownServer,
    script: Rc<RunInputs>,
    seq: Seq,
    facts: mpsc::Sender<TaskMessage>,
    cut: SharedValue<Option<&'static str>>,
    control: SensorControl,
    tasks: JoinSet<()>,
    progress: Progress,
    gaps: GapHistograms,
    lateness: Lateness,
    disk: DiskWatch,
    own: PeriodicWork,
    closed: Option<Closed>,
}

/// Times at which longhaul last did its periodic work.
#[derive(Default)]
struct PeriodicWork {
    ticked: At,
    late_us_max: u64,
    read: At,
    synced: At,
    clock: At,
    drift_us: i64,
    alarms: u32,
    /// Last time at which a lack of connections was reported.
    lacked: Option<At>,
}

/// Observer of a run that cannot change it.
pub(crate) trait Watcher {
    /// Called for every entry that was written.
    fn entry(&mut self, entry: &Entry);
    fn tick(&mut self, now: At, progress: &Progress);
    /// Called for what concerns the user at once, and is no entry.
    fn warned(&mut self, _words: &str) {}
    /// Called for every order of the conductor.
    fn ordered(&mut self, _now: At, _order: &Order) {}
}

impl<W: Wire, S: Sink> EventLoop<'_, W, S> {
    /// Handles events and carries out orders until the run is closed.
    async fn drive(
        &mut self,
        before: Vec<(At, Fact)>,
        heard: &mut mpsc::Receiver<TaskMessage>,
        stop: &mut Stop,
    ) -> Result<(), String> {
        for (at, fact) in before {
            self.record(at, fact)?;
        }
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.closed.is_none() {
            while let Some(broke) = collect(&mut self.tasks) {
                self.handle(Input::TaskBroke(broke))?;
            }
            let (timeline, wake) = (self.timeline, self.conductor.wake());
            let input = tokio::select! { biased;
                word = stop.requested() => Input::Interrupt(word),
                _ = tick.tick() => Input::Tick,
                () = due(&timeline, wake) => Input::Woken,
                Some(heard) = heard.recv() => Input::Task(Box::new(heard)),
                news = self.target.news() => Input::News(Box::new(news)),
                Some(Err(broke)) = self.tasks.join_next() => Input::TaskBroke(broke.to_string()),
            };
            self.handle(input)?;
            self.obey()?;
        }
        Ok(())
    }

    fn handle(&mut self, input: Input) -> Result<(), String> {
        let now = self.timeline.now();
        match input {
            Input::Tick => self.tick(now),
            // The conductor is polled after every event anyway.
            Input::Woken => Ok(()),
            Input::Interrupt(word) => {
                let (what, note) = word.action();
                let (id, what) = (self.conductor.next_action(), what.to_owned());
                let action = Action { id, what, note };
                self.record(now, Fact::Action(action))
            }
            Input::Task(heard) => match *heard {
                TaskMessage::Fact(at, fact) => self.record(at, fact),
                TaskMessage::Answer(answer) => self.answered(*answer),
                TaskMessage::Identity(at, said) => self.identified(at, said),
                TaskMessage::Relisted(at, models) => self.relisted(at, models),
                TaskMessage::Listed(at, models) => self.listed(at, &models),
            },
            Input::News(news) => match *news {
                News::Fact(at, fact) => self.record(at, fact),
                News::Log(bytes) => self.sink.log(&bytes),
                News::Contained(contained) => self.contained(now, *contained),
            },
            Input::TaskBroke(why) => {
                let fault = Fault { kind: FaultKind::Panic, why, fatal: true };
                self.record(now, Fact::Fault(fault))
            }
        }
    }

    /// Gives a fact its sequence number and writes it. All entries pass here, so their order is
    /// decided here.
    fn record(&mut self, at: At, fact: Fact) -> Result<(), String> {
        if probe::may_be_busy(&fact) {
            let serving = f64::from(u8::from(self.conductor.is_serving(at)));
            self.record(at, Fact::Reading(SERVING.reading(serving)))?;
        }
        let entry = Entry { segment: self.segment, seq: self.seq, at, fact };
        self.seq += 1;
        let entry = self.sink.append(entry)?;
        self.conductor.fold(&entry);
        self.watcher.entry(&entry);
        self.react(&entry.fact);
        self.known.fold(&entry.fact);
        if let Fact::Closed(closed) = &entry.fact {
            self.closed = Some(closed.clone());
        }
        Ok(())
    }

    fn answered(&mut self, mut answer: Answer) -> Result<(), String> {
        self.note_delays(&mut answer.request);
        for gaps in self.gaps.add(&answer) {
            self.record(self.timeline.now(), Fact::Gaps(gaps))?;
        }
        let (request, frames) = (answer.request, answer.frames);
        let system = answer.system.unwrap_or_default();
        self.called(request.done, &system)?;
        self.answered_by(&request, answer.model.as_deref())?;
        let fault = self.lateness.check(&request).or_else(|| self.lacks(&request));
        if let Some(fault) = fault {
            self.record(self.timeline.now(), Fact::Fault(fault))?;
        }
        if is_failure(&request) && self.conductor.is_serving_earlier(&request) {
            self.record(request.done, Fact::Reading(SERVING.reading(1.0)))?;
        }
        self.look_again(&request);
        let seq = self.seq;
        self.record(request.done, Fact::Request(Box::new(request)))?;
        if frames.is_empty() { Ok(()) } else { self.sink.evidence(seq, &frames) }
    }

    /// Returns the fault of a request that longhaul's own machine did not let it send, once a minute.
    fn lacks(&mut self, request: &Request) -> Option<Fault> {
        let is_told = self.own.lacked.is_some_and(|at| request.done.since(at) < LACKED_US);
        if !request.is_unsent() || is_told {
            return None;
        }
        self.own.lacked = Some(request.done);
        Some(Fault { kind: FaultKind::Resources, why: request.error.clone(), fatal: false })
    }

    /// Sets longhaul's own delays in the times of a request.
    fn note_delays(&self, request: &mut Request) {
        let now = self.timeline.now();
        let delay_us = |from, until| self.script.standstills.delay_us(from, until, now);
        let first = request.ttft_us.map(|us| At(request.sent.0.saturating_add(us)));
        let first_us = first.map_or(0, |at| delay_us(at, at));
        let first_us = delay_us(request.due, request.sent).saturating_add(first_us);
        let last = request.last_us.map(|us| At(request.sent.0.saturating_add(us)));
        let last_us = delay_us(last.unwrap_or(request.done), request.done);
        let gap_us = delay_us(first.unwrap_or(request.done), request.done);
        request.set_delays(first_us, last_us, gap_us);
    }

    fn obey(&mut self) -> Result<(), String> {
        while let Some(order) = self.conductor.due(self.timeline.now()) {
            self.watcher.ordered(self.timeline.now(), &order);
            self.conductor.on_order_done(&order, self.timeline.now());
            match order {
                Order::Record(fact) => self.write(fact)?,
                Order::Send(slot, due) => self.send(slot, due),
                Order::Probe => self.probe(),
                Order::LastLook => self.control.draining.set(true),
                Order::Cut(why) => self.cut.set(Some(why)),
            }
        }
        Ok(())
    }

    /// Writes a fact that the conductor decided on, with the details that only the loop has.
    fn write(&mut self, mut fact: Fact) -> Result<(), String> {
        let now = self.timeline.now();
        if let Fact::Batch(batch) = &mut fact {
            self.lateness.close(batch.phase, &batch.group);
            batch.models_us = self.script.models_us;
            let (gaps, peak_tokens) = self.gaps.close(batch);
            batch.peak_tokens = peak_tokens;
            for gaps in gaps {
                self.record(now, Fact::Gaps(gaps))?;
            }
        }
        if matches!(fact, Fact::Phase(_) | Fact::Closed(_)) {
            // Requests in flight at the drain belong to the phase before it.
            if !matches!(&fact, Fact::Phase(began) if began.phase == Phase::Drain) {
                self.lateness.close_all();
                for gaps in self.gaps.close_all() {
                    self.record(now, Fact::Gaps(gaps))?;
                }
            }
            self.issued(now)?;
        }
        // The clock may have been set after it was last read.
        if matches!(fact, Fact::Closed(_)) {
            self.wall(now)?;
        }
        self.record(now, fact)
    }

    fn send(&mut self, slot: Slot, due: At) {
        let ask = self.script.plan.ask(slot, due, &self.script.fit);
        let (wire, timeline, facts) = (self.wire.clone(), self.timeline, self.facts.clone());
        let (script, progress) = (self.script.clone(), self.progress.clone());
        let cut = self.cut.clone();
        self.tasks.spawn_local(async move {
            let cut = async { cut.until(Option::is_some).await.unwrap_or_default().to_owned() };
            let terms = Terms {
                model: &script.model,
                names: &script.names,
                salt: &script.salt,
                abilities: &script.abilities,
                template_tokens: script.fit.template_tokens(),
                limits: &script.plan.limits,
                progress: &progress,
            };
            let answer = load::send(&wire, &timeline, &ask, terms, cut).await;
            // Sending fails only when the loop has ended, and then the run is over.
            let _ = facts.send(TaskMessage::Answer(Box::new(answer))).await;
        });
    }

    /// Does the periodic work: checks of disk and pace, own readings, wall clock, sync.
    fn tick(&mut self, now: At) -> Result<(), String> {
        self.watcher.tick(now, &self.progress);
        if let Some(words) = self.disk.check(now, self.sink.written(), self.sink.waiting()) {
            self.watcher.warned(&words);
        }
        let late_us = now.since(self.own.ticked).saturating_sub(crate::unit::micros(TICK));
        self.own.late_us_max = self.own.late_us_max.max(late_us);
        if late_us > LATE_US {
            let why = format!("the loop stood still for {} ms", late_us / 1000);
            self.record(now, Fact::Fault(Fault { kind: FaultKind::Pace, why, fatal: false }))?;
        }
        self.own.ticked = now;
        if now.since(self.own.read) >= OWN_US {
            self.own.read = now;
            for reading in self.own_readings() {
                self.record(now, Fact::Reading(reading))?;
            }
        }
        if now.since(self.own.clock) >= CLOCK_US {
            self.own.clock = now;
            self.wall(now)?;
        }
        if now.since(self.own.synced) >= SYNC_US {
            self.own.synced = now;
            self.issued(now)?;
            self.sink.sync()?;
        }
        Ok(())
    }

    fn issued(&mut self, now: At) -> Result<(), String> {
        match self.conductor.issued() {
            Some(issued) => self.record(now, Fact::Issued(issued)),
            None => Ok(()),
        }
    }

    fn own_readings(&mut self) -> Vec<Reading> {
        let late_us_max = std::mem::take(&mut self.own.late_us_max);
        vec![
            IN_FLIGHT.reading(self.progress.in_flight() as f64),
            OUTPUT_TOKENS.reading(self.progress.tokens() as f64),
            LATE_MAX.reading(late_us_max as f64),
            JOURNAL_WAITING.reading(self.sink.waiting() as f64),
        ]
    }

    fn wall(&mut self, now: At) -> Result<(), String> {
        let wall_us = (self.script.wall)(now);
        let drift_us = wall_us.cast_signed() - (self.timeline.wall_us() + now.0).cast_signed();
        let jump_us = drift_us - self.own.drift_us;
        self.own.drift_us = drift_us;
        if jump_us.abs() > CLOCK_JUMP_US {
            let why = format!(
                "the wall clock moved {:+.1} s against the monotonic one: the machine slept, or the clock was set",
                jump_us as f64 / 1e6
            );
            self.record(now, Fact::Fault(Fault { kind: FaultKind::Clock, why, fatal: false }))?;
        }
        self.record(now, Fact::Clock(Clock { wall_us, drift_us }))
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::numberless;

    #[tokio::test]
    async fn tasks_that_ended_together_are_freed_together_and_a_broken_one_is_told() {
        tokio::task::LocalSet::new()
            .run_until(async {
                let mut tasks = JoinSet::new();
                for number in 0..1000 {
                    tasks.spawn_local(async move {
                        assert_ne!(number, 500, "a task that breaks");
                    });
                }
                let waiting = tasks.spawn_local(std::future::pending());
                // One poll of the set runs about sixty tasks.
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                let broke = collect(&mut tasks).expect("one broke");
                assert_snapshot!(numberless(&broke), @r#"task # panicked with message "assertion `left != right` failed: a task that breaks\n  left: #\n right: #""#);
                assert_eq!((collect(&mut tasks), tasks.len()), (None, 1));
                waiting.abort();
            })
            .await;
    }
}
