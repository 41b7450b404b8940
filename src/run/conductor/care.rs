//! The server as the run sees it: whether it is there, whether it hangs, and,
//! where longhaul started it, when it is to be started again. Orders are
//! actions; the target takes them from there, and what comes of them comes
//! back as facts.

use super::{Conductor, Doing, Order};
use crate::fact::{Action, ClosedBecause, Entry, Fact, TargetFact, TargetWord};
use crate::incident::hang::Hangs;
use crate::incident::liveness::{Liveness, LivenessChange, State};
use crate::spec::Limits;
use crate::spec::scenario::{Restart, RestartWhen};
use crate::unit::{At, micros, span};
use crate::world::TargetOrder;

/// The first wait before a server that went away is asked again, and the longest: bounds
/// how hard a server that struggles to its feet is knocked at.
const PROBE_US: (u64, u64) = (1_000_000, 15_000_000);
/// Probes that fit into the longest outage that a scenario allows, at the least.
const PROBES_MIN: u64 = 20;
/// A probe that no answer came of counts as lost after this.
pub(crate) const PROBE_LIMIT_US: u64 = 10_000_000;

/// The server as the run sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct Care {
    liveness: Liveness,
    hangs: Hangs,
    standing: Standing,
    probe: Probe,
    /// Whether longhaul started it.
    started: bool,
    /// Restarts so far that no drill asked for.
    restarts: u32,
}

/// The state of the server's process, as far as longhaul has to do with it. Whether it
/// answers is up to the liveness.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// Nothing is wanted of it.
    #[default]
    There,
    /// It answers its probes, and nothing moves.
    Hung { since: At, restart: Option<Owed> },
    /// It ended, or could not be started.
    Gone { restart: Option<Owed> },
    /// An order was given at this instant, or its process was launched: nothing is sent until a
    /// probe is answered after both.
    Ordered { at: At, launched: Option<At> },
}

/// A restart that is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owed {
    at: At,
    why: String,
}

/// When a server that is not there is asked again.
#[derive(Clone, Copy, Debug)]
struct Probe {
    at: At,
    /// How long after its answer the next is due, microseconds.
    wait_us: u64,
}

impl Default for Probe {
    fn default() -> Probe {
        Probe { at: At::ZERO, wait_us: PROBE_US.0 }
    }
}

/// What an entry showed of the server being there.
pub(super) struct CareChange {
    pub change: Option<LivenessChange>,
    /// It was believed to be there, and is not any more.
    pub doubted: bool,
    /// It was not believed to be there, and is now.
    pub came: bool,
}

impl Care {
    /// Takes an entry.
    pub(super) fn fold(&mut self, entry: &Entry) -> CareChange {
        let was_up = self.is_up();
        let change = self.liveness.fold(entry);
        self.hangs.fold(entry);
        let doubted = was_up && !self.is_up();
        if doubted {
            // All sending waits for the answer, so it is asked at once.
            self.probe = Probe { at: entry.at, ..Probe::default() };
        }
        if matches!(change, Some(LivenessChange::WentAway { .. })) {
            self.probe.wait_us = PROBE_US.0;
        }
        CareChange { change, doubted, came: !was_up && self.is_up() }
    }

    /// Another segment begins: nobody looked in between, and the server is arrived at anew.
    pub(super) fn opened(&mut self) {
        (self.standing, self.probe) = (Standing::There, Probe::default());
    }

    /// Whether it answers, by what was seen.
    pub(super) fn is_up(&self) -> bool {
        self.liveness.state() == State::Up
    }

    /// Whether it is known to be away, or being started. One bad sign does not make it so.
    pub(super) fn is_away(&self) -> bool {
        self.liveness.state() == State::Down || self.awaits()
    }

    /// Whether it is believed to be there, and is not being started.
    pub(super) fn is_there(&self) -> bool {
        self.is_up() && !self.awaits()
    }

    /// Whether it was found to hang.
    pub(super) fn is_hung(&self) -> bool {
        matches!(self.standing, Standing::Hung { .. })
    }

    /// Whether its start is waited for.
    fn awaits(&self) -> bool {
        matches!(self.standing, Standing::Gone { .. } | Standing::Ordered { .. })
    }

    /// Whether it is to be asked if it is there.
    pub(super) fn is_probe_due(&self, now: At) -> bool {
        !self.is_there() && now >= self.probe.at
    }

    /// It was asked. Its answer sets the time of the next; this one bounds an answer that never
    /// comes.
    pub(super) fn probed(&mut self, now: At) {
        self.probe.at = At(now.0 + PROBE_LIMIT_US + PROBE_US.1);
    }

    /// Whether it is there was answered: the next probe waits longer, as long as it is not.
    pub(super) fn answered(&mut self, at: At, limits: &Limits) {
        self.probe.at = at;
        if self.is_there() {
            return;
        }
        self.probe.at = At(at.0 + self.probe.wait_us);
        let longest_us = (micros(limits.away) / PROBES_MIN).clamp(PROBE_US.0, PROBE_US.1);
        self.probe.wait_us = (self.probe.wait_us * 2).min(longest_us);
    }

    /// A probe was answered well: whether a start that was waited for is done with it.
    pub(super) fn greeted(&mut self, answered: At) -> bool {
        let Standing::Ordered { at, launched: Some(launched) } = self.standing else {
            return false;
        };
        let is_done = answered > launched && answered > at;
        if is_done {
            self.standing = Standing::There;
        }
        is_done
    }

    /// An order to it was given.
    pub(super) fn ordered(&mut self, order: TargetOrder, at: At, in_drill: bool) {
        self.standing = Standing::Ordered { at, launched: None };
        self.restarts += u32::from(order == TargetOrder::Restart && !in_drill);
        self.probe.wait_us = PROBE_US.0;
    }

