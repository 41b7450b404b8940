//! Switches the speed between two levels. The slow level begins with the fault; how long each level
//! lasts depends on the seed.

use super::{Faults, LastingFault};
use crate::sim::ailment::{AilmentKind, level_us};
use crate::unit::At;

impl LastingFault {
    /// Whether the slow level of a speed that jumps is active.
    pub(super) fn is_slow(&self) -> bool {
        self.strikes % 2 == 1
    }
}

impl Faults {
    /// Brings the level of every speed that jumps up to date.
    pub(super) fn change_levels(&mut self, now: At) {
        let seed = self.seed;
        for lasting in &mut self.lasting {
            let jumps = matches!(lasting.ailment.kind, AilmentKind::SpeedLevels { .. });
            while jumps && let Some(turn) = lasting.turns.filter(|turn| *turn <= now) {
                let lasts_us = level_us(seed, lasting.place, lasting.strikes);
                lasting.turns = Some(At(turn.0.saturating_add(lasts_us)));
                lasting.strikes += 1;
            }
        }
    }
}
