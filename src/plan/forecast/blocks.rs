//! Forecasts whether a run has enough blocks for changes over the hours to be decided.

use super::{Decidable, Forecast};
use crate::measure::Measure;
use crate::plan::Plan;
use crate::spec::TrendBlocks;
use crate::unit::span;

/// Share of a lifetime that is left out at its start, at least.
const LEFT_OUT: f64 = 0.1;

/// Returns whether a gate on changes over the hours can be decided, and whether a growth can fail.
pub(super) fn decidable(measure: Measure, plan: &Plan, forecast: &Forecast) -> Decidable {
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
    use crate::spec::Extent;

    fn decided(hours: u64) -> Decidable {
        let mut scenario = scenario(&[0], &[1]);
        scenario.extent = Extent::Duration(Duration::from_secs(hours * 3_600));
        let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        let rates = Rates::Flat { prefill_per_s: 512.0, decode_per_s: 16.0 };
        decidable(Measure::Growth(Per::Hour), &plan, &forecast(&plan, &rates, None))
    }

    #[test]
    fn a_growth_can_be_excluded_in_six_hours_and_found_in_eight() {
        assert!(matches!(decided(2), Decidable::No(why) if why.contains("20 are needed")));
        assert!(matches!(decided(6), Decidable::PassOnly(why) if why.contains("8 h 00 m")));
        assert_eq!(decided(8), Decidable::Yes);
    }
}
