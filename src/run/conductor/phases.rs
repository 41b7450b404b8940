//! Which phase comes next, and when.

use super::{Conductor, Order};
use crate::fact::{ClosedBecause, Fact, Phase, PhaseBegan};
use crate::spec::Extent;
use crate::unit::{At, micros};

impl Conductor {
    /// The order that begins the next phase, if it is time for it.
    pub(super) fn next_phase(&mut self, now: At) -> Option<Order> {
        let plan = &self.plan;
        let (laps, whole) = (self.place.lap, self.place.index == 0);
        let now_us = self.clock.now_us(now);
        let steady = if plan.reference_laps > 0 { Phase::Reference } else { Phase::Soak };
        let (phase, because) = match self.phase {
            None if plan.warmup_laps > 0 => (Phase::Warmup, "the run began".to_owned()),
            None => (steady, "the run began".to_owned()),
            Some(Phase::Warmup) if laps >= plan.warmup_laps => {
                (steady, format!("{laps} laps of warm-up"))
            }
            Some(Phase::Reference) if laps >= plan.reference_laps => {
                if whole && self.time_to_return(now_us, laps) {
                    (Phase::Return, "no time for a soak between the windows".to_owned())
                } else {
                    (Phase::Soak, format!("{laps} laps of reference"))
                }
            }
            Some(Phase::Soak) if self.drill_due(now_us).is_some() => {
                return self.drill_due(now_us).map(|began| Order::Record(Fact::Phase(began)));
            }
            Some(Phase::Soak) if whole && self.time_to_return(now_us, laps) => {
                if plan.reference_laps == 0 {
                    self.stop(ClosedBecause::Done, format!("{laps} laps done"));
                    return None;
                }
                (Phase::Return, "as much is left as the return window takes".to_owned())
            }
            Some(Phase::Return)
                if matches!(plan.extent, Extent::Laps(_)) && laps >= plan.reference_laps =>
            {
                self.stop(ClosedBecause::Done, "all laps done".to_owned());
                return None;
            }
            _ => return None,
        };
        Some(Order::Record(Fact::Phase(PhaseBegan { phase, because })))
    }

    /// Whether the rest of the run belongs to the return window, or, where none is asked
    /// for, whether the laps are done. `laps` of the present phase are done.
    fn time_to_return(&self, now_us: u64, laps: u64) -> bool {
        let reference = self.plan.reference_laps;
        match self.plan.extent {
            Extent::Laps(all) => {
                let before = if self.phase == Some(Phase::Soak) { reference } else { 0 };
                before + laps + reference >= all
            }
            Extent::Duration(duration) => {
                let left_us = micros(duration).saturating_sub(now_us);
                reference > 0 && left_us < (reference + 1) * self.lap_us
            }
        }
    }
}
