//! Subtracts the slopes of two sides.
//!
//! Zou & Donner 2008 (the method of variance estimates recovery); Hodges & Lehmann 1963.

use crate::stats::shift;
use crate::stats::theil_sen::Slope;
use crate::words::words;

/// Number of starts of each side from which their slopes are compared instead of their intervals:
/// the fewest that have an interval.
const STARTS_MIN: usize = 3;

/// Confidence of an interval whose bounds are one-sided at 95 % each.
const CONFIDENCE: f64 = 0.90;

/// Basis of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlopeBasis {
    /// Intervals of the slopes within the starts.
    Within,
    /// Slopes of the starts.
    Starts,
}

words!(SlopeBasis { Within: "within", Starts: "starts" });

/// Difference of the slopes of two sides, candidate less base. Each bound is one-sided at 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SlopeDifference {
    pub slope: Slope,
    pub basis: SlopeBasis,
}

impl SlopeDifference {
    /// Subtracts; `None` where a side has no slope.
    pub(super) fn of(base: &[Slope], candidate: &[Slope]) -> Option<SlopeDifference> {
        if base.len().min(candidate.len()) >= STARTS_MIN {
            let slope = between_starts(base, candidate)?;
            return Some(SlopeDifference { slope, basis: SlopeBasis::Starts });
        }
        Some(SlopeDifference { slope: within_starts(base, candidate)?, basis: SlopeBasis::Within })
    }
}

fn values(slopes: &[Slope]) -> Vec<f64> {
    slopes.iter().map(|slope| slope.value).collect()
}

fn between_starts(base: &[Slope], candidate: &[Slope]) -> Option<Slope> {
    let (base, candidate) = (values(base), values(candidate));
    let interval = shift::interval(&base, &candidate, CONFIDENCE)?;
    let value = shift::hodges_lehmann(&base, &candidate)?;
    Some(Slope { value, low: interval.low, high: interval.high })
}

/// Returns the median difference, and bounds that hold all pairs of starts.
fn within_starts(base: &[Slope], candidate: &[Slope]) -> Option<Slope> {
    let value = shift::hodges_lehmann(&values(base), &values(candidate))?;
    let pairs = base.iter().flat_map(|one| candidate.iter().map(|other| less(*other, *one)));
    let hull = |all: Slope, pair: Slope| Slope {
        value,
        low: all.low.min(pair.low),
        high: all.high.max(pair.high),
    };
    let hull = pairs.reduce(hull)?;
    Some(Slope { value, ..hull })
}

/// Subtracts two independent slopes.
fn less(one: Slope, other: Slope) -> Slope {
    let value = one.value - other.value;
    Slope {
        value,
        low: value - (one.value - one.low).hypot(other.high - other.value),
        high: value + (one.high - one.value).hypot(other.value - other.low),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope(value: f64, below: f64, above: f64) -> Slope {
        Slope { value, low: value - below, high: value + above }
    }

    #[test]
    fn one_start_a_side_is_subtracted_by_the_bounds_that_face_each_other() {
        let (base, candidate) = (slope(10.0, 1.0, 4.0), slope(110.0, 3.0, 12.0));
        let difference = SlopeDifference::of(&[base], &[candidate]).unwrap();
        assert_eq!(difference.basis, SlopeBasis::Within);
        assert_eq!(difference.slope, slope(100.0, 5.0, 145f64.sqrt()));
    }

    #[test]
    fn two_starts_a_side_have_the_bounds_of_all_pairs() {
        let (base, candidate) =
            ([slope(0.0, 3.0, 3.0), slope(2.0, 3.0, 3.0)], slope(9.0, 4.0, 4.0));
        let difference = SlopeDifference::of(&base, &[candidate]).unwrap();
        assert_eq!(difference.slope, Slope { value: 8.0, low: 2.0, high: 14.0 });
    }

    #[test]
    fn three_starts_a_side_are_compared_by_how_they_differ() {
        let sure = |value| slope(value, 0.0, 0.0);
        let base = [0.0, 1.0, 2.0].map(sure);
        let candidate = [10.0, 12.0, 14.0].map(sure);
        let difference = SlopeDifference::of(&base, &candidate).unwrap();
        assert_eq!(difference.basis, SlopeBasis::Starts);
        assert_eq!(difference.slope, Slope { value: 11.0, low: 8.0, high: 14.0 });
    }

    #[test]
    fn a_side_without_a_slope_has_no_difference() {
        assert_eq!(SlopeDifference::of(&[], &[slope(1.0, 1.0, 1.0)]), None);
    }
}
