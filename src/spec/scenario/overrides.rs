//! Applies flags to a scenario: its length and its axes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ladder::RATES;
use super::{Extent, Restart, RestartWhen, Scenario, Workload};
use crate::error::Mistake;
use crate::spec::contract::Gate;

/// Values that replace those of the file. Written into the manifest, so that the run folder records
/// what was really requested.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Overrides {
    /// Duration in place of the file's duration or laps. Microseconds in the manifest.
    #[serde(with = "micros", rename = "duration_us", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// Context depths, tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depths: Option<Vec<u64>>,
    /// Numbers of concurrent streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Vec<u32>>,
    /// Requests per second: every ladder becomes an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Vec<f64>>,
    /// Restart policy of a server that longhaul started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartWhen>,
}

mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::unit;

    #[allow(clippy::ref_option)] // serde gives the field as it is
    pub(super) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        span.map(unit::micros).serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_micros))
    }
}

impl Scenario {
    /// Returns the scenario with overridden length and axes.
    ///
    /// A value stays with the ladders that list it. One that no ladder lists goes to every ladder.
    /// A ladder without values is dropped. Gates on missing depths or loads are dropped with a
    /// warning. Rates replace every ladder's concurrency.
    ///
    /// # Errors
    /// An override that is empty, has duplicates or is out of range; rates for a ladder in two
    /// phases.
    pub(crate) fn with(mut self, overrides: &Overrides) -> Result<Scenario, Mistake> {
        check(overrides)?;
        if let Some(duration) = overrides.duration {
            self.extent = Extent::Duration(duration);
        }
        if let Some(when) = overrides.restart {
            self.restart = Some(Restart { when, ..self.restart.unwrap_or_default() });
        }
        let workloads = std::mem::take(&mut self.workloads);
        let (workloads, warning) = Workload::with(workloads, overrides)?;
        self.workloads = workloads;
        self.warnings.extend(warning);
        self.drop_gates();
        Ok(self)
    }

    fn drop_gates(&mut self) {
        let workloads = &self.workloads;
        let has_depth = |depth| workloads.iter().any(|asked| asked.depths().contains(&depth));
        let has_load = |load| workloads.iter().any(|asked| asked.loads().contains(&load));
        let (stay, gone): (Vec<Gate>, Vec<Gate>) =
            std::mem::take(&mut self.contract.gates).into_iter().partition(|gate| {
                gate.select.depth.is_none_or(has_depth) && gate.select.load.is_none_or(has_load)
            });
        self.contract.gates = stay;
        self.warnings.extend(not_judged(&gone));
    }
}

/// Returns one warning for the gates whose depth or load was taken out; `None` without any.
fn not_judged(gone: &[Gate]) -> Option<String> {
    let (first, rest) = gone.split_first()?;
    let first = format!("`{}`", first.text);
    Some(match rest.len() {
        0 => format!("{first} is not judged: it is no longer asked"),
        more => format!("{first} and {more} more are not judged: their depth or load is not asked"),
    })
}

/// Maximum depth, tokens: above every model's context; bounds sums and buffers.
const DEPTH_MAX: u64 = 100_000_000;
/// Maximum of streams that one machine can drive.
const STREAMS_MAX: u32 = 1024;
/// Maximum duration: a year and a day.
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

#[cfg(test)]
mod tests;
