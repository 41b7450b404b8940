//! What flags change in a scenario: its length and its axes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Extent, Ladder, Prefix, RATES, Restart, Scenario, When, Workload};
use crate::error::Mistake;
use crate::fact::Load;

/// What is asked for instead of what the file says. Written into the manifest, so that a
/// run folder says what was really asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overrides {
    /// How long, instead of the file's duration or laps. Microseconds in the manifest.
    #[serde(with = "micros", rename = "duration_us", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// Context depths, tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depths: Option<Vec<u64>>,
    /// Streams at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Vec<u32>>,
    /// Requests per second: every ladder becomes an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Vec<f64>>,
    /// When a server that longhaul started is started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<When>,
}

impl Overrides {
    /// Whether nothing is overridden.
    pub fn is_empty(&self) -> bool {
        *self == Overrides::default()
    }
}

mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::unit;

    #[allow(clippy::ref_option)] // serde gives the field as it is
    pub fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        span.map(unit::micros).serialize(to)
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_micros))
    }
}

impl Scenario {
    /// The scenario with its length and axes overridden.
    ///
    /// A value stays with the ladders that list it; one that no ladder lists goes to every
    /// ladder; a ladder that is left with nothing goes. Gates on depths or loads that are no
    /// longer there go, with a warning. Rates take the place of every ladder's concurrency.
    ///
    /// # Errors
    /// An override that asks nothing, twice, or the impossible; rates for a ladder in two
    /// phases.
    pub fn with(mut self, overrides: &Overrides) -> Result<Scenario, Mistake> {
        check(overrides)?;
        if let Some(duration) = overrides.duration {
            self.extent = Extent::Duration(duration);
        }
        if let Some(when) = overrides.restart {
            self.restart = Some(Restart { when, ..self.restart.unwrap_or_default() });
        }
        let workloads = std::mem::take(&mut self.workloads);
        let mut ladders: Vec<Ladder> =
            workloads.into_iter().map(|Workload::Ladder(ladder)| ladder).collect();
        if let Some(depths) = &overrides.depths {
            replace(&mut ladders, depths, |ladder| &mut ladder.depths);
            // Depths that were named are asked for, however long they take.
            for ladder in &mut ladders {
                ladder.cap = None;
            }
        }
        if let Some(concurrency) = &overrides.concurrency {
            replace(&mut ladders, concurrency, |ladder| &mut ladder.concurrency);
            // What was asked for is the closed loop, and nothing beside it.
            for ladder in &mut ladders {
                ladder.rate.clear();
            }
        }
        if let Some(rate) = &overrides.rate {
            open(&mut ladders, rate)?;
        }
        let mut dropped_schedule = false;
        for ladder in &mut ladders {
            dropped_schedule |= filter_schedule(ladder);
        }
        if dropped_schedule {
            let text =
                "the schedule has no place for the values asked for: the lap goes in plain order";
            self.warnings.push(text.to_owned());
        }
        self.drop_gates(&ladders);
        self.workloads = ladders.into_iter().map(Workload::Ladder).collect();
        Ok(self)
    }

    fn drop_gates(&mut self, ladders: &[Ladder]) {
        let has_depth = |depth: u64| ladders.iter().any(|ladder| ladder.depths.contains(&depth));
        let has_load =
            |load: Load| ladders.iter().any(|ladder| ladder.loads().any(|known| known == load));
        let warnings = &mut self.warnings;
        self.contract.gates.retain(|gate| {
            let stays =
                gate.select.depth.is_none_or(has_depth) && gate.select.load.is_none_or(has_load);
            if !stays {
                warnings.push(format!("`{}` is not judged: it is no longer asked", gate.text));
            }
            stays
        });
    }
}

/// What no model takes; bounds sums and buffers.
const DEPTH_MAX: u64 = 100_000_000;
/// What one machine drives.
const STREAMS_MAX: u32 = 1024;
/// A year and a day.
const DURATION_MAX: Duration = Duration::from_secs(366 * 86_400);

