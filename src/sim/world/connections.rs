//! Connects client connections to the engine: submits jobs, routes events to their connections, and
//! keeps the engine at the present time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::{Notify, mpsc};

use super::events::{EventHandler, SimEvent};
use crate::rng::Rng;
use crate::shared_value::SharedValue;
use crate::sim::http::{self, EngineOutput, ResponseWriter, SimAnswer, SimPage, SimQuestion};
use crate::sim::{EngineEvent, JobId, MachineState, ProcessExit, SimEngine, SimJob};
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::TargetOrder;

/// State of the port: open (accepts), silent (nothing answers), or neither (refuses).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PortState {
    /// Whether the port accepts connections.
    pub open: bool,
    /// Whether the machine has no power: connections are neither accepted nor refused, existing
    /// ones transfer nothing and do not end. They are reset after the next boot.
    pub silent: bool,
    /// Number of process lifetimes that have ended. One may end and the next begin between two
    /// reads of this state.
    pub life: u64,
    /// Whether the last process lifetime ended by a kill or a power cut. Its connections then
    /// break, after a power cut only when `silent` is false again.
    pub abrupt: bool,
}

/// The engine, and the connections that wait for its output.
pub(crate) struct Connections {
    engine: RefCell<SimEngine>,
    timeline: Timeline,
    seed: u64,
    waiting: RefCell<BTreeMap<JobId, mpsc::UnboundedSender<(At, EngineOutput)>>>,
    /// Wakes the driver after a change of the engine's input.
    put_in: Notify,
    port_state: SharedValue<PortState>,
    tell: RefCell<EventHandler>,
    loads_by_itself: Cell<bool>,
}

impl Connections {
    /// Creates the state for an engine. `tell` receives the events that do not go over the port.
    pub(crate) fn new(
        engine: SimEngine,
        timeline: Timeline,
        seed: u64,
        tell: EventHandler,
    ) -> Connections {
        let port_state =
            PortState { open: engine.listening(), silent: false, life: 0, abrupt: false };
        Connections {
            engine: RefCell::new(engine),
            timeline,
            seed,
            waiting: RefCell::default(),
            put_in: Notify::new(),
            port_state: SharedValue::new(port_state),
            tell: RefCell::new(tell),
            loads_by_itself: Cell::new(false),
        }
    }

    /// Makes the first request begin the load.
    pub(crate) fn load_begins_by_itself(&self) {
        self.loads_by_itself.set(true);
    }

    /// Begins the load, planned to last `planned_us`.
    pub(crate) fn load_began(&self, planned_us: Option<u64>) {
        self.engine.borrow_mut().load_began(self.timeline.now(), planned_us);
        self.put_in.notify_one();
    }

    /// Returns the observable state of the port.
    pub(crate) fn port_state(&self) -> &SharedValue<PortState> {
        &self.port_state
    }

    /// Returns the present state of the machine.
    pub(crate) fn view(&self) -> MachineState {
        self.look(|engine| engine.view(self.timeline.now()))
    }

    pub(crate) fn timeline(&self) -> Timeline {
        self.timeline
    }

