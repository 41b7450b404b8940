//! Tracks the server's state during a run: whether it is up, whether it hangs,
//! and, where longhaul started it, when to restart it. Orders are recorded as
//! actions; the target carries them out, and their results come back as facts.

use super::{Conductor, Order, RunState};
use crate::fact::{
    Action, Cell, ClosedBecause, Entry, Fact, Reading, Request, TargetFact, TargetWord,
};
use crate::incident::hang::{Hangs, LEAST_US};
use crate::incident::liveness::{Liveness, LivenessChange, State};
use crate::series::{MODEL_LISTED, TOKEN_ANSWERED, UP};
use crate::spec::Limits;
use crate::spec::scenario::{Restart, RestartWhen};
use crate::unit::{At, micros, span};
use crate::world::TargetOrder;

/// First and longest wait between two probes of a server that is down, microseconds: bounds the
/// extra load on a server that is starting.
const PROBE_US: (u64, u64) = (1_000_000, 15_000_000);
/// Least number of probes within the longest outage that a scenario allows.
const PROBES_MIN: u64 = 20;
/// Time after which a probe without a response counts as lost, microseconds.
pub(crate) const PROBE_LIMIT_US: u64 = 10_000_000;
/// Time after a reading of the output tokens for which it shows that they come, microseconds: two
/// readings.
const STREAMED_US: u64 = 20_000_000;

/// State of the server as the run knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerState {
    liveness: Liveness,
    hangs: Hangs,
    process: ProcessState,
    probe: Probe,
    /// Whether longhaul started it.
    started: bool,
    /// Restarts so far, without those of drills.
    restarts: u32,
}

/// State of the server's process as far as longhaul manages it. Whether the server answers is
/// tracked by [`Liveness`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum ProcessState {
    /// No order is due.
    #[default]
    There,
    /// The server answers probes but makes no progress.
    Hung { since: At, restart: Option<ScheduledRestart> },
    /// The process ended, or could not be started.
    Gone { restart: Option<ScheduledRestart> },
    /// An order was given at `at`; its process was launched at `launched`. Nothing is sent until a
    /// probe is answered after both.
    Ordered { at: At, launched: Option<At> },
}

/// Restart that is scheduled, with its time and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ScheduledRestart {
    at: At,
    why: String,
}

/// Schedule of the probes of a server that is down.
#[derive(Clone, Copy, Debug)]
struct Probe {
    at: At,
    /// Wait after an answered probe until the next, microseconds.
    wait_us: u64,
}

impl Default for Probe {
    fn default() -> Probe {
        Probe { at: At::ZERO, wait_us: PROBE_US.0 }
    }
}

/// Change of the server's state through an entry.
pub(super) struct ServerStateChange {
    pub change: Option<LivenessChange>,
    /// Whether the server was up before the entry and is not any more.
    pub doubted: bool,
    /// Whether the server was not up before the entry and is now.
    pub came: bool,
}

impl ServerState {
    /// Folds an entry into the state.
    pub(super) fn fold(&mut self, entry: &Entry) -> ServerStateChange {
        let was_up = self.is_up();
        let change = self.liveness.fold(entry);
        self.hangs.fold(entry);
        let doubted = was_up && !self.is_up();
        if doubted {
            // All sending waits for this probe, so it is due at once.
            self.probe = Probe { at: entry.at, ..Probe::default() };
        }
        if matches!(change, Some(LivenessChange::WentAway { .. })) {
            self.probe.wait_us = PROBE_US.0;
        }
        ServerStateChange { change, doubted, came: !was_up && self.is_up() }
    }

    /// Resets the process state for a new segment: nothing was observed in between.
    pub(super) fn opened(&mut self) {
        (self.process, self.probe) = (ProcessState::There, Probe::default());
    }

    /// Whether the server answers, as far as is known.
    pub(super) fn is_up(&self) -> bool {
        self.liveness.state() == State::Up
    }

    /// Whether the server is known to be down or is being started. A single failed request is not
    /// enough.
    pub(super) fn is_down_or_starting(&self) -> bool {
        self.liveness.state() == State::Down || self.awaits()
    }

    /// Whether the server is up and is not being started.
    pub(super) fn is_serving(&self) -> bool {
        self.is_up() && !self.awaits()
    }

    /// Whether the server was found to hang.
    pub(super) fn is_hung(&self) -> bool {
        matches!(self.process, ProcessState::Hung { .. })
    }

    /// Whether the server is gone or being started.
    fn awaits(&self) -> bool {
        matches!(self.process, ProcessState::Gone { .. } | ProcessState::Ordered { .. })
    }

    /// Whether a probe is due.
    pub(super) fn is_probe_due(&self, now: At) -> bool {
        !self.is_serving() && now >= self.probe.at
    }

    /// Whether there is a bad sign, or none, and it is not known whether the server is down.
    pub(super) fn is_suspect(&self) -> bool {
        self.liveness.state() == State::Suspect && !self.awaits()
    }

