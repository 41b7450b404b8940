//! Writes for scripts what failures prove, by kind. Times are in seconds, shares are fractions.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::measure::{MTBF_CONFIDENCE, Measure};
use crate::verdict::exposure::{FAULT_GOALS, GOALS_S};
use crate::verdict::{EventExposure, Exposure};

/// Bounds at a confidence.
#[derive(Serialize)]
pub(crate) struct BoundsJson {
    confidence: f64,
    /// Failures of any kind, and each kind.
    events: BTreeMap<String, Events>,
    parser_faults: Faults,
    /// Time under load that shows a mean time between failures.
    to_show: Vec<Goal>,
    /// Chance of another server to pass this time; null with a failure, or where none would have
    /// been seen.
    passes: Option<Passes>,
}

#[derive(Serialize)]
struct Events {
    seen: u64,
    load_s: f64,
    /// Time under load of runs that would have shown such an event.
    watched_s: f64,
    mtbf_low_s: Option<f64>,
    mtbf_high_s: Option<f64>,
    per_hour_low: Option<f64>,
    per_hour_high: Option<f64>,
}

/// Parser faults, a share of the judged requests.
#[derive(Serialize)]
struct Faults {
    seen: u64,
    requests: u64,
    share_low: Option<f64>,
    share_high: Option<f64>,
    to_show: Vec<FaultGoal>,
}

#[derive(Serialize)]
#[allow(clippy::struct_field_names)] // every key says its unit
struct Goal {
    mtbf_s: f64,
    load_s: f64,
    more_s: f64,
}

#[derive(Serialize)]
struct FaultGoal {
    share: f64,
    requests: u64,
}

#[derive(Serialize)]
struct Passes {
    mtbf_s: f64,
    chance: f64,
}

/// Returns the bounds of an exposure.
pub(crate) fn of(exposure: &Exposure) -> BoundsJson {
    let kinds = exposure.kinds.iter();
    let kinds = kinds.map(|(count, of)| (Measure::Count(*count).to_string(), events(of)));
    let share = exposure.faults_between();
    let fault_goal = |share: f64| FaultGoal { share, requests: exposure.requests_needed(share) };
    let goal = |mtbf_s: f64| Goal {
        mtbf_s,
        load_s: rounded(exposure.failures.needed_s(mtbf_s)),
        more_s: exposure.failures.missing_s(mtbf_s),
    };
    BoundsJson {
        confidence: MTBF_CONFIDENCE,
        events: kinds.chain([("failures".to_owned(), events(&exposure.failures))]).collect(),
        parser_faults: Faults {
            seen: exposure.parser_faults.part,
            requests: exposure.parser_faults.of,
            share_low: share.map(|(low, _)| low),
            share_high: share.map(|(_, high)| high),
            to_show: FAULT_GOALS.map(fault_goal).into(),
        },
        to_show: GOALS_S.map(goal).into(),
        passes: exposure.passes().map(|(mtbf_s, _, chance)| Passes { mtbf_s, chance }),
    }
}

fn events(of: &EventExposure) -> Events {
    let (low_s, high_s) = (of.low_s(), of.high_s());
    let per_hour = |mtbf_s: f64| rounded(3600.0 / mtbf_s);
    // A rate is the inverse, so its bounds change sides. Without an event it may be 0.
    let least = high_s.map(per_hour).or(low_s.map(|_| 0.0));
    Events {
        seen: of.seen,
        load_s: of.load_s,
        watched_s: of.watched_s,
        mtbf_low_s: low_s,
        mtbf_high_s: high_s,
        per_hour_low: least,
        per_hour_high: low_s.map(per_hour),
    }
}

/// Rounds a number, because the last digits of a quantile differ between machines.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
