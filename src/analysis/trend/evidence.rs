//! Collects what one series shows, before the other series of the run are known.

use super::growth::{GrowthTests, Parted};
use super::jumps::{FoundStep, levels, step};
use super::rule::{BLOCKS_MIN, TrendRule};
use super::warm_up::{cut_h, fixed_h};
use crate::measure::Better;
use crate::stats::robust::median;
use crate::stats::two_levels::TwoLevels;

/// Number of blocks whose median is the last value.
pub(super) const LAST: usize = 3;

/// Block of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// Middle of the block, hours since the start of the lifetime.
    pub hours: f64,
    /// Median of the block.
    pub value: f64,
}

/// Evidence of one series in one process lifetime of the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evidence {
    pub(super) rule: TrendRule,
    /// Hours left out at the start.
    pub(super) from_h: f64,
    /// End of the last block, hours.
    pub(super) until_h: f64,
    /// Number of judged blocks.
    pub(super) blocks: usize,
    /// Median of the last blocks.
    pub(super) last: Option<f64>,
    /// Reason why there are no data.
    pub(super) missing: Option<String>,
    /// Tests; `None` for too few blocks.
    pub(super) tests: Option<Tests>,
}

/// Tests of a series with enough blocks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tests {
    /// GrowthTests of the series as it is.
    pub plain: GrowthTests,
    /// P-value of a step, not adjusted.
    pub step_p: f64,
    /// Step, its time in hours, and the growth within both sides of it.
    pub step: Option<(FoundStep, f64, GrowthTests)>,
    /// Levels, and the growth within them.
    pub levels: Option<(TwoLevels, GrowthTests)>,
}

impl Evidence {
    /// Returns the evidence of a series of which only this share of the expected samples exists.
    pub(crate) fn without_data(share: f64, rule: &TrendRule) -> Evidence {
        let missing = Some(format!("{:.0} % of the expected samples", (share * 100.0).floor()));
        Evidence { missing, ..Evidence::of_no_block(rule) }
    }

    /// Returns the hours left out at the start.
    pub(crate) fn left_out_h(&self) -> f64 {
        self.from_h
    }

    fn of_no_block(rule: &TrendRule) -> Evidence {
        Evidence {
            rule: *rule,
            from_h: 0.0,
            until_h: 0.0,
            blocks: 0,
            last: None,
            missing: None,
            tests: None,
        }
    }
}

/// Examines the blocks of a series, in order of time.
pub(crate) fn examine(points: &[Point], rule: &TrendRule) -> Evidence {
    let is_number = |point: &&Point| point.hours.is_finite() && point.value.is_finite();
    let points: Vec<Point> = points.iter().filter(is_number).copied().collect();
    let Some(last) = points.last() else {
        return Evidence { missing: Some("no samples".into()), ..Evidence::of_no_block(rule) };
    };
    let until_h = last.hours + rule.block_h / 2.0;
    let mut judged = JudgedBlocks::from(fixed_h(until_h, rule), &points, rule);
    // MSER-5 would leave out a step as the end of a warm-up.
    if !judged.jumps() {
        let cut = cut_h(&points, until_h, rule).max(judged.from_h);
        judged = JudgedBlocks::from(cut, &points, rule);
    }
    let values = &judged.values;
    let threshold = rule.over_all.map(|change| change / (until_h - judged.from_h));
    let rule = &TrendRule { threshold: threshold.unwrap_or(rule.threshold), ..*rule };
    Evidence {
        rule: *rule,
        from_h: judged.from_h,
        until_h,
        blocks: values.len(),
        last: median(&values[values.len().saturating_sub(LAST)..]),
        missing: None,
        tests: (values.len() >= BLOCKS_MIN).then(|| judged.tests(rule)).flatten(),
    }
}

/// Blocks that are judged, and their jumps.
struct JudgedBlocks {
    from_h: f64,
    times: Vec<f64>,
    values: Vec<f64>,
    step_p: f64,
    step: Option<FoundStep>,
    levels: Option<TwoLevels>,
}

impl JudgedBlocks {
    fn from(from_h: f64, points: &[Point], rule: &TrendRule) -> JudgedBlocks {
        // A rounding error must not cost a block.
        let is_judged = |point: &&Point| rule.start_h(point) >= from_h - rule.block_h * 1e-6;
        let (times, values): (Vec<f64>, Vec<f64>) =
            points.iter().filter(is_judged).map(|point| (point.hours, point.value)).unzip();
        let ((step_p, step), levels) = (step(&values), levels(&values, rule.least_jump()));
        JudgedBlocks { from_h, times, values, step_p, step, levels }
    }

    fn jumps(&self) -> bool {
        self.levels.is_some() || self.step.is_some()
    }

    fn tests(&self, rule: &TrendRule) -> Option<Tests> {
        let worse = match rule.better {
            Better::Lower => 1.0,
            Better::Higher => -1.0,
        };
        let mirrored: Vec<f64> = self.values.iter().map(|value| worse * value).collect();
        let growth =
            |parts: Vec<usize>| Parted::new(self.times.clone(), mirrored.clone(), parts).growth();
        let step = self.step.and_then(|found| {
            let part = |index| usize::from(index >= found.after);
            let at = f64::midpoint(self.times[found.after - 1], self.times[found.after]);
            Some((found, at, growth((0..mirrored.len()).map(part).collect())?))
        });
        let levels = self.levels.and_then(|found| {
            let part = |value: &f64| usize::from(*value > found.border);
            Some((found, growth(self.values.iter().map(part).collect())?))
        });
        let plain = growth(vec![0; mirrored.len()])?;
        Some(Tests { plain, step_p: self.step_p, step, levels })
    }
}
