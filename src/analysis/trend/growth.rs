//! Computes the slope of a series and its tests, within parts whose levels may differ.

use std::ops::Range;

use super::evidence::LAST;
use super::rule::LEVEL;
use crate::stats::hamed_rao::inflation;
use crate::stats::mann_kendall::{MannKendall, mann_kendall};
use crate::stats::robust::median;
use crate::stats::theil_sen::{PairSlopes, Slope};

/// Normal quantile of a one-sided bound at 95 %.
const Z: f64 = 1.644_853_627;
/// Normal quantile of 99 %, the confidence of a growth.
const Z_GROWTH: f64 = 2.326_347_874;
/// Normal quantile of 80 %, the power.
const Z_POWER: f64 = 0.841_621_234;

/// Level of the test of the last quarter, which is not adjusted for the number of series.
const LEVEL_AT_END: f64 = 0.001;

/// Growth of a series in which up is worse, and its tests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct GrowthTests {
    /// Slope per hour with one-sided bounds at 95 %.
    pub slope: Slope,
    /// One-sided p-value of a rise.
    pub p_rising: f64,
    /// One-sided p-value of a fall.
    pub p_falling: f64,
    /// Whether the medians of the three thirds rise.
    pub thirds_rise: bool,
    /// Slope of the last half.
    pub last_half: Slope,
    /// Time of the first block of the last half.
    pub half_at: f64,
    /// Lower bound of the slope of the first quarter, where its rise is significant and begins
    /// below everything after it.
    pub rise_at_start: Option<f64>,
    /// Lower bound of the slope of the last quarter, where its rise is significant and ends
    /// above everything before it.
    pub rise_at_end: Option<f64>,
}

/// Returns the least slope that would have been a growth with a power of 80 %: significant at 1 %,
/// with a lower bound above the threshold. The bounds of a slope show its standard error.
pub(super) fn detectable(slope: Slope, threshold: f64) -> Option<f64> {
    let error = (slope.high - slope.low) / (2.0 * Z);
    let significant = (Z_GROWTH + Z_POWER) * error;
    error.is_finite().then_some(significant.max(threshold + (Z + Z_POWER) * error))
}

/// Times, values and parts of a series: two points of different parts are never compared.
#[derive(Clone, Debug)]
pub(super) struct Parted {
    times: Vec<f64>,
    values: Vec<f64>,
    /// Part of each point.
    part: Vec<usize>,
    parts: usize,
}

impl Parted {
    pub(super) fn new(times: Vec<f64>, values: Vec<f64>, part: Vec<usize>) -> Parted {
        let parts = part.iter().max().map_or(0, |last| last + 1);
        Parted { times, values, part, parts }
    }

    /// Computes the growth. `None` without two values at different times in each half.
    pub(super) fn growth(&self) -> Option<GrowthTests> {
        let (slope, test, inflation) = self.slope()?;
        let half = self.within(self.values.len() / 2..self.values.len());
        let last_half = half.slope()?.0;
        Some(GrowthTests {
            slope,
            p_rising: test.p_rising(inflation),
            p_falling: test.p_falling(inflation),
            thirds_rise: self.thirds_rise(slope.value),
            last_half,
            half_at: *half.times.first()?,
            rise_at_start: self.rise_at_start(slope.value),
            rise_at_end: self.rise_at_end(slope.value),
        })
    }

    /// Returns the slope, the test and the inflation of its variance.
    fn slope(&self) -> Option<(Slope, MannKendall, f64)> {
        let parts: Vec<(Vec<f64>, Vec<f64>)> = (0..self.parts).map(|part| self.of(part)).collect();
        let slopes = PairSlopes::within(parts.iter().map(|(t, v)| (t.as_slice(), v.as_slice())))?;
        let test = parts.iter().map(|(_, v)| mann_kendall(v)).reduce(MannKendall::and)?;
        let inflation = inflation(&self.times, &self.levelled(slopes.value()), slopes.value());
        Some((slopes.slope(test.variance * inflation, Z), test, inflation))
    }

    /// Returns the times and values of a part.
    fn of(&self, part: usize) -> (Vec<f64>, Vec<f64>) {
        let points = self.times.iter().zip(&self.values).zip(&self.part);
        points.filter(|(_, of)| **of == part).map(|(point, _)| point).unzip()
    }

    /// Returns the values with all parts at the level of the first one.
    fn levelled(&self, slope: f64) -> Vec<f64> {
        let level = |part| {
            let (times, values) = self.of(part);
            let rest = times.iter().zip(&values).map(|(time, value)| value - slope * time);
            median(&rest.collect::<Vec<_>>()).unwrap_or(0.0)
        };
        let levels: Vec<f64> = (0..self.parts).map(level).collect();
        let first = self.part.first().map_or(0.0, |part| levels[*part]);
        let moved = |(value, part): (&f64, &usize)| value - levels[*part] + first;
        self.values.iter().zip(&self.part).map(moved).collect()
    }

    fn within(&self, range: Range<usize>) -> Parted {
        let of = |all: &[f64]| all[range.clone()].to_vec();
        Parted::new(of(&self.times), of(&self.values), self.part[range.clone()].to_vec())
    }

    fn rise_at_start(&self, slope: f64) -> Option<f64> {
        let values = self.levelled(slope);
        let until = values.len() / 4;
        let lowest = values[until..].iter().copied().fold(f64::INFINITY, f64::min);
        let begins_below = median(&values[..LAST.min(until)])? < lowest;
        self.rise(0..until, LEVEL).filter(|_| begins_below)
    }

    fn rise_at_end(&self, slope: f64) -> Option<f64> {
        let values = self.levelled(slope);
        let n = values.len();
        let from = n * 3 / 4;
        let highest = values[..from].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let ends_above = median(&values[n.saturating_sub(LAST)..])? > highest;
        self.rise(from..n, LEVEL_AT_END).filter(|_| ends_above)
    }

    /// Returns the lower bound of the slope of some blocks, where they rise significantly.
    fn rise(&self, range: Range<usize>, level: f64) -> Option<f64> {
        let (slope, test, inflation) = self.within(range).slope()?;
        (test.p_rising(inflation) < level).then_some(slope.low)
    }

    /// Whether the medians of three equal parts of the time rise strictly.
    fn thirds_rise(&self, slope: f64) -> bool {
        let values = self.levelled(slope);
        let third = |n: usize| median(&values[values.len() * n / 3..values.len() * (n + 1) / 3]);
        let (first, second, last) = (third(0), third(1), third(2));
        first < second && second < last
    }
}
