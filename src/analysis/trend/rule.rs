//! Decides the words of all series of a run from their evidence.
//!
//! A significant trend alone decides nothing: noise that depends on its neighbours, and a warm-up
//! that ends, are significant too. A growth passes four gates: it is significant over all series
//! (Mann–Kendall with the variance of Hamed and Rao; Benjamini–Hochberg), the lower bound of its
//! slope is above the threshold, the medians of its thirds rise, and its last half still rises at
//! half the rate or more. *Stable* is a claim too: the upper bound must exclude the threshold.

use super::evidence::{Evidence, Point, Tests};
use super::growth::{GrowthTests, detectable};
use super::{LevelStep, Trend, TrendWord};
use crate::measure::Better;
use crate::spec::TrendBlocks;
use crate::stats::many::{benjamini_hochberg, holm};
use crate::stats::theil_sen::Slope;
use crate::unit::span;

/// Level of the tests.
pub(super) const LEVEL: f64 = 0.01;
/// Least number of blocks for a word.
pub(super) const BLOCKS_MIN: usize = TrendBlocks::FOR_A_WORD;
/// Least number of blocks for *growing*.
const BLOCKS_GROWING: usize = TrendBlocks::FOR_GROWING;
/// Share of the slope, and of the threshold, above which the last half still rises.
const HALF: f64 = 0.5;

/// Reason of a series whose noise decides nothing.
pub(super) const NOT_EXCLUDED: &str = "a growth above the threshold cannot be excluded";

/// Number of blocks in which the threshold gives the least height of a jump.
const JUMP_BLOCKS: f64 = 6.0;

/// Rule for one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TrendRule {
    /// Least growth per hour that matters, in the worse direction; not negative.
    pub threshold: f64,
    /// Least change over the judged hours that matters, where the threshold follows from it.
    pub over_all: Option<f64>,
    /// Better direction of the series.
    pub better: Better,
    /// Length of a block in hours.
    pub block_h: f64,
    /// Hours that are left out at the start.
    pub warmup_h: f64,
    /// End of the first whole lap, hours since the start of the lifetime.
    pub first_lap_h: f64,
    /// Length of a lifetime from which a growth has a rate: 48 blocks.
    pub long_enough_h: f64,
}

impl TrendRule {
    /// Returns the start of a block in hours.
    pub(super) fn start_h(&self, point: &Point) -> f64 {
        point.hours - self.block_h / 2.0
    }

    /// Returns the least height of a jump that is an event: the growth that matters, in six blocks.
    /// A count that goes back and forth by one is not on two levels.
    pub(super) fn least_jump(&self) -> f64 {
        self.threshold * JUMP_BLOCKS * self.block_h
    }

    /// Whether so many hours of a lifetime are enough for a rate.
    fn is_long(&self, hours: f64) -> bool {
        // Less than a block is left over at the end of a run.
        hours + self.block_h > self.long_enough_h
    }

    /// Returns the verb of a growth in the worse direction.
    fn moves(&self) -> &'static str {
        match self.better {
            Better::Lower => "rises",
            Better::Higher => "falls",
        }
    }

    /// Returns on which side of all earlier values a growth in the worse direction leads.
    fn beyond(&self) -> &'static str {
        match self.better {
            Better::Lower => "above",
            Better::Higher => "below",
        }
    }

    fn own_sign(&self, slope: Slope) -> Slope {
        match self.better {
            Better::Lower => slope,
            Better::Higher => slope.mirrored(),
        }
    }
}

/// Decides the word of each series, in the order given. The false discovery rate is held over all
/// of them.
pub(crate) fn decide(all: &[Evidence]) -> Vec<Trend> {
    let steps = step_p_values(all);
    let chosen: Vec<Option<Chosen>> = all
        .iter()
        .zip(steps)
        .map(|(evidence, p)| Some(choose(evidence.tests.as_ref()?, p?, evidence.rule.least_jump())))
        .collect();
    let p_values: Vec<f64> = chosen.iter().flatten().map(|it| it.growth.p_rising).collect();
    let mut p_values = benjamini_hochberg(&p_values).into_iter();
    all.iter()
        .zip(chosen)
        .map(|(evidence, chosen)| {
            let judged = chosen.and_then(|it| Some((it, p_values.next()?)));
            trend(evidence, judged)
        })
        .collect()
}