    /// Returns for how long requests have failed one after the other, microseconds, whatever was
    /// answered to probes; 0 while they are answered.
    pub(super) fn failing_us(&self, now: At) -> u64 {
        self.liveness.failing_since().map_or(0, |since| now.since(since))
    }

    /// Records that a probe was sent. The next is due when it is answered, or at this bound when
    /// it is not.
    pub(super) fn probed(&mut self, now: At, limits: &Limits) {
        let token_us = if self.liveness.is_failing() { micros(limits.first_token) } else { 0 };
        self.probe.at = At(now.0 + PROBE_LIMIT_US + PROBE_US.1 + token_us);
    }

    /// Whether a reading ends a probe. The sensor reads the health page, too: while that alone does
    /// not show that the server is up, a probe ends with what else it found.
    pub(super) fn ends_probe(&self, reading: &Reading) -> bool {
        if UP.is_of(reading) {
            return reading.last < 0.5 || !self.liveness.outweighs_probes();
        }
        TOKEN_ANSWERED.is_of(reading) || MODEL_LISTED.is_of(reading) && reading.last < 0.5
    }

    /// Records that a probe was answered. While the server is not up, the wait until the next
    /// doubles up to a limit.
    pub(super) fn answered(&mut self, at: At, limits: &Limits) {
        self.probe.at = at;
        if self.is_serving() {
            return;
        }
        self.probe.at = At(at.0 + self.probe.wait_us);
        let longest_us = (micros(limits.away) / PROBES_MIN).clamp(PROBE_US.0, PROBE_US.1);
        self.probe.wait_us = (self.probe.wait_us * 2).min(longest_us);
    }

    /// Records a probe that found the server up. Returns whether this completes a start.
    pub(super) fn confirm_start(&mut self, answered: At) -> bool {
        let ProcessState::Ordered { at, launched: Some(launched) } = self.process else {
            return false;
        };
        let is_done = answered > launched && answered > at;
        if is_done {
            self.process = ProcessState::There;
        }
        is_done
    }

    /// Records an order to the target.
    pub(super) fn ordered(&mut self, order: TargetOrder, at: At, in_drill: bool) {
        self.process = ProcessState::Ordered { at, launched: None };
        self.restarts += u32::from(order == TargetOrder::Restart && !in_drill);
        self.probe.wait_us = PROBE_US.0;
    }

    fn scheduled_restart(&self) -> Option<&ScheduledRestart> {
        match &self.process {
            ProcessState::Hung { restart, .. } | ProcessState::Gone { restart } => restart.as_ref(),
            ProcessState::There | ProcessState::Ordered { .. } => None,
        }
    }

    /// Clears a hang whose cause is gone, for example because the process ended. A scheduled
    /// restart remains.
    fn forget_hang(&mut self) {
        if let ProcessState::Hung { restart, .. } = &mut self.process
            && !self.hangs.hung()
        {
            self.process = match restart.take() {
                None => ProcessState::There,
                restart => ProcessState::Gone { restart },
            };
        }
    }
}

impl Conductor {
    /// Records a change of the target.
    pub(super) fn apply_target_fact(&mut self, fact: &TargetFact, at: At) {
        let unasked = fact.action.is_none();
        match fact.word {
            TargetWord::Launched => {
                self.server.started = true;
                if !matches!(self.doing, RunState::Before) {
                    self.server.probe.at = at;
                    self.launched(at);
                }
            }
            // The process was started from outside before longhaul did it.
            TargetWord::Started if self.server.started => self.launched(at),
            TargetWord::Exited | TargetWord::Rebooted if self.server.started && unasked => {
                self.policy.on_outage(&mut self.lanes, at);
                if let RunState::Drill(drilling) = &mut self.doing {
                    drilling.died();
                }
                let restart = self.schedule_restart(
                    at,
                    &format!("it ended: {}", fact.evidence),
                    RestartWhen::OnExit,
                );
                self.server.process = ProcessState::Gone { restart };
            }
            TargetWord::Hung => {
                let since = fact.since.unwrap_or(at);
                self.policy.on_outage(&mut self.lanes, since);
                self.clock.pause(since);
                let started = self.server.started;
                let restart = started
                    .then(|| self.schedule_restart(at, "it hangs", RestartWhen::OnHang))
                    .flatten();
                self.server.process = ProcessState::Hung { since, restart };
            }
            TargetWord::Moving if self.server.is_hung() => {
                self.server.process = ProcessState::There;
                self.clock.resume(at);
                self.policy.allow_from(at);
            }
            TargetWord::Failed if !unasked => {
                let restart = self.order_failed(fact, at);
                self.server.process = ProcessState::Gone { restart };
            }
            _ => {}
        }
        self.server.forget_hang();
    }

    fn launched(&mut self, at: At) {
        self.server.process = ProcessState::Ordered { at, launched: Some(at) };
        if let RunState::Drill(drilling) = &mut self.doing {
            drilling.launched();
        }
    }

