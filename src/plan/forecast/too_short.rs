//! Tells that a run is too short for a whole lap after its warm-up.

use crate::fact::{Class, Load};
use crate::plan::{Plan, Round};
use crate::spec::Extent;
use crate::unit::span;

/// Tells that the run is over before its first whole lap after the warm-up, and how long it would
/// have to be.
pub(super) fn too_short(plan: &Plan, lap_seconds: Option<f64>) -> Option<String> {
    let Extent::Duration(duration) = plan.extent else { return None };
    let at_least = if lap_seconds.is_some() { "" } else { "at least " };
    let lap_seconds = lap_seconds.unwrap_or_else(|| lap_seconds_min(plan));
    let needed = lap_seconds * (plan.warmup_laps + 1) as f64;
    if duration.as_secs_f64() >= needed {
        return None;
    }
    // A tenth more, since rates are estimates.
    let minutes = (needed * 1.1 / 60.0).ceil() as u64;
    let length = match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    };
    let warmup = match plan.warmup_laps {
        0 => String::new(),
        1 => "one lap of warm-up and ".to_owned(),
        laps => format!("{laps} laps of warm-up and "),
    };
    Some(format!(
        "{} are too short to decide anything: a lap takes {at_least}{}, and the run needs {warmup}one whole lap; try --duration {length}",
        span(duration.as_secs_f64()),
        span(lap_seconds),
    ))
}

/// Returns the least duration of a lap where rates are unknown, seconds: arrivals of open rounds
/// take their time on any server, and the prefill speed may have been measured.
fn lap_seconds_min(plan: &Plan) -> f64 {
    let least = |round: &Round| match (round.cell.load, round.open) {
        (Load::PerSecond(per_s), Some(open)) => f64::from(open.requests) / per_s,
        _ if round.class == Class::Warm => 0.0,
        _ => plan.first_token_us(round.cell).map_or(0.0, |us| us as f64 / 1e6),
    };
    plan.lap().iter().map(least).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;
    use crate::measure::{Count, Measure, RequestShare};
    use crate::plan::forecast::{Decidable, forecast};
    use crate::plan::tests::open;
    use crate::plan::{Bounds, Rates};
    use crate::spec::{Gate, Limit, Select};

    const RATES: Rates = Rates::Flat { prefill_per_s: 512.0, decode_per_s: 16.0 };

    #[test]
    fn a_run_that_ends_before_its_first_whole_lap_is_told_with_a_length_that_is_enough() {
        let notes = |minutes: u64, warmup_laps: u64, rates: &Rates| {
            let mut scenario = open(&[0], &[0.25], 60);
            scenario.warmup_laps = warmup_laps;
            scenario.extent = Extent::Duration(Duration::from_secs(minutes * 60));
            let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
            forecast(&plan, rates, Some(4)).notes.join("\n")
        };
        // A lap takes 4 m 02 s.
        assert_snapshot!(
            [notes(8, 1, &RATES), notes(4, 0, &RATES), notes(7, 1, &Rates::Unknown)].join("\n"), @"
            8 m 00 s are too short to decide anything: a lap takes 4 m 02 s, and the run needs one lap of warm-up and one whole lap; try --duration 9m
            4 m 00 s are too short to decide anything: a lap takes 4 m 02 s, and the run needs one whole lap; try --duration 5m
            7 m 00 s are too short to decide anything: a lap takes at least 4 m 00 s, and the run needs one lap of warm-up and one whole lap; try --duration 9m
        ");
        assert_eq!(notes(8, 1, &Rates::Unknown), "");
        assert_eq!(notes(9, 1, &RATES), "");
        assert_eq!(notes(5, 0, &RATES), "");
    }

    #[test]
    fn where_the_warm_up_takes_all_of_the_time_no_gate_is_decided() {
        let decided = |minutes: u64, measure: Measure| {
            let mut scenario = open(&[0], &[0.25], 60);
            scenario.warmup_laps = 1;
            scenario.extent = Extent::Duration(Duration::from_secs(minutes * 60));
            let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
            let gate = Gate {
                measure,
                select: Select::default(),
                limit: Limit::AtMost(0.0),
                attain: None,
                where_seen: false,
                text: String::new(),
                line: 1,
            };
            match forecast(&plan, &RATES, Some(4)).decidable(&gate, &plan, None) {
                Decidable::No(why) => why,
                _ => "it is".to_owned(),
            }
        };
        // A lap takes 4 m 02 s.
        for measure in [Measure::Portion(RequestShare::Errors), Measure::Count(Count::Crashes)] {
            assert_eq!(decided(4, measure), "the warm-up takes all of the time");
            assert_eq!(decided(5, measure), "it is");
        }
    }
}
