//! Folds the samples of an interval into one row per series.

use std::collections::BTreeMap;

use crate::fact::{Reading, Source};
use crate::series;
use crate::world::Sample;

/// Fold of the samples of an interval.
pub(super) struct IntervalFold {
    source: Source,
    series: BTreeMap<(String, String), Folded>,
    last: BTreeMap<(String, String), f64>,
}

struct Folded {
    n: u64,
    min: f64,
    max: f64,
    sum: f64,
    last: f64,
}

impl IntervalFold {
    /// Returns an empty fold for a source.
    pub(super) fn new(source: Source) -> IntervalFold {
        IntervalFold { source, series: BTreeMap::new(), last: BTreeMap::new() }
    }

    /// Adds samples; true if one of them may be a sign of a crash.
    pub(super) fn fold(&mut self, samples: Vec<Sample>) -> bool {
        let mut urgent = false;
        for sample in samples {
            let key = (sample.instance, sample.name);
            let value = sample.value;
            let before = self.last.insert(key.clone(), value);
            urgent |= series::of(self.source, &key.1)
                .is_some_and(|series| series.urgency.is_urgent(before, value));
            let folded = self.series.entry(key).or_insert(Folded {
                n: 0,
                min: value,
                max: value,
                sum: 0.0,
                last: value,
            });
            folded.n += 1;
            folded.min = folded.min.min(value);
            folded.max = folded.max.max(value);
            folded.sum += value;
            folded.last = value;
        }
        urgent
    }

    /// Ends the interval and returns its rows.
    pub(super) fn close(&mut self) -> Vec<Reading> {
        let source = self.source;
        std::mem::take(&mut self.series)
            .into_iter()
            .map(|((instance, name), folded)| Reading {
                source,
                instance,
                name,
                n: folded.n,
                min: folded.min,
                mean: folded.sum / folded.n as f64,
                max: folded.max,
                last: folded.last,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{
        CGROUP_OOM_KILLS, ENGINE_STARTED, PROCESSES, PROMPT_TOKENS, RUNNING_REQUESTS, Series, UP,
    };

    fn sample(series: &Series, value: f64) -> Vec<Sample> {
        vec![Sample::one(series, value)]
    }

    #[test]
    fn samples_are_folded_into_one_row() {
        let mut fold = IntervalFold::new(Source::Engine);
        for value in [3.0, 1.0, 2.0] {
            assert!(!fold.fold(sample(&RUNNING_REQUESTS, value)));
        }
        let readings = fold.close();
        assert_eq!(readings.len(), 1);
        let reading = &readings[0];
        assert_eq!((reading.n, reading.min, reading.max, reading.last), (3, 1.0, 3.0, 2.0));
        assert!((reading.mean - 2.0).abs() < 1e-9);
        assert!(fold.close().is_empty());
    }

    #[test]
    fn what_may_be_a_sign_of_death_is_told_at_once() {
        let mut fold = IntervalFold::new(Source::Engine);
        assert!(fold.fold(sample(&UP, 0.0)));
        assert!(fold.fold(sample(&UP, 1.0)), "and so is the return");
        assert!(!fold.fold(sample(&UP, 1.0)));
        assert!(!fold.fold(sample(&ENGINE_STARTED, 5.0)));
        assert!(fold.fold(sample(&ENGINE_STARTED, 9.0)));
        assert!(!fold.fold(sample(&PROMPT_TOKENS, 100.0)));
        assert!(fold.fold(sample(&PROMPT_TOKENS, 3.0)), "a counter went back");
        let mut fold = IntervalFold::new(Source::Process);
        assert!(!fold.fold(sample(&PROCESSES, 3.0)) && !fold.fold(sample(&PROCESSES, 2.0)));
        assert!(fold.fold(sample(&PROCESSES, 0.0)) && !fold.fold(sample(&PROCESSES, 0.0)));
        let mut fold = IntervalFold::new(Source::Container);
        assert!(!fold.fold(sample(&CGROUP_OOM_KILLS, 1.0)), "the first is the base");
        assert!(fold.fold(sample(&CGROUP_OOM_KILLS, 2.0)));
    }
}
