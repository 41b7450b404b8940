//! Counts how often each ailment of a simulated server happened, or how many requests it hit.

use std::collections::BTreeMap;

use crate::fact::{Entry, Fact, Phase};
use crate::series::AILMENT_HITS;

/// Counts by ailment, as it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AilmentCounts {
    is_judged: bool,
    /// Count at the end of the warm-up, and at the end.
    counts: BTreeMap<String, (f64, f64)>,
}

impl AilmentCounts {
    /// Folds an entry.
    pub(super) fn fold(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Phase(began) => self.is_judged |= began.phase != Phase::Warmup,
            Fact::Reading(reading) if AILMENT_HITS.is_of(reading) => {
                let counts = self.counts.entry(reading.instance.clone()).or_default();
                counts.1 = counts.1.max(reading.last);
                if !self.is_judged {
                    counts.0 = counts.1;
                }
            }
            _ => {}
        }
    }

    /// Returns the count of an ailment, in all and after the warm-up; `None` where it was not read.
    pub(crate) fn of(&self, ailment: &str) -> Option<(f64, f64)> {
        let (before, all) = self.counts.get(ailment)?;
        Some((*all, all - before))
    }
}