    fn owed(&self) -> Option<&Owed> {
        match &self.standing {
            Standing::Hung { restart, .. } | Standing::Gone { restart } => restart.as_ref(),
            Standing::There | Standing::Ordered { .. } => None,
        }
    }

    /// What was decided of a hang no longer holds where something else became of the server.
    fn forget_hang(&mut self) {
        if let Standing::Hung { restart, .. } = &mut self.standing
            && !self.hangs.hung()
        {
            self.standing = match restart.take() {
                None => Standing::There,
                restart => Standing::Gone { restart },
            };
        }
    }
}

impl Conductor {
    /// Takes in what became of the target.
    pub(super) fn care_for(&mut self, fact: &TargetFact, at: At) {
        let unasked = fact.action.is_none();
        match fact.word {
            TargetWord::Launched => {
                self.care.started = true;
                if !matches!(self.doing, Doing::Before) {
                    self.care.probe.at = at;
                    self.launched(at);
                }
            }
            // Somebody else was quicker.
            TargetWord::Started if self.care.started => self.launched(at),
            TargetWord::Exited | TargetWord::Rebooted if self.care.started && unasked => {
                self.policy.break_off(&mut self.lanes, at);
                if let Doing::Drill(drilling) = &mut self.doing {
                    drilling.died();
                }
                let restart =
                    self.owe(at, &format!("it ended: {}", fact.evidence), RestartWhen::OnExit);
                self.care.standing = Standing::Gone { restart };
            }
            TargetWord::Hung => {
                let since = fact.since.unwrap_or(at);
                self.policy.break_off(&mut self.lanes, since);
                self.clock.stand(since);
                let started = self.care.started;
                let restart =
                    started.then(|| self.owe(at, "it hangs", RestartWhen::OnHang)).flatten();
                self.care.standing = Standing::Hung { since, restart };
            }
            TargetWord::Moving if self.care.is_hung() => {
                self.care.standing = Standing::There;
                self.clock.go(at);
                self.policy.free(at);
            }
            TargetWord::Failed if !unasked => {
                let restart = self.order_failed(fact, at);
                self.care.standing = Standing::Gone { restart };
            }
            _ => {}
        }
        self.care.forget_hang();
    }

    fn launched(&mut self, at: At) {
        self.care.standing = Standing::Ordered { at, launched: Some(at) };
        if let Doing::Drill(drilling) = &mut self.doing {
            drilling.launched();
        }
    }

    /// The start that is owed to a server that is gone, as far as policy and budget go.
    fn owe(&mut self, at: At, why: &str, needs: RestartWhen) -> Option<Owed> {
        let Restart { when, at_most, cool_down } = self.plan.restart;
        if let Some(owed) = self.care.owed() {
            return Some(owed.clone());
        }
        if matches!(self.doing, Doing::Drill(_)) || self.stop.is_some() {
            return None;
        }
        if when < needs {
            if needs == RestartWhen::OnExit {
                self.stop(ClosedBecause::Gone, format!("{why}; it is not to be started again"));
            }
            return None;
        }
        if self.care.restarts >= at_most {
            let note = format!("{why}; the {at_most} restarts that are allowed are used up");
            self.stop(ClosedBecause::Gone, note);
            return None;
        }
        let why = format!("{why}; restart {} of at most {at_most}", self.care.restarts + 1);
        Some(Owed { at: At(at.0 + micros(cool_down)), why })
    }

    fn order_failed(&mut self, fact: &TargetFact, at: At) -> Option<Owed> {
        if matches!(self.doing, Doing::Drill(_)) {
            self.stop(ClosedBecause::Gone, format!("a drill failed: {}", fact.evidence));
            return None;
        }
        self.owe(at, &fact.evidence, RestartWhen::OnExit)
    }

    /// The restart that is owed, when its time has come.
    pub(super) fn restart_due(&self, now: At) -> Option<Order> {
        let owed = self.care.owed().filter(|owed| now >= owed.at)?;
        Some(self.action(TargetOrder::Restart, owed.why.clone()))
    }

    pub(super) fn action(&self, order: TargetOrder, note: String) -> Order {
        let (id, what) = (self.next_action(), order.word().to_owned());
        Order::Record(Fact::Action(Action { id, what, note }))
    }

    /// What is found to hang, or to move again.
    pub(super) fn hang_due(&self, now: At) -> Option<TargetFact> {
        let care = &self.care;
        let moved = care.hangs.moved();
        match care.standing {
            Standing::Hung { since, .. } => {
                let words = "a token came, or a number of the engine changed";
                let moves = moved > since && care.hangs.hung();
                return moves.then(|| TargetFact::new(TargetWord::Moving, words).since(since));
            }
            Standing::Gone { .. } | Standing::Ordered { .. } => return None,
            Standing::There => {}
        }
        if !care.hangs.watched() || !care.is_up() {
            return None;
        }
        let deepest = self.lanes.out().max_by_key(|slot| self.plan.cell(*slot).depth)?;
        let cell = self.plan.cell(deepest);
        let planned_us = self.plan.first_token_us(cell);
        let own_us = micros(self.plan.limits.first_token);
        let silent_us = now.since(moved);
        (silent_us >= care.hangs.patience_us(cell.depth, planned_us, own_us)).then(|| {
            let words = format!(
                "{cell} in flight, its probes are answered, and for {} no token came and no number of the engine changed",
                span((silent_us as f64 / 1e6).round())
            );
            TargetFact::new(TargetWord::Hung, words).since(moved)
        })
    }
}
