//! Finds a step of a series, or two levels between which it jumps.

use super::rule::LEVEL;
use crate::stats::pettitt::pettitt;
use crate::stats::rank_sum::{VALUES_MAX, rank_sum_p};
use crate::stats::robust::{mad, median};
use crate::stats::two_levels::{TwoLevels, two_levels};

/// Least height of a jump, as a share of the level.
const SHARE: f64 = 0.05;
/// Least height of a step, in median absolute deviations of the blocks from the medians around it.
/// A straight line has 4, and reaches 6 with noise.
const STEP_DEVIATIONS: f64 = 7.0;
/// Least distance of two levels, in median absolute deviations of the blocks from their level.
const LEVEL_DEVIATIONS: f64 = 8.0;
/// Least number of changes between two levels; a step changes once.
const CROSSINGS: usize = 3;
/// Number of blocks on each side of a step that must show it.
const NEAR: usize = 3;
/// Share of a step's height that two neighbouring blocks near it must show. A fill at one rate that
/// ends soon has no such pair.
const AT_ONCE: f64 = 0.5;
/// Share of its height that two blocks must show between which another lies: the one during which the
/// level changed.
const WITHIN_A_BLOCK: f64 = 0.75;

/// Step that is sharp and larger than the noise. Whether it is significant depends on the other
/// series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FoundStep {
    /// Number of blocks before it.
    pub after: usize,
    /// Median before.
    pub from: f64,
    /// Median afterwards.
    pub to: f64,
}

impl FoundStep {
    /// Whether its height is more than 5 % of the level, and more than `least`: a smaller one is no
    /// event, and is left out of the growth all the same.
    pub(super) fn is_large(&self, least: f64) -> bool {
        (self.to - self.from).abs() > least.max(SHARE * self.from.abs())
    }
}

/// Returns the p-value of a change of the level, not adjusted, and the step there if it is sharp
/// and larger than the noise: a ramp is no step, and neither is a level that is approached slowly.
pub(super) fn step(values: &[f64]) -> (f64, Option<FoundStep>) {
    let p = pettitt(values).map_or(1.0, |change| change.p);
    // Finding the place is expensive.
    if p >= LEVEL && values.len() > VALUES_MAX {
        return (p, None);
    }
    let found = place(values).and_then(|after| found(values, after));
    let exact = found.and_then(|step| rank_sum_p(values, step.after));
    // Pettitt's test has no power near an end. The exact one is corrected for the choice of the place.
    let p = exact.map_or(p, |exact| p.min(exact * values.len() as f64));
    (p, found.filter(|_| p < LEVEL))
}

/// Returns the number of blocks before the step: there two medians fit best. The place with the
/// largest rank sum, Pettitt's, can be far from a step near the start or the end.
fn place(values: &[f64]) -> Option<usize> {
    let misfit = |after: &usize| {
        let (before, behind) = values.split_at(*after);
        deviations(before) + deviations(behind)
    };
    (NEAR..=values.len().checked_sub(NEAR)?)
        .map(|after| (after, misfit(&after)))
        .min_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(after, _)| after)
}

/// Returns the sum of the distances from the median.
fn deviations(values: &[f64]) -> f64 {
    let centre = median(values).unwrap_or(0.0);
    values.iter().map(|value| (value - centre).abs()).sum()
}

fn found(values: &[f64], after: usize) -> Option<FoundStep> {
    let (before, behind) = values.split_at(after);
    let (from, to) = (median(before)?, median(behind)?);
    let rest = before.iter().map(|value| value - from).chain(behind.iter().map(|v| v - to));
    let deviation = mad(&rest.collect::<Vec<_>>(), 0.0)?;
    let height = to - from;
    let near = median(&behind[..behind.len().min(NEAR)])?
        - median(&before[before.len().saturating_sub(NEAR)..])?;
    let is_sharp = near * height.signum() > height.abs() / 2.0 && is_at_once(values, after, height);
    let is_step = is_sharp && height.abs() > STEP_DEVIATIONS * deviation;
    is_step.then_some(FoundStep { after, from, to })
}

/// Whether a pair of blocks near the step shows most of its height.
fn is_at_once(values: &[f64], after: usize, height: f64) -> bool {
    let near = &values[after.saturating_sub(NEAR)..values.len().min(after + NEAR)];
    let shows = |apart: usize, share: f64| {
        let changes = near.iter().zip(&near[apart..]).map(|(one, other)| other - one);
        changes.into_iter().any(|change| change * height.signum() > share * height.abs())
    };
    shows(1, AT_ONCE) || shows(2, WITHIN_A_BLOCK)
}

/// Returns the two levels between which a series jumps: far apart, by `least` or more, changed
/// several times, and at once each time. A slow wave is on two levels most of the time too.
pub(super) fn levels(values: &[f64], least: f64) -> Option<TwoLevels> {
    two_levels(values).filter(|found| {
        let height = found.high - found.low;
        let least = least.max(SHARE * found.low.abs()).max(LEVEL_DEVIATIONS * found.within);
        let jumps = jumps(values, found.border);
        height > least
            && jumps.len() >= CROSSINGS
            && median(&jumps).is_some_and(|jump| jump > height / 2.0)
    })
}

/// Returns the height of each crossing of a border: the range of two blocks on either side, since
/// a block during which the level changed may lie between.
fn jumps(values: &[f64], border: f64) -> Vec<f64> {
    let is_crossing = |index: &usize| (values[*index] > border) != (values[index + 1] > border);
    let range = |index: usize| {
        let near = &values[index.saturating_sub(1)..values.len().min(index + 3)];
        let most = near.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        most - near.iter().copied().fold(f64::INFINITY, f64::min)
    };
    (0..values.len().saturating_sub(1)).filter(is_crossing).map(range).collect()
}