fn check(overrides: &Overrides) -> Result<(), Mistake> {
    if overrides.duration == Some(Duration::ZERO) {
        return Err(Mistake::new("a run of 0s asks nothing").at("--duration").hint("6h"));
    }
    if overrides.duration.is_some_and(|duration| duration > DURATION_MAX) {
        let what = "a run takes a year at the most";
        return Err(Mistake::new(what).at("--duration").hint("6h"));
    }
    if let Some(depths) = &overrides.depths {
        check_axis(depths, "--depths", "0,4096,32768")?;
        if depths.iter().any(|depth| *depth > DEPTH_MAX) {
            let what = format!("a depth is at most {DEPTH_MAX} tokens");
            return Err(Mistake::new(what).at("--depths").hint("0,4096,32768"));
        }
    }
    if let Some(concurrency) = &overrides.concurrency {
        if concurrency.iter().any(|streams| !(1..=STREAMS_MAX).contains(streams)) {
            let what = format!("there are from 1 to {STREAMS_MAX} streams");
            return Err(Mistake::new(what).at("--concurrency").hint("1,2,4"));
        }
        check_axis(concurrency, "--concurrency", "1,2,4")?;
    }
    if let Some(rate) = &overrides.rate {
        if rate.iter().any(|rate| !RATES.contains(rate)) {
            let (least, most) = (RATES.start(), RATES.end());
            let what = format!("there are from {least} to {most} requests per second");
            return Err(Mistake::new(what).at("--rate").hint("0.05,0.1"));
        }
        check_axis(rate, "--rate", "0.05,0.1")?;
    }
    Ok(())
}

fn check_axis<T: PartialEq + ToString>(
    values: &[T],
    flag: &str,
    example: &str,
) -> Result<(), Mistake> {
    if values.is_empty() {
        return Err(Mistake::new(format!("{flag} names no value")).at(flag).hint(example));
    }
    match values.iter().enumerate().find(|(index, value)| values[..*index].contains(value)) {
        Some((_, twice)) => {
            Err(Mistake::new(format!("{} stands twice", twice.to_string())).at(flag).hint(example))
        }
        None => Ok(()),
    }
}

/// Makes every ladder an open one, in place of its streams. Ladders that differed in these
/// alone ask the same now, and one of them is enough.
fn open(ladders: &mut Vec<Ladder>, rate: &[f64]) -> Result<(), Mistake> {
    if ladders.iter().any(|ladder| ladder.prefix == Prefix::TwoPhase) {
        let what = "the scenario loads contexts in rounds of their own (`two_phase`), which an open loop has not";
        return Err(Mistake::new(what).at("--rate").hint("--concurrency"));
    }
    for ladder in ladders.iter_mut() {
        ladder.concurrency.clear();
        if ladder.rate.is_empty() {
            // It had several for the sake of samples, of which an open round has enough.
            ladder.runs = 1;
        }
    }
    replace(ladders, rate, |ladder| &mut ladder.rate);
    let all = std::mem::take(ladders);
    for ladder in all {
        if !ladders.contains(&ladder) {
            ladders.push(ladder);
        }
    }
    Ok(())
}

fn replace<T: PartialEq + Copy>(
    ladders: &mut Vec<Ladder>,
    asked: &[T],
    axis: impl Fn(&mut Ladder) -> &mut Vec<T>,
) {
    let known: Vec<T> = ladders.iter_mut().flat_map(|ladder| axis(ladder).clone()).collect();
    for ladder in ladders.iter_mut() {
        let own = std::mem::take(axis(ladder));
        let stays = |value: &&T| own.contains(value) || !known.contains(value);
        *axis(ladder) = asked.iter().filter(stays).copied().collect();
    }
    ladders.retain_mut(|ladder| !axis(ladder).is_empty());
}

/// Keeps the steps whose cell is still there; says whether the schedule had to go because
/// a value that is now asked for has no step.
fn filter_schedule(ladder: &mut Ladder) -> bool {
    let Some(mut steps) = ladder.schedule.take() else { return false };
    steps.retain(|(depth, streams)| {
        ladder.depths.contains(depth) && ladder.concurrency.contains(streams)
    });
    let has_all = ladder.depths.iter().all(|depth| steps.iter().any(|step| step.0 == *depth))
        && ladder.concurrency.iter().all(|load| steps.iter().any(|step| step.1 == *load));
    if has_all {
        ladder.schedule = Some(steps);
    }
    !has_all
}

#[cfg(test)]
mod tests;