    /// Reads from the engine.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&SimEngine) -> T) -> T {
        at(&self.engine.borrow())
    }

    /// Handles an HTTP request; generation requests become jobs of the engine. Only for a
    /// connection to an open port.
    pub(crate) fn ask(self: &Rc<Connections>, method: &str, path: &str, body: &[u8]) -> Accepted {
        let (at, wall_us) = (self.timeline.now(), self.timeline.wall_us());
        let question = SimQuestion { method, path, body, at, wall_us };
        let answer = self.look(|engine| http::answer(engine, &question));
        let ask = match answer {
            SimAnswer::Page(page) => return Accepted::Page(page),
            SimAnswer::Ask(ask) => ask,
        };
        let Some(job) = self.submit(ask.job.clone()) else {
            return Accepted::Page(SimPage::engine_dead());
        };
        let writer = ResponseWriter::new(&ask, &job.name(), question.created());
        Accepted::Work(job, Box::new(writer))
    }

    /// Submits a job; `None` if the engine rejects it.
    fn submit(self: &Rc<Connections>, job: SimJob) -> Option<JobHandle> {
        let now = self.timeline.now();
        let mut engine = self.engine.borrow_mut();
        if self.loads_by_itself.get() && !engine.loaded() {
            engine.load_began(now, None);
        }
        let id = engine.submit(now, job)?;
        let (sender, inbox) = mpsc::unbounded_channel();
        self.waiting.borrow_mut().insert(id, sender);
        self.put_in.notify_one();
        Some(JobHandle { id, inbox, connections: self.clone() })
    }

    /// Executes an order. Its consequences follow as events.
    pub(crate) fn order(&self, order: TargetOrder, action: u64) {
        // Events before the order are emitted before it.
        let now = self.catch_up();
        let mut engine = self.engine.borrow_mut();
        let outcome = match order {
            TargetOrder::Launch => engine.launch(now).map(|()| false),
            TargetOrder::Restart => engine.restart(now),
            TargetOrder::Stop => engine.stop(now),
        };
        drop(engine);
        self.tell(now, SimEvent::Ordered { order, action, outcome });
        self.put_in.notify_one();
    }

    fn tell(&self, at: At, sign: SimEvent) {
        (self.tell.borrow_mut())(at, sign);
    }

    /// Runs the engine to the present and emits its events.
    fn catch_up(&self) -> At {
        let now = self.timeline.now();
        let happened = self.engine.borrow_mut().advance(now);
        for (at, happening) in happened {
            self.hand_out(at, happening);
        }
        now
    }

    /// Keeps the engine at the present time; never returns.
    pub(crate) async fn drive(&self) {
        loop {
            self.catch_up();
            let next = self.engine.borrow().next_event();
            tokio::select! { biased;
                () = self.put_in.notified() => {}
                () = self.until(next) => {}
            }
        }
    }

    async fn until(&self, at: Option<At>) {
        match at {
            Some(at) => self.timeline.until(at).await,
            None => std::future::pending().await,
        }
    }

    fn hand_out(&self, at: At, happening: EngineEvent) {
        match happening {
            EngineEvent::Output { job, tokens, cached, finish } => {
                self.send(
                    job,
                    (at, EngineOutput::Output { tokens, cached, finish }),
                    finish.is_some(),
                );
            }
            EngineEvent::Failed { job, message } => {
                self.send(job, (at, EngineOutput::Failed(message)), true);
            }
            EngineEvent::Cut { job } => self.send(job, (at, EngineOutput::Cut), true),
            EngineEvent::Said(line) => self.tell(at, SimEvent::Said(line)),
            EngineEvent::Started => {
                let pid = self.view().pid.unwrap_or_default();
                self.tell(at, SimEvent::Started(pid));
            }
            EngineEvent::Exited(exit) => {
                let silent = exit == ProcessExit::PowerCut;
                if !silent {
                    self.waiting.borrow_mut().clear();
                }
                let abrupt = silent || exit == ProcessExit::Killed;
                let life = self.port_state.get().life + 1;
                self.port_state.set(PortState { open: false, silent, life, abrupt });
                self.tell(at, SimEvent::Exited(exit));
            }
            EngineEvent::Booted => {
                // Open connections are reset only after the boot.
                self.waiting.borrow_mut().clear();
                self.port_state.set(PortState { silent: false, ..self.port_state.get() });
                self.tell(at, SimEvent::Booted);
            }
            EngineEvent::Ready => {
                self.port_state.set(PortState { open: true, ..self.port_state.get() });
            }
        }
    }

    fn send(&self, job: JobId, item: (At, EngineOutput), last: bool) {
        let mut waiting = self.waiting.borrow_mut();
        if let Some(sender) = waiting.get(&job) {
            // Fails while the connection is being dropped.
            let _ = sender.send(item);
        }
        if last {
            waiting.remove(&job);
        }
    }
}

