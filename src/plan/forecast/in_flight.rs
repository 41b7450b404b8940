//! Estimates for which part of a run requests are in flight. Between two requests only the engine's
//! metrics or a watched process show that the server did not restart.

use super::{Decidable, ObservedSources};
use crate::fact::Load;
use crate::measure::Count;
use crate::plan::{Plan, Rates, Round};
use crate::spec::Extent;
use crate::spec::scenario::DrillKind;

/// Least share of the time by which requests alone show crashes: that of the verdict.
const SHARE_MIN: f64 = 0.95;

/// Returns the share of the time in which requests are in flight; `None` where it depends on an
/// unknown rate.
pub(super) fn in_flight(plan: &Plan, rates: &Rates, slots: Option<u64>) -> Option<f64> {
    let is_open = |round: &Round| matches!(round.cell.load, Load::PerSecond(_));
    let mut share = 1.0;
    if plan.lap().iter().any(is_open) {
        let (mut seen, mut all) = (0.0, 0.0);
        for round in plan.lap() {
            let seconds = super::round_seconds(round, rates, slots)?;
            all += seconds;
            seen += seconds * of_round(round, rates, slots)?;
        }
        share = if all > 0.0 { seen / all } else { 1.0 };
    }
    let idle = plan.drills.iter().map(|drill| match drill.kind {
        DrillKind::Idle(span) => span.as_secs_f64(),
        _ => 0.0,
    });
    match plan.extent {
        Extent::Duration(duration) if !duration.is_zero() => {
            Some(share * (1.0 - idle.sum::<f64>() / duration.as_secs_f64()).max(0.0))
        }
        _ => Some(share),
    }
}

/// Returns the share of a round: with arrivals at random, no request is in flight for e^-rs of the
/// time, at the rate r and s seconds for a request.
fn of_round(round: &Round, rates: &Rates, slots: Option<u64>) -> Option<f64> {
    let Load::PerSecond(per_s) = round.cell.load else { return Some(1.0) };
    let alone = rates.round_seconds(&round.cell, slots)?;
    Some(1.0 - (-per_s * alone).exp())
}

/// Returns whether a crash or a restart between two requests would be observed, where requests are
/// not in flight nearly all the time; `None` where they are, or another source shows it.
pub(super) fn hidden(
    in_flight: Option<f64>,
    count: Count,
    sight: Option<ObservedSources>,
) -> Option<Decidable> {
    let is_of_process = matches!(count, Count::Crashes | Count::Restarts);
    let is_watched = sight.is_some_and(|sight| sight.metrics || sight.process);
    if !is_of_process || is_watched || in_flight.is_some_and(|share| share >= SHARE_MIN) {
        return None;
    }
    let sources = "the engine's metrics or the server's process (--start, --container, --pid)";
    let Some(share) = in_flight else {
        return Some(Decidable::Needs(format!("{sources}, or requests in flight nearly always")));
    };
    let percent = (share * 100.0).round();
    let share = format!("requests are in flight for about {percent:.0} % of the time");
    Some(match sight {
        None => Decidable::Needs(format!("{sources}: {share}")),
        Some(_) => Decidable::No(format!(
            "{share}, and {sources} would have to show the rest; if one is observed, the gate fails"
        )),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;
    use crate::plan::Bounds;
    use crate::plan::tests::open;
    use crate::spec::scenario::Drill;

    const RATES: Rates = Rates::Flat { prefill_per_s: 512.0, decode_per_s: 16.0 };

    #[test]
    fn where_requests_are_seldom_in_flight_a_crash_needs_another_source() {
        let share = |per_s: f64, rates: &Rates| {
            let plan = Plan::new(&open(&[0], &[per_s], 60), 7, Bounds::default()).unwrap();
            in_flight(&plan, rates, Some(4))
        };
        // A request takes two seconds.
        let seldom = share(0.1, &RATES).unwrap();
        assert!((seldom - 0.181).abs() < 0.001, "{seldom}");
        assert!(share(1.6, &RATES).unwrap() > SHARE_MIN);
        assert_eq!(share(0.1, &Rates::Unknown), None);
        let none = ObservedSources { log: false, kernel: false, metrics: false, process: false };
        let words = |share, sight| match hidden(share, Count::Crashes, sight) {
            Some(Decidable::No(why)) => format!("no: {why}"),
            Some(Decidable::Needs(what)) => format!("needs {what}"),
            other => format!("{other:?}"),
        };
        let all = [
            words(Some(seldom), None),
            words(Some(seldom), Some(none)),
            words(None, Some(none)),
            words(Some(0.99), Some(none)),
            words(Some(seldom), Some(ObservedSources { metrics: true, ..none })),
            words(None, Some(ObservedSources { process: true, ..none })),
        ];
        assert_snapshot!(all.join("\n"), @"
        needs the engine's metrics or the server's process (--start, --container, --pid): requests are in flight for about 18 % of the time
        no: requests are in flight for about 18 % of the time, and the engine's metrics or the server's process (--start, --container, --pid) would have to show the rest; if one is observed, the gate fails
        needs the engine's metrics or the server's process (--start, --container, --pid), or requests in flight nearly always
        None
        None
        None
        ");
        assert_eq!(hidden(Some(seldom), Count::Outages, Some(none)), None, "probes show those");
    }

    #[test]
    fn an_hour_of_idling_is_time_without_requests() {
        let mut scenario = open(&[0], &[1.6], 60);
        scenario.extent = Extent::Duration(Duration::from_secs(7200));
        let span = Duration::from_secs(3600);
        scenario.drills = vec![Drill { kind: DrillKind::Idle(span), at: span }];
        let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        assert!(in_flight(&plan, &RATES, Some(4)).unwrap() < 0.5);
    }
}