/// Returns the p-values of the steps, adjusted over all series, and over all answers: a jump of memory
/// is not measured by the number of depths.
fn step_p_values(all: &[Evidence]) -> Vec<Option<f64>> {
    let mut adjusted = vec![None; all.len()];
    for is_answer in [false, true] {
        let family: Vec<(usize, f64)> = all
            .iter()
            .enumerate()
            .filter(|(_, it)| it.rule.over_all.is_some() == is_answer)
            .filter_map(|(index, it)| Some((index, it.tests.as_ref()?.step_p)))
            .collect();
        let p_values: Vec<f64> = family.iter().map(|(_, p)| *p).collect();
        for ((index, _), p) in family.iter().zip(holm(&p_values)) {
            adjusted[*index] = Some(p);
        }
    }
    adjusted
}

/// Jump that was taken out of a series, and the growth of what remains.
struct Chosen {
    growth: GrowthTests,
    step: Option<LevelStep>,
    /// Whether the step is an event.
    is_event: bool,
    levels: Option<(f64, f64)>,
}

/// Chooses what the growth of a series is computed without.
fn choose(tests: &Tests, step_p: f64, least_jump: f64) -> Chosen {
    let plain = Chosen { growth: tests.plain, step: None, is_event: false, levels: None };
    if let Some((levels, growth)) = tests.levels {
        return Chosen { growth, levels: Some((levels.low, levels.high)), ..plain };
    }
    match tests.step {
        Some((found, hours, growth)) if step_p < LEVEL => {
            let step = LevelStep { hours, from: found.from, to: found.to, p: step_p };
            Chosen { growth, step: Some(step), is_event: found.is_large(least_jump), ..plain }
        }
        _ => plain,
    }
}

fn trend(evidence: &Evidence, judged: Option<(Chosen, f64)>) -> Trend {
    let mut trend = Trend {
        word: TrendWord::Unresolved,
        blocks: evidence.blocks,
        hours: evidence.until_h - evidence.from_h,
        judged_h: evidence.until_h - evidence.from_h,
        from_h: evidence.from_h,
        too_short: lack(evidence).filter(|_| !evidence.rule.is_long(evidence.until_h)),
        slope: None,
        threshold: evidence.rule.threshold,
        p: None,
        detectable: None,
        last: evidence.last,
        step: None,
        levels: None,
        grows: false,
        rises: false,
        late: None,
        is_beyond: false,
        lack: lack(evidence),
        why: format!("{} blocks, {BLOCKS_MIN} needed", evidence.blocks),
    };
    if let Some(why) = &evidence.missing {
        return Trend { word: TrendWord::NoData, why: why.clone(), ..trend };
    }
    let Some((chosen, p)) = judged else { return trend };
    let growth = &chosen.growth;
    trend.p = Some(p);
    trend.rises = rises(growth, p);
    trend.grows = grows(growth, p, evidence.rule.threshold);
    trend.late = late(growth, p);
    (trend.word, trend.why) = word(evidence, &chosen, p);
    let mut slope = growth.slope;
    if stands_on_last_half(trend.word, growth, evidence.rule.threshold) {
        slope = growth.last_half;
        trend.from_h = growth.half_at - evidence.rule.block_h / 2.0;
        trend.hours = evidence.until_h - trend.from_h;
        trend.blocks = evidence.blocks.div_ceil(2);
    }
    trend.slope = Some(evidence.rule.own_sign(slope));
    trend.detectable = detectable(slope, evidence.rule.threshold);
    Trend { step: chosen.step, levels: chosen.levels, ..trend }
}

/// Whether only the last half excludes a growth above the threshold.
fn stands_on_last_half(word: TrendWord, growth: &GrowthTests, threshold: f64) -> bool {
    match word {
        TrendWord::Stable => growth.slope.high > threshold,
        TrendWord::Plateau => true,
        _ => false,
    }
}

