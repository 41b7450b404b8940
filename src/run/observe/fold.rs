//! What was seen in an interval, as one row for each series.

use std::collections::BTreeMap;

use crate::fact::{Reading, Source};
use crate::world::Sample;

/// Samples of an interval.
#[derive(Default)]
pub struct Fold {
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

impl Fold {
    /// Takes samples in; true if one of them may be a sign of death.
    pub fn take(&mut self, samples: Vec<Sample>) -> bool {
        let mut urgent = false;
        for sample in samples {
            let key = (sample.instance, sample.name);
            let value = sample.value;
            let before = self.last.insert(key.clone(), value);
            urgent |= match key.1.as_str() {
                "up" => value == 0.0 || before == Some(0.0),
                "processes" => before.is_some_and(|before| (before == 0.0) != (value == 0.0)),
                "oom_kills" | "cgroup_oom_kills" | "process_start_time_seconds" => {
                    before.is_some_and(|before| (before - value).abs() > f64::EPSILON)
                }
                name => name.ends_with("_total") && before.is_some_and(|before| value < before),
            };
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

    /// Ends the interval.
    pub fn close(&mut self, source: Source) -> Vec<Reading> {
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

    fn sample(name: &str, value: f64) -> Vec<Sample> {
        vec![Sample { instance: String::new(), name: name.to_owned(), value }]
    }

    #[test]
    fn samples_are_folded_into_one_row() {
        let mut fold = Fold::default();
        for value in [3.0, 1.0, 2.0] {
            assert!(!fold.take(sample("running", value)));
        }
        let readings = fold.close(Source::Engine);
        assert_eq!(readings.len(), 1);
        let reading = &readings[0];
        assert_eq!((reading.n, reading.min, reading.max, reading.last), (3, 1.0, 3.0, 2.0));
        assert!((reading.mean - 2.0).abs() < 1e-9);
        assert!(fold.close(Source::Engine).is_empty());
    }

    #[test]
    fn what_may_be_a_sign_of_death_is_told_at_once() {
        let mut fold = Fold::default();
        assert!(fold.take(sample("up", 0.0)));
        assert!(fold.take(sample("up", 1.0)), "and so is the return");
        assert!(!fold.take(sample("up", 1.0)));
        assert!(!fold.take(sample("process_start_time_seconds", 5.0)));
        assert!(fold.take(sample("process_start_time_seconds", 9.0)));
        assert!(!fold.take(sample("prompt_tokens_total", 100.0)));
        assert!(fold.take(sample("prompt_tokens_total", 3.0)), "a counter went back");
        assert!(!fold.take(sample("processes", 3.0)) && !fold.take(sample("processes", 2.0)));
        assert!(fold.take(sample("processes", 0.0)) && !fold.take(sample("processes", 0.0)));
        assert!(!fold.take(sample("cgroup_oom_kills", 1.0)), "the first is the base");
        assert!(fold.take(sample("cgroup_oom_kills", 2.0)));
    }
}
