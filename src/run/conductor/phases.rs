//! Decides which phase comes next, and when.

use super::lanes::Laps;
use super::{Conductor, Order, RunState};
use crate::fact::{Fact, Phase, PhaseBegan};
use crate::spec::Extent;
use crate::unit::{At, micros};

/// Successor of the present phase.
enum PhaseTransition {
    Phase(PhaseBegan),
    /// All laps are done, with a note that says so.
    Done(String),
}

impl Conductor {
    /// Returns the order that begins something between two rounds, if any: a phase, or a step of a
    /// drill.
    pub(super) fn step(&self, now: At) -> Option<Order> {
        if !self.policy.is_boundary() {
            return None;
        }
        self.drill(now).or_else(|| match self.next(now)? {
            PhaseTransition::Phase(began) => Some(Order::Record(Fact::Phase(began))),
            PhaseTransition::Done(_) => None,
        })
    }

    /// Returns the note of a plan that is finished by its laps, if it is.
    pub(super) fn laps_done(&self, now: At) -> Option<String> {
        if !self.policy.is_boundary() || self.restart_due(now).is_some() {
            return None;
        }
        match self.next(now)? {
            PhaseTransition::Done(note) if self.drill(now).is_none() => Some(note),
            _ => None,
        }
    }

    fn next(&self, now: At) -> Option<PhaseTransition> {
        if !self.serves() || self.is_quiet() || self.policy.repeats() {
            return None;
        }
        let plan = &self.plan;
        let Laps { done: laps, whole, .. } = self.policy.laps();
        let service_us = self.clock.now_us(now);
        let phase = |phase, because| Some(PhaseTransition::Phase(PhaseBegan { phase, because }));
        let steady = if plan.reference_laps > 0 { Phase::Reference } else { Phase::Soak };
        let present = match &self.doing {
            RunState::Before if plan.warmup_laps > 0 => {
                return phase(Phase::Warmup, "the run began".to_owned());
            }
            RunState::Before => return phase(steady, "the run began".to_owned()),
            RunState::Load(present) => *present,
            RunState::Drill(_) | RunState::Drain(_) | RunState::Closed => return None,
        };
        match present {
            Phase::Warmup if laps >= plan.warmup_laps => {
                phase(steady, format!("{laps} laps of warm-up"))
            }
            Phase::Reference if laps >= plan.reference_laps => {
                if whole && self.time_to_return(present, service_us) {
                    phase(Phase::Return, "no time for a soak between the windows".to_owned())
                } else {
                    phase(Phase::Soak, format!("{laps} laps of reference"))
                }
            }
            Phase::Soak => match self.drill_due(service_us) {
                Some(began) => Some(PhaseTransition::Phase(began)),
                None if !(whole && self.time_to_return(present, service_us)) => None,
                None if plan.reference_laps == 0 => {
                    Some(PhaseTransition::Done(format!("{laps} laps done")))
                }
                None => {
                    phase(Phase::Return, "as much is left as the return window takes".to_owned())
                }
            },
            Phase::Return
                if matches!(plan.extent, Extent::Laps(_)) && laps >= plan.reference_laps =>
            {
                Some(PhaseTransition::Done("all laps done".to_owned()))
            }
            _ => None,
        }
    }

    /// Whether the rest of the run belongs to the return window, or, where there is none, whether
    /// the laps are done.
    fn time_to_return(&self, present: Phase, service_us: u64) -> bool {
        let reference = self.plan.reference_laps;
        let Laps { done, last_us, .. } = self.policy.laps();
        match self.plan.extent {
            Extent::Laps(all) => {
                let before = if present == Phase::Soak { reference } else { 0 };
                before + done + reference >= all
            }
            Extent::Duration(duration) => {
                let left_us = micros(duration).saturating_sub(service_us);
                reference > 0 && left_us < (reference + 1) * last_us
            }
        }
    }
}
