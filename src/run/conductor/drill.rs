//! The drill under way, and what it wants done.

use super::{Conductor, Doing, Order};
use crate::fact::{Fact, Phase, PhaseBegan};
use crate::spec::scenario::{Drill, DrillKind};
use crate::unit::{At, micros, span};
use crate::world::TargetOrder;

/// The drill under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drilling {
    drill: Drill,
    began: At,
    step: Step,
}

/// How far a drill that gives orders is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Begun,
    /// Its first order was given.
    Ordered(At),
    /// A start was ordered, or came of itself and failed.
    Launching,
    Launched,
}

impl Drilling {
    /// A drill that begins at this instant.
    pub(super) fn new(drill: Drill, began: At) -> Drilling {
        Drilling { drill, began, step: Step::Begun }
    }

    /// The same drill, begun anew.
    #[must_use]
    pub(super) fn anew(self, at: At) -> Drilling {
        Drilling::new(self.drill, at)
    }

    /// The phase that its asks belong to.
    pub(super) fn phase(&self) -> Phase {
        phase_of(self.drill)
    }

    /// Whether it keeps all load away.
    pub(super) fn is_quiet(&self) -> bool {
        !matches!(self.drill.kind, DrillKind::Aborts(_))
    }

    /// An order to the target was given.
    pub(super) fn ordered(&mut self, at: At) {
        self.step = match self.step {
            Step::Begun => Step::Ordered(at),
            _ => Step::Launching,
        };
    }

    /// The server's process was launched.
    pub(super) fn launched(&mut self) {
        self.step = Step::Launched;
    }

    /// The server's process ended, and nobody had asked for it.
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
    /// What the drill under way wants done; `None` where it waits, or where it wants load.
    pub(super) fn drill(&self, now: At) -> Option<Order> {
        let Doing::Drill(drilling) = &self.doing else { return None };
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
            (_, Step::Launched) => self.care.is_there().then(|| drilling.back_to_the_soak()),
            _ => None,
        }
    }

    /// The next drill, when its time has come: at the end of a round of the soak.
    pub(super) fn drill_due(&self, service_us: u64) -> Option<PhaseBegan> {
        let next = self.plan.drills.get(self.drilled)?;
        let because = format!("drill: {}", next.kind.word());
        (service_us >= micros(next.at)).then(|| PhaseBegan { phase: phase_of(*next), because })
    }
}
