//! Tells how much memory the active faults take.

use super::Faults;
use crate::sim::ailment::AilmentKind;
use crate::sim::machine::{Growth, GrowthUnit};
use crate::unit::At;

/// Time constant of a leak that plateaus, seconds: as caches that fill for hours.
const PLATEAU_S: f64 = 2700.0;

impl Faults {
    /// Returns the growth of the engine's memory over time, future growth included.
    pub(in crate::sim::engine) fn growths(&self) -> Vec<Growth> {
        let growth = |lasting: &super::LastingFault| {
            let by = match lasting.ailment.kind {
                AilmentKind::SlowLeak { bytes_per_s } => GrowthUnit::Rate(bytes_per_s),
                AilmentKind::LeakThatPlateaus { bytes } => {
                    GrowthUnit::Towards { bytes, within_s: PLATEAU_S }
                }
                _ => return None,
            };
            Some(Growth { from: lasting.from?, by })
        };
        self.lasting.iter().filter_map(growth).collect()
    }

    /// Returns the bytes that a request leaves behind that ends now.
    pub(in crate::sim::engine) fn leak_per_request(&mut self, now: At) -> f64 {
        self.taken(now, |kind| match kind {
            AilmentKind::LeakPerRequest { bytes } => Some(bytes),
            _ => None,
        })
    }

    /// Returns the bytes that a request leaves behind whose client disconnects now.
    pub(in crate::sim::engine) fn leak_after_abort(&mut self, now: At) -> f64 {
        self.taken(now, |kind| match kind {
            AilmentKind::LeakAfterAbort { bytes } => Some(bytes),
            _ => None,
        })
    }

    /// Returns the bytes that the machine does not get back from a process that ends now.
    pub(in crate::sim::engine) fn kept_memory(&mut self, now: At) -> f64 {
        self.taken(now, |kind| match kind {
            AilmentKind::MemoryKeptAfterRestart { bytes } => Some(bytes),
            _ => None,
        })
    }

    /// Adds up the bytes of active faults, and counts that they happened.
    fn taken(&mut self, now: At, bytes_of: impl Fn(AilmentKind) -> Option<f64>) -> f64 {
        let mut sum = 0.0;
        for lasting in self.lasting.iter_mut().filter(|lasting| lasting.is_on(now)) {
            if let Some(bytes) = bytes_of(lasting.ailment.kind) {
                lasting.strikes += 1;
                sum += bytes;
            }
        }
        sum
    }
}
