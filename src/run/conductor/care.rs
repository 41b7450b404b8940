//! What the run does to the server: starts one again that died or hangs, where
//! longhaul started it, and carries drills out. Orders are actions; the target
//! takes them from there, and what comes of them comes back as facts.

use super::{Conductor, Order, target};
use crate::fact::{Action, ClosedBecause, Fact, Phase, PhaseBegan, TargetFact, TargetWord};
use crate::incident::State;
use crate::spec::scenario::{Drill, DrillKind, Restart, When};
use crate::unit::{At, micros, span};
use crate::world::TargetOrder;

/// What is known of a server that longhaul started, and what is owed to it.
#[derive(Clone, Debug, Default)]
pub struct Care {
    /// Whether longhaul started it.
    started: bool,
    /// Restarts so far that no drill asked for.
    restarts: u32,
    /// When it is to be started again, and why.
    owed: Option<(At, String)>,
    /// Since when a start is waited for: nothing is sent until a probe is answered after it.
    awaited: Option<At>,
    /// Actions so far.
    actions: u64,
    /// The drill under way, when it began, and when its order was given, if it gives one.
    drill: Option<(Drill, At)>,
    stopped: Option<At>,
    launched: Option<At>,
    /// Drills that were begun.
    drilled: usize,
}

impl Care {
    /// Whether the server is being started.
    pub fn awaits(&self) -> bool {
        self.awaited.is_some()
    }

    /// Whether a drill keeps all load away.
    pub fn is_quiet(&self) -> bool {
        self.drill.is_some_and(|(drill, _)| !matches!(drill.kind, DrillKind::Aborts(_)))
    }
}

impl Conductor {
    /// The number of the next action, whoever gives it.
    pub fn next_action(&self) -> u64 {
        self.care.actions + 1
    }

    /// Takes in what became of the target.
    pub(super) fn care_for(&mut self, fact: &TargetFact, at: At) {
        let care = &mut self.care;
        match fact.word {
            TargetWord::Launched => {
                care.started = true;
                if self.phase.is_some() {
                    care.awaited = Some(at);
                    care.launched = Some(at);
                    self.probe_at = at;
                }
            }
            // Somebody else was quicker.
            TargetWord::Started if care.started => {
                (care.owed, care.awaited, care.launched) = (None, Some(at), Some(at));
            }
            TargetWord::Exited | TargetWord::Rebooted if care.started && fact.action.is_none() => {
                (care.awaited, care.launched) = (Some(at), None);
                self.break_off(at);
                self.owe(at, &format!("it ended: {}", fact.evidence), When::OnExit);
            }
            TargetWord::Hung => {
                self.hung = fact.since.or(Some(at));
                self.break_off(fact.since.unwrap_or(at));
                self.clock.stand(fact.since.unwrap_or(at));
                if self.care.started {
                    self.owe(at, "it hangs", When::OnHang);
                }
            }
            TargetWord::Moving => {
                self.hung = None;
                self.care.owed = None;
                self.clock.go(at);
                self.free(at);
            }
            TargetWord::Failed if fact.action.is_some() => self.order_failed(fact, at),
            _ => {}
        }
        if !self.hangs.hung() {
            self.hung = None;
        }
    }

    /// A start is owed to a server that is gone, as far as policy and budget go.
    fn owe(&mut self, at: At, why: &str, needs: When) {
        let Restart { when, at_most, cool_down } = self.plan.restart;
        if self.care.drill.is_some() || self.care.owed.is_some() || self.stopping.is_some() {
            return;
        }
        if when < needs {
            if needs == When::OnExit {
                self.stop(ClosedBecause::Gone, format!("{why}; it is not to be started again"));
            }
        } else if self.care.restarts >= at_most {
            let note = format!("{why}; the {at_most} restarts that are allowed are used up");
            self.stop(ClosedBecause::Gone, note);
        } else {
            let note = format!("{why}; restart {} of at most {at_most}", self.care.restarts + 1);
            self.care.owed = Some((At(at.0 + micros(cool_down)), note));
        }
    }

    fn order_failed(&mut self, fact: &TargetFact, at: At) {
        self.care.awaited = None;
        if self.care.drill.is_some() {
            self.stop(ClosedBecause::Gone, format!("a drill failed: {}", fact.evidence));
        } else {
            self.owe(at, &fact.evidence, When::OnExit);
        }
    }

    /// Takes in an action that is an order to the target.
    pub(super) fn ordered(&mut self, order: TargetOrder, at: At) {
        let care = &mut self.care;
        care.owed = None;
        (care.awaited, care.launched) = (Some(at), None);
        care.restarts += u32::from(order == TargetOrder::Restart && care.drill.is_none());
        if care.drill.is_some() {
            care.stopped.get_or_insert(at);
        }
        self.break_off(at);
        self.probe_wait_us = super::PROBE_US.0;
    }