    /// Returns the restart to schedule for a server that is gone or hangs. Ends the run where the
    /// policy forbids a restart after an exit, or where all allowed restarts are used.
    fn schedule_restart(
        &mut self,
        at: At,
        why: &str,
        needs: RestartWhen,
    ) -> Option<ScheduledRestart> {
        let Restart { when, at_most, cool_down } = self.plan.restart;
        if let Some(owed) = self.server.scheduled_restart() {
            return Some(owed.clone());
        }
        if matches!(self.doing, RunState::Drill(_)) || self.stop.is_some() {
            return None;
        }
        if when < needs {
            if needs == RestartWhen::OnExit {
                self.stop(ClosedBecause::Gone, format!("{why}; it is not to be started again"));
            }
            return None;
        }
        if self.server.restarts >= at_most {
            let note = format!("{why}; the allowed restarts are used up ({at_most})");
            self.stop(ClosedBecause::Gone, note);
            return None;
        }
        let why = format!("{why}; restart {} of at most {at_most}", self.server.restarts + 1);
        Some(ScheduledRestart { at: At(at.0 + micros(cool_down)), why })
    }

    fn order_failed(&mut self, fact: &TargetFact, at: At) -> Option<ScheduledRestart> {
        if matches!(self.doing, RunState::Drill(_)) {
            self.stop(ClosedBecause::Gone, format!("a drill failed: {}", fact.evidence));
            return None;
        }
        self.schedule_restart(at, &fact.evidence, RestartWhen::OnExit)
    }

    /// Returns the order of the scheduled restart, when it is due.
    pub(super) fn restart_due(&self, now: At) -> Option<Order> {
        let owed = self.server.scheduled_restart().filter(|owed| now >= owed.at)?;
        Some(self.action(TargetOrder::Restart, owed.why.clone()))
    }

    pub(super) fn action(&self, order: TargetOrder, note: String) -> Order {
        let (id, what) = (self.next_action(), order.word().to_owned());
        Order::Record(Fact::Action(Action { id, what, note }))
    }

    /// Returns the fact that the server hangs, or that it makes progress again.
    pub(super) fn hang_due(&self, now: At) -> Option<TargetFact> {
        let care = &self.server;
        let moved = care.hangs.moved();
        match care.process {
            ProcessState::Hung { since, .. } => {
                let words = "a token came, or a number of the engine changed";
                let moves = moved > since && care.hangs.hung();
                return moves.then(|| TargetFact::new(TargetWord::Moving, words).since(since));
            }
            ProcessState::Gone { .. } | ProcessState::Ordered { .. } => return None,
            ProcessState::There => {}
        }
        if !care.hangs.watched() || !care.is_up() {
            return None;
        }
        let (cell, patience_us) = self.patience()?;
        let silent_us = now.since(moved);
        (silent_us >= patience_us).then(|| {
            let words = format!(
                "{cell} in flight, its probes are answered, and for {} no token came and no number of the engine changed",
                span((silent_us as f64 / 1e6).round())
            );
            TargetFact::new(TargetWord::Hung, words).since(moved)
        })
    }

    /// Whether requests are being served: some are in flight, and there was progress within the
    /// time that the rule for hangs allows. Between two requests the last one counts, if it was
    /// answered. Such a server may answer no probe.
    pub(crate) fn is_serving(&self, now: At) -> bool {
        let is_served = if let Some((_, patience_us)) = self.patience() {
            now.since(self.server.hangs.moved()) < patience_us
        } else {
            let token = self.server.liveness.token();
            self.server.is_up() && token.is_some_and(|at| now.since(at) < LEAST_US)
        };
        !self.server.is_hung() && is_served
    }

    /// Whether a request that was sent before one that failed is being served: it waits for its
    /// first token no longer than the rule for hangs allows, or tokens come.
    pub(crate) fn is_serving_earlier(&self, failed: &Request) -> bool {
        let streamed = self.server.hangs.streamed();
        let streams = streamed.is_some_and(|at| failed.done.since(at) < STREAMED_US);
        self.lanes.out_before(failed.sent).any(|(slot, sent)| {
            let cell = self.plan.cell(slot);
            slot.lane != failed.lane
                && (streams || failed.done.since(sent) < self.patience_us(cell))
        })
    }

    /// Whether the server is up and is not being started.
    pub(crate) fn is_server_up(&self) -> bool {
        self.server.is_serving()
    }

    /// Whether requests failed one after the other, so that a probe has to ask for a token.
    pub(crate) fn is_failing(&self) -> bool {
        self.server.liveness.is_failing()
    }

    /// Returns the deepest cell in flight, and how long it may be without progress, microseconds.
    fn patience(&self) -> Option<(Cell, u64)> {
        let deepest = self.lanes.out().max_by_key(|slot| self.plan.cell(*slot).depth)?;
        let cell = self.plan.cell(deepest);
        Some((cell, self.patience_us(cell)))
    }

    fn patience_us(&self, cell: Cell) -> u64 {
        let planned_us = self.plan.first_token_us(cell);
        let own_us = micros(self.plan.limits.first_token);
        self.server.hangs.patience_us(cell.depth, planned_us, own_us)
    }
}
