//! Looks at what a sensor sees, again and again, folds what it saw over ten
//! seconds, and says when it could not look. What may be a sign of death is
//! told at once, and so is a line of a log.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Heard;
use crate::bell::Bell;
use crate::fact::{Fact, Missed, Reading, Source};
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Sample, Sensor};

/// The interval of a row.
const FOLD_US: u64 = 10_000_000;
/// A look that takes longer is a miss: bounds a sensor that blocks for minutes.
const LOOK: Duration = Duration::from_secs(10);
/// The same for the look at the end, for which the run waits.
const LAST_LOOK: Duration = Duration::from_millis(800);

/// Looks until the run drains; then once more, so that nothing up to its end is missing.
pub async fn watch<S: Sensor>(
    mut sensor: S,
    timeline: Timeline,
    facts: mpsc::Sender<Heard>,
    draining: Bell<bool>,
) {
    let source = sensor.source();
    let mut fold = Fold::default();
    let mut missed: Option<Missed> = None;
    let mut due = timeline.now();
    // The first look is told at once: it covers the time before the first whole interval.
    let mut told: Option<At> = None;
    // When something was seen last: a look that got no answer is no sign of life.
    let mut seen = due;
    loop {
        let last = tokio::select! { biased;
            () = timeline.until(due) => false,
            _ = draining.until(|draining| *draining) => true,
        };
        let limit = if last { LAST_LOOK } else { LOOK };
        let looked = timeline.before(timeline.now().after(limit), sensor.look()).await;
        let now = timeline.now();
        let urgent = match looked {
            Some(Ok(look)) => {
                seen = now;
                for (at, said) in look.said {
                    if facts.send(Heard::Fact(at, Fact::Said(said))).await.is_err() {
                        return;
                    }
                }
                fold.take(look.samples)
            }
            Some(Err(why)) => miss(&mut missed, source, sensor.what(), why),
            None => miss(&mut missed, source, sensor.what(), "no answer in time".to_owned()),
        };
        due = next(due, now, sensor.cadence_us());
        // Told when the next look would come too late for this interval.
        let full = told.is_none_or(|told| due.since(told) > FOLD_US);
        if urgent || last || full {
            told = Some(now);
            let readings = fold.close(source).into_iter().map(|it| (seen, Fact::Reading(it)));
            let missed = missed.take().map(|it| (now, Fact::Missed(it)));
            for (at, fact) in readings.chain(missed) {
                if facts.send(Heard::Fact(at, fact)).await.is_err() {
                    return;
                }
            }
        }
        if last {
            return;
        }
    }
}

/// The next look: on the sensor's own grid, without catching up on looks that were missed.
fn next(due: At, now: At, cadence_us: u64) -> At {
    let behind = now.since(due) / cadence_us.max(1);
    At(due.0 + (behind + 1) * cadence_us.max(1))
}

/// Adds to the misses of this interval; never urgent.
fn miss(missed: &mut Option<Missed>, source: Source, what: &str, why: String) -> bool {
    let times = missed.as_ref().map_or(0, |missed| missed.times) + 1;
    *missed = Some(Missed { source, what: what.to_owned(), why, times });
    false
}

#[derive(Default)]
struct Fold {
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
    fn take(&mut self, samples: Vec<Sample>) -> bool {
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

    fn close(&mut self, source: Source) -> Vec<Reading> {
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

    #[test]
    fn missed_looks_are_not_made_up_for() {
        assert_eq!(next(At(0), At(10), 100), At(100));
        assert_eq!(next(At(0), At(950), 100), At(1000));
    }
}
