//! Extrapolates a slope to a limit. The result stands on the hours that were observed and must not
//! be shown without them.

use super::theil_sen::Slope;

/// Time until a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TimeToLimit {
    pub value: f64,
    /// Time at the steepest slope of the interval.
    pub low: f64,
    /// Time at the flattest slope of the interval; `None` where that never reaches the limit.
    pub high: Option<f64>,
}

/// Returns the time until `last` reaches `limit` along a slope; `None` where the slope leads away
/// from the limit. The time is 0 where the limit is passed.
pub(crate) fn time_to_limit(last: f64, slope: Slope, limit: f64) -> Option<TimeToLimit> {
    // A limit below is that of the mirrored series.
    let (distance, slope) =
        if slope.value < 0.0 { (last - limit, slope.mirrored()) } else { (limit - last, slope) };
    let time = |slope: f64| (slope > 0.0).then_some(distance.max(0.0) / slope);
    Some(TimeToLimit { value: time(slope.value)?, low: time(slope.high)?, high: time(slope.low) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::vectors::near;

    const GROWTH: Slope = Slope { value: 1.0 / 7.0, low: 0.135, high: 0.153_333_3 };

    #[test]
    fn memory_reaches_its_limit_in_a_fortnight() {
        let time = time_to_limit(62.83, GROWTH, 113.69).unwrap();
        near(time.value, 356.0, 0.05);
        near(time.low, 331.7, 0.05);
        near(time.high.unwrap(), 376.7, 0.05);
    }

    #[test]
    fn what_shrinks_reaches_a_limit_below() {
        let time = time_to_limit(113.69, GROWTH.mirrored(), 62.83).unwrap();
        near(time.value, 356.0, 0.05);
        near(time.low, 331.7, 0.05);
    }

    #[test]
    fn a_slope_that_may_be_none_has_no_latest_time() {
        let time = time_to_limit(1.0, Slope { value: 1.0, low: -1.0, high: 2.0 }, 3.0).unwrap();
        assert_eq!(time, TimeToLimit { value: 2.0, low: 1.0, high: None });
        assert_eq!(time_to_limit(1.0, Slope { value: 0.0, low: -1.0, high: 2.0 }, 3.0), None);
    }

    #[test]
    fn a_limit_that_is_passed_is_reached_now() {
        assert_eq!(time_to_limit(5.0, GROWTH, 3.0).map(|time| time.value), Some(0.0));
    }
}