/// Whether a growth passes all four gates.
fn grows(growth: &GrowthTests, p: f64, threshold: f64) -> bool {
    rises(growth, p) && growth.slope.low > threshold && growth.last_half.value > HALF * threshold
}

/// Returns the lower bound of a growth that the last half or the last quarter shows.
fn late(growth: &GrowthTests, p: f64) -> Option<f64> {
    let last_half = (p < LEVEL).then_some(growth.last_half.low);
    last_half.into_iter().chain(growth.rise_at_end).max_by(f64::total_cmp)
}

/// Whether a growth passes the gates that know no threshold.
fn rises(growth: &GrowthTests, p: f64) -> bool {
    p < LEVEL && growth.thirds_rise && growth.last_half.value > HALF * growth.slope.value
}

/// Returns the word of a series with enough blocks, and the reason.
fn word(evidence: &Evidence, chosen: &Chosen, p: f64) -> (TrendWord, String) {
    let (growth, threshold) = (&chosen.growth, evidence.rule.threshold);
    if grows(growth, p, threshold) {
        return growing(evidence);
    }
    let plain = |word| (word, String::new());
    if chosen.levels.is_some() {
        return plain(TrendWord::TwoLevels);
    }
    if chosen.is_event {
        return plain(TrendWord::Step);
    }
    if p < LEVEL
        && growth.slope.low.max(growth.last_half.low) > threshold
        && growth.last_half.high > threshold
    {
        return (
            TrendWord::Unresolved,
            format!("it {}, but not all the time", evidence.rule.moves()),
        );
    }
    // The median of all slopes does not see what began in the last quarter.
    if growth.rise_at_end.is_some_and(|low| low > threshold) {
        let (moves, side) = (evidence.rule.moves(), evidence.rule.beyond());
        return (TrendWord::Unresolved, format!("it {moves} at the end, {side} all before"));
    }
    if growth.slope.high < -threshold && growth.p_falling < LEVEL {
        return plain(TrendWord::Falling);
    }
    let is_flat = growth.slope.high <= threshold;
    let is_flat_at_last = growth.last_half.high <= threshold;
    // The median of all slopes does not see what was over in the first quarter either.
    let rose = growth.slope.low > 0.0
        && (!is_flat || growth.rise_at_start.is_some_and(|low| low > threshold));
    if is_flat_at_last && rose {
        let moved = match evidence.rule.better {
            Better::Lower => "rose",
            Better::Higher => "fell",
        };
        return (TrendWord::Plateau, format!("it {moved}, and no longer does in the last half"));
    }
    if is_flat || is_flat_at_last {
        return plain(TrendWord::Stable);
    }
    (TrendWord::Unresolved, NOT_EXCLUDED.to_owned())
}

/// Returns the word of a growth: *growing* only where it was watched for long enough.
fn growing(evidence: &Evidence) -> (TrendWord, String) {
    let moving = match evidence.rule.better {
        Better::Lower => "growing",
        Better::Higher => "shrinking",
    };
    match lack(evidence) {
        Some(lack) => {
            (TrendWord::Unresolved, format!("{moving}, unresolved at this length: {lack}"))
        }
        None => (TrendWord::Growing, String::new()),
    }
}

/// Returns what a series lacks for a growth: length, or blocks where samples are missing.
fn lack(evidence: &Evidence) -> Option<String> {
    let Evidence { rule, from_h, until_h, blocks, .. } = evidence;
    let is_few = *blocks < BLOCKS_GROWING;
    let blocks_h = if is_few { from_h + BLOCKS_GROWING as f64 * rule.block_h } else { 0.0 };
    let needed_h = rule.long_enough_h.max(blocks_h);
    if is_few && *until_h >= needed_h {
        return Some(format!("{blocks} blocks, {BLOCKS_GROWING} needed"));
    }
    let (seen, needed) = (span(until_h * 3600.0), span(needed_h * 3600.0));
    (is_few || !rule.is_long(*until_h)).then(|| format!("{seen} seen, {needed} needed"))
}