    /// A probe was answered: whoever was waited for is there, if it was asked late enough.
    pub(super) fn greeted(&mut self, at: At) {
        let launched = self.care.launched.is_some_and(|launched| at > launched);
        if launched && self.care.awaited.is_some_and(|since| at > since) {
            self.care.awaited = None;
            if self.liveness.state() == State::Up {
                self.hung = None;
                self.clock.go(at);
                self.free(at);
            }
        }
    }

    /// Counts what was done, for the number of the next action.
    pub(super) fn counted(&mut self, action: &Action) {
        self.care.actions = self.care.actions.max(action.id);
    }

    /// A phase began: with a drill's own begins the drill.
    pub(super) fn drill_began(&mut self, phase: Phase, at: At) {
        self.care.drill = None;
        if matches!(phase, Phase::Idle | Phase::Drill) {
            self.care.drill = self.plan.drills.get(self.care.drilled).map(|drill| (*drill, at));
            (self.care.stopped, self.care.launched) = (None, None);
            self.care.drilled += 1;
        }
    }

    /// The restart that is owed, when its time has come.
    pub(super) fn restart_due(&mut self, now: At) -> Option<Order> {
        let (_, why) = self.care.owed.take_if(|(at, _)| now >= *at)?;
        Some(self.action(TargetOrder::Restart, why))
    }

    fn action(&self, order: TargetOrder, note: String) -> Order {
        let (id, what) = (self.next_action(), order.word().to_owned());
        Order::Record(Fact::Action(Action { id, what, note }))
    }

    /// The next drill, when its time has come: at the end of a round of the soak.
    pub(super) fn drill_due(&self, now_us: u64) -> Option<PhaseBegan> {
        let next = self.plan.drills.get(self.care.drilled)?;
        if now_us < micros(next.at) {
            return None;
        }
        let phase = match next.kind {
            DrillKind::Idle(_) => Phase::Idle,
            _ => Phase::Drill,
        };
        Some(PhaseBegan { phase, because: format!("drill: {}", next.kind.word()) })
    }

    /// What the drill under way wants done; `None` where it waits, or where it wants load.
    pub(super) fn drill(&self, now: At) -> Option<Order> {
        let (drill, began) = self.care.drill?;
        let lasted = now.since(began);
        let drilled = || drill_note(drill);
        match drill.kind {
            DrillKind::Idle(lasts) | DrillKind::Aborts(lasts) => {
                (lasted >= micros(lasts)).then(|| back_to_the_soak(drill))
            }
            DrillKind::Restart if self.care.stopped.is_none() => {
                Some(self.action(TargetOrder::Restart, drilled()))
            }
            DrillKind::Stop(_) if self.care.stopped.is_none() => {
                Some(self.action(TargetOrder::Stop, drilled()))
            }
            DrillKind::Stop(lasts) if self.care.launched.is_none() => {
                let over = now.since(self.care.stopped?) >= micros(lasts);
                // The order may be under way already.
                let asked = self.care.awaited > self.care.stopped;
                (over && !asked).then(|| self.action(TargetOrder::Launch, drilled()))
            }
            DrillKind::Restart | DrillKind::Stop(_) => {
                let there = self.liveness.state() == State::Up && !self.care.awaits();
                (self.care.launched.is_some() && there).then(|| back_to_the_soak(drill))
            }
        }
    }

    /// What was found to hang, or to move again.
    pub(super) fn notice_hang(&mut self, now: At) {
        let moved = self.hangs.moved();
        if let Some(since) = self.hung {
            if moved > since && self.hangs.hung() {
                let words = "a token came, or a number of the engine changed".to_owned();
                self.pending.push_back(target(TargetWord::Moving, since, words));
            }
            return;
        }
        let Some(running) = self.running.as_ref().filter(|running| running.is_out()) else {
            return;
        };
        if !self.hangs.watched() || self.liveness.state() != State::Up {
            return;
        }
        let cell = self.plan.at(running.place).0.cell;
        let planned_us = self.plan.first_token_us(cell);
        let own_us = micros(self.plan.limits.first_token);
        let silent_us = now.since(moved);
        if silent_us >= self.hangs.patience_us(cell.depth, planned_us, own_us) {
            let words = format!(
                "{cell} in flight, its probes are answered, and for {} no token came and no number of the engine changed",
                span((silent_us as f64 / 1e6).round())
            );
            self.pending.push_back(target(TargetWord::Hung, moved, words));
        }
    }
}

fn drill_note(drill: Drill) -> String {
    format!("drill: {} at {}", drill.kind.word(), span(drill.at.as_secs_f64()))
}

fn back_to_the_soak(drill: Drill) -> Order {
    let because = format!("{} is over", drill_note(drill));
    Order::Record(Fact::Phase(PhaseBegan { phase: Phase::Soak, because }))
}
