//! Makes series of a known course, with noise, from fixed seeds: one sample a minute, in MiB.

use crate::analysis::trend::evidence::Point;
use crate::rng::Rng;
use crate::stats::robust::median;

/// Level that a series begins at.
const BASE: f64 = 6_144.0;
/// Samples in a block.
const BLOCK: usize = 10;
/// Length of a block in hours.
pub(in crate::analysis::trend) const BLOCK_H: f64 = 1.0 / 6.0;

/// Noise around the course.
#[derive(Clone, Copy)]
pub(in crate::analysis::trend) enum Noise {
    /// First-order autoregression: coefficient, and standard deviation of the series.
    Ar(f64, f64),
    /// Random walk: standard deviation of a step.
    Walk(f64),
}

/// Change of the level, as a function of the hour and of the hours of the whole series.
pub(in crate::analysis::trend) type Course = fn(f64, f64) -> f64;

/// Returns so many samples of noise.
pub(super) fn noise(kind: Noise, samples: usize, rng: &mut Rng) -> Vec<f64> {
    let (keep, step, mut level) = match kind {
        Noise::Ar(keep, sd) => (keep, sd * (1.0 - keep * keep).sqrt(), sd * rng.normal()),
        Noise::Walk(step) => (1.0, step, 0.0),
    };
    let next = || {
        level = keep * level + step * rng.normal();
        level
    };
    std::iter::repeat_with(next).take(samples).collect()
}

/// Returns the ten-minute medians of so many samples of a course with noise, aligned to the end.
pub(in crate::analysis::trend) fn series(
    course: Course,
    around: Noise,
    samples: usize,
    rng: &mut Rng,
) -> Vec<Point> {
    let hours = samples as f64 / 60.0;
    let level = |(minute, noise)| BASE + course(minute as f64 / 60.0, hours) + noise;
    let values: Vec<f64> = noise(around, samples, rng).into_iter().enumerate().map(level).collect();
    blocks(&values)
}

/// Returns the medians of blocks, aligned to the end.
pub(super) fn blocks(values: &[f64]) -> Vec<Point> {
    let skipped = values.len() % BLOCK;
    let middle = |index: usize| skipped as f64 / 60.0 + (index as f64 + 0.5) * BLOCK_H;
    let block = |(index, values): (usize, &[f64])| {
        Some(Point { hours: middle(index), value: median(values)? })
    };
    values[skipped..].chunks(BLOCK).enumerate().filter_map(block).collect()
}

/// Returns a number of MiB that a level is higher while a condition holds.
pub(in crate::analysis::trend) fn where_true(condition: bool, height: f64) -> f64 {
    if condition { height } else { 0.0 }
}

/// Whether a level that jumps is the upper one at this hour; it stays for one to three hours.
pub(in crate::analysis::trend) fn is_upper(hour: f64) -> bool {
    (hour * 1.37).sin() + (hour * 2.11).cos() > 0.3
}
