//! Forecasts whether a run has enough blocks for changes over the hours to be decided.

use super::{Decidable, Forecast, ObservedSources};
use crate::fact::Source;
use crate::measure::Measure;
use crate::plan::Plan;
use crate::spec::{Gate, TrendBlocks};
use crate::unit::span;

/// Share of a lifetime that is left out at its start, at least.
const LEFT_OUT: f64 = 0.1;

/// Returns whether a gate on changes over the hours can be decided, and whether a growth can fail.
/// Where it is not known yet what a run reads, a growth needs the source of its series.
pub(super) fn decidable(
    gate: &Gate,
    plan: &Plan,
    forecast: &Forecast,
    sight: Option<ObservedSources>,
) -> Decidable {
    let is_growth = matches!(gate.measure, Measure::Growth(_));
    match (long_enough(gate.measure, plan, forecast), sight) {
        (Decidable::Yes, None) if is_growth => Decidable::Needs(read(gate).to_owned()),
        (Decidable::PassOnly(why), None) if is_growth => {
            Decidable::PassOnly(format!("{why}; judged where a run sees {}", read(gate)))
        }
        (decidable, _) => decidable,
    }
}

/// Returns what a growth is read from: without a series of its own, from processes before all.
fn read(gate: &Gate) -> &'static str {
    match gate.select.series.map(|judged| judged.series.source) {
        None | Some(Source::Process) => "the server's processes",
        Some(Source::Engine) => "the engine's metrics",
        Some(_) => "the server's machine",
    }
}

fn long_enough(measure: Measure, plan: &Plan, forecast: &Forecast) -> Decidable {
    let Some(seconds) = forecast.seconds else { return Decidable::Unknown };
    let lap_s = forecast.lap_seconds.unwrap_or(0.0);
    let block_s = plan.trend.block.as_secs_f64();
    // A block is whole laps.
    let laps = if lap_s > 0.0 { (block_s / lap_s).ceil() } else { 0.0 };
    let block_s = block_s.max(laps * lap_s);
    let warmup_s = (lap_s * plan.warmup_laps as f64)
        .max(plan.trend.warmup.as_secs_f64())
        .max(seconds * LEFT_OUT);
    let blocks = ((seconds - warmup_s) / block_s).max(0.0) as usize;
    let (words, growing) = (TrendBlocks::FOR_A_WORD, TrendBlocks::FOR_GROWING);
    let enough_s = plan.trend.long_enough_s();
    let of = format!("{blocks} blocks of {} after the warm-up", span(block_s));
    if blocks < words {
        return Decidable::No(format!("{of}, and {words} are needed"));
    }
    if measure == Measure::Steps {
        return Decidable::Yes;
    }
    if seconds < enough_s {
        return Decidable::PassOnly(format!("a growth has a rate from {} on", span(enough_s)));
    }
    if blocks < growing {
        return Decidable::PassOnly(format!("{of}, and {growing} are needed for a growth"));
    }
    Decidable::Yes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::Per;
    use crate::plan::forecast::forecast;
    use crate::plan::tests::scenario;
    use crate::plan::{Bounds, Rates};
    use crate::series::growth::JudgedSeries;
    use crate::spec::{Extent, Limit, Select};

    fn decided(hours: u64) -> Decidable {
        let mut scenario = scenario(&[0], &[1]);
        scenario.extent = Extent::Duration(Duration::from_secs(hours * 3_600));
        let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        let rates = Rates::Flat { prefill_per_s: 512.0, decode_per_s: 16.0 };
        long_enough(Measure::Growth(Per::Hour), &plan, &forecast(&plan, &rates, None))
    }

    #[test]
    fn a_growth_needs_what_its_series_is_read_from_until_a_run_knows_its_sources() {
        let mut scenario = scenario(&[0], &[1]);
        scenario.extent = Extent::Duration(Duration::from_secs(12 * 3_600));
        let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        let rates = Rates::Flat { prefill_per_s: 512.0, decode_per_s: 16.0 };
        let forecast = forecast(&plan, &rates, None);
        let mut growth = Gate {
            measure: Measure::Growth(Per::Hour),
            select: Select::default(),
            limit: Limit::AtMost(0.0),
            attain: None,
            where_seen: false,
            text: "growth: 0".to_owned(),
            line: 1,
        };
        let of_all = decidable(&growth, &plan, &forecast, None);
        assert_eq!(of_all, Decidable::Needs("the server's processes".into()));
        growth.select.series = JudgedSeries::parse("host_mem_available");
        let of_machine = decidable(&growth, &plan, &forecast, None);
        assert_eq!(of_machine, Decidable::Needs("the server's machine".into()));
        let sight = ObservedSources { log: false, kernel: false, metrics: false, process: true };
        assert_eq!(decidable(&growth, &plan, &forecast, Some(sight)), Decidable::Yes);
    }

    #[test]
    fn a_growth_can_be_excluded_in_six_hours_and_found_in_eight() {
        assert!(matches!(decided(2), Decidable::No(why) if why.contains("20 are needed")));
        assert!(matches!(decided(6), Decidable::PassOnly(why) if why.contains("8 h 00 m")));
        assert_eq!(decided(8), Decidable::Yes);
    }
}