/// Result of an HTTP request at the connections.
pub(crate) enum Accepted {
    /// A response that needed no engine step.
    Page(SimPage),
    /// A job in the engine, and the converter of its items into client data.
    Work(JobHandle, Box<ResponseWriter>),
}

/// Handle of a job, held by its connection. Dropping it cancels the job.
pub(crate) struct JobHandle {
    id: JobId,
    inbox: mpsc::UnboundedReceiver<(At, EngineOutput)>,
    connections: Rc<Connections>,
}

impl JobHandle {
    /// Returns the next item and its time; `None` when the server has ended. Pending while the
    /// machine has no power; the `None` after that is a reset. [`PortState::abrupt`] separates a reset
    /// from a closed connection.
    pub(crate) async fn next(&mut self) -> Option<(At, EngineOutput)> {
        self.inbox.recv().await
    }

    /// Returns the response id without its prefix: 16 hexadecimal digits, as in vLLM.
    fn name(&self) -> String {
        format!("{:016x}", Rng::at(self.connections.seed, &[0xD0, self.id.0]).bits())
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        if self.connections.waiting.borrow_mut().remove(&self.id).is_some() {
            let now = self.connections.timeline.now();
            self.connections.engine.borrow_mut().cancel(now, self.id);
            self.connections.put_in.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Ailment;
    use crate::sim::setup::tests::record;

    const SECOND: u64 = 1_000_000;

    /// Runs a test on a connections with a fault at 5 s into the load, and a long response in progress.
    async fn hit_by(ailment: &str, reported: impl AsyncFn(&Connections, Timeline, JobHandle)) {
        let ailment = Ailment::parse(&format!("{ailment}@5s")).expect(ailment);
        let engine = SimEngine::new(record(1.0), 1, vec![ailment], At::ZERO);
        let timeline = Timeline::start();
        let connections = Rc::new(Connections::new(engine, timeline, 1, Box::new(|_, _| {})));
        connections.load_began(None);
        let body = br#"{"model":"m","prompt":"Hello","max_tokens":5000,"ignore_eos":true}"#;
        let Accepted::Work(job, _) = connections.ask("POST", "/v1/completions", body) else {
            panic!("the engine takes it");
        };
        tokio::select! { biased;
            () = connections.drive() => {}
            () = reported(&connections, timeline, job) => {}
        }
    }

    /// Times of the last item and of the end of the job.
    async fn last_and_end(timeline: Timeline, job: &mut JobHandle) -> (At, At) {
        let mut last = At::ZERO;
        while let Some((at, _)) = job.next().await {
            last = at;
        }
        (last, timeline.now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_box_that_is_away_is_silent_and_resets_when_it_is_back() {
        let reported = async |connections: &Connections, timeline: Timeline, mut job: JobHandle| {
            let port_state = connections.port_state();
            let (silence, reset) = tokio::join!(
                async {
                    port_state.until(|port_state| port_state.silent).await;
                    timeline.now()
                },
                last_and_end(timeline, &mut job)
            );
            assert_eq!(silence, At(5 * SECOND));
            assert!(reset.0 <= At(5 * SECOND), "the last token came before it");
            assert_eq!(reset.1, At(95 * SECOND), "after the boot");
            let now = port_state.get();
            assert_eq!(now, PortState { open: false, silent: false, life: 1, abrupt: true });
            port_state.until(|port_state| port_state.open).await;
            assert_eq!(timeline.now(), At(605 * SECOND));
        };
        hit_by("host_reboot=10m", reported).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_killed_server_breaks_off_at_once() {
        let reported = async |connections: &Connections, timeline: Timeline, mut job: JobHandle| {
            assert_eq!(last_and_end(timeline, &mut job).await.1, At(5 * SECOND));
            let now = connections.port_state().get();
            assert_eq!(now, PortState { open: false, silent: false, life: 1, abrupt: true });
        };
        hit_by("crash=10m", reported).await;
    }
}
