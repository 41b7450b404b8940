//! Finds how much of the start of a lifetime is left out.

use super::evidence::Point;
use super::rule::TrendRule;
use crate::stats::mser::mser5;

/// Share of the lifetime that is always left out.
const SHARE: f64 = 0.10;
/// Largest share that is left out.
const SHARE_MAX: f64 = 0.50;

/// Returns the hours that are always left out: the longest of the first whole lap, the warm-up time
/// and a tenth of the lifetime, but half of the lifetime at most.
pub(super) fn fixed_h(until_h: f64, rule: &TrendRule) -> f64 {
    rule.first_lap_h.max(rule.warmup_h).max(SHARE * until_h).min(SHARE_MAX * until_h)
}

/// Returns the hours up to the cut of MSER-5, but half of the lifetime at most; 0 where the method
/// did not converge: a series that grows all the time has no warm-up that ends.
pub(super) fn cut_h(points: &[Point], until_h: f64, rule: &TrendRule) -> f64 {
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    let first = mser5(&values).and_then(|cut| points.get(cut));
    first.map_or(0.0, |first| rule.start_h(first)).min(SHARE_MAX * until_h)
}
