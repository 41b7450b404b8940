//! Tracks the drill under way and returns its next order.

use super::{Conductor, Order, RunState};
use crate::fact::{Fact, Phase, PhaseBegan};
use crate::spec::scenario::{Drill, DrillKind};
use crate::unit::{At, micros, span};
use crate::world::TargetOrder;

/// Drill under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drilling {
    drill: Drill,
    began: At,
    step: Step,
}

/// Progress of a drill that gives orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Begun,
    /// The first order was given, at this instant.
    Ordered(At),
    /// A start was ordered, or the server ended after its launch.
    Launching,
    Launched,
}

impl Drilling {
    /// Returns a drill that begins at this instant.
    pub(super) fn new(drill: Drill, began: At) -> Drilling {
        Drilling { drill, began, step: Step::Begun }
    }

    /// Returns the same drill, begun again at this instant.
    #[must_use]
    pub(super) fn anew(self, at: At) -> Drilling {
        Drilling::new(self.drill, at)
    }

    /// Returns the phase of the drill's requests.
    pub(super) fn phase(&self) -> Phase {
        phase_of(self.drill)
    }

    /// Whether the drill allows no load.
    pub(super) fn is_quiet(&self) -> bool {
        !matches!(self.drill.kind, DrillKind::Aborts(_))
    }

    /// Records an order to the target.
    pub(super) fn ordered(&mut self, at: At) {
        self.step = match self.step {
            Step::Begun => Step::Ordered(at),
            _ => Step::Launching,
        };
    }

    /// Records that the server's process was launched.
    pub(super) fn launched(&mut self) {
        self.step = Step::Launched;
    }

    /// Records that the server's process ended without an order.
    pub(super) fn died(&mut self) {
        if self.step == Step::Launched {
            self.step = Step::Launching;
        }
    }

    fn note(&self) -> String {
        let Drill { kind, at } = self.drill;
        format!("drill: {} at {}", kind.word(), span(at.as_secs_f64()))
    }

    fn back_to_the_soak(&self) -> Order {
        let because = format!("{} is over", self.note());
        Order::Record(Fact::Phase(PhaseBegan { phase: Phase::Soak, because }))
    }
}

fn phase_of(drill: Drill) -> Phase {
    match drill.kind {
        DrillKind::Idle(_) => Phase::Idle,
        _ => Phase::Drill,
    }
}

impl Conductor {
    /// Returns the next order of the drill; `None` while it waits or while load is to be sent.
    pub(super) fn drill(&self, now: At) -> Option<Order> {
        let RunState::Drill(drilling) = &self.doing else { return None };
        let action = |order| Some(self.action(order, drilling.note()));
        match (drilling.drill.kind, drilling.step) {
            (DrillKind::Idle(lasts) | DrillKind::Aborts(lasts), _) => {
                let over = now.since(drilling.began) >= micros(lasts);
                over.then(|| drilling.back_to_the_soak())
            }
            (DrillKind::Restart, Step::Begun) => action(TargetOrder::Restart),
            (DrillKind::Stop(_), Step::Begun) => action(TargetOrder::Stop),
            (DrillKind::Stop(lasts), Step::Ordered(stopped))
                if now.since(stopped) >= micros(lasts) =>
            {
                action(TargetOrder::Launch)
            }
            (_, Step::Launched) => self.server.is_serving().then(|| drilling.back_to_the_soak()),
            _ => None,
        }
    }

    /// Returns the begin of the next drill when it is due. Drills begin between two rounds of the
    /// soak.
    pub(super) fn drill_due(&self, service_us: u64) -> Option<PhaseBegan> {
        let next = self.plan.drills.get(self.drilled)?;
        let because = format!("drill: {}", next.kind.word());
        (service_us >= micros(next.at)).then(|| PhaseBegan { phase: phase_of(*next), because })
    }
}
