//! Compares what more streams at once gave on two sides: a candidate that is as fast alone may fall
//! behind under load.

use crate::analysis::{StreamLadder, StreamLevel};
use crate::stats::{Estimate, shift};

use super::Start;

/// Depth that both sides measured with the same numbers of streams.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ComparedStreams {
    /// Name, as short as it is clear: `d4096`.
    pub name: String,
    /// Ladder of the base and of the candidate, each the median of its starts.
    pub sides: [StreamLadder; 2],
    /// In the order of the numbers of streams, at least two.
    pub levels: Vec<ComparedLevel>,
    /// Number of streams from which on the candidate has less throughput by more than the margin;
    /// `None` where it has less with every number, or does not at the end.
    pub behind_from: Option<u32>,
    /// The same of more throughput.
    pub ahead_from: Option<u32>,
}

/// Number of streams on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ComparedLevel {
    pub streams: u32,
    pub sides: [StreamLevel; 2],
    /// Throughput of the candidate over that of the base.
    pub ratio: f64,
}

impl ComparedStreams {
    /// Whether the two sides differ in where more streams cost most.
    pub(crate) fn is_told(&self) -> bool {
        let [base, candidate] = &self.sides;
        self.behind_from.is_some()
            || self.ahead_from.is_some()
            || base.doubles_at() != candidate.doubles_at()
            || base.queues_from() != candidate.queues_from()
    }
}

/// Compares the ladders that both sides have; `margin` is a fraction.
pub(super) fn compared(base: &[Start], candidate: &[Start], margin: f64) -> Vec<ComparedStreams> {
    let Some(first) = base.first() else { return Vec::new() };
    let ladders = first.streams.iter();
    ladders.filter_map(|ladder| of(ladder, &first.streams, [base, candidate], margin)).collect()
}

fn of(
    ladder: &StreamLadder,
    among: &[StreamLadder],
    sides: [&[Start]; 2],
    margin: f64,
) -> Option<ComparedStreams> {
    let [base, candidate] = sides.map(|side| middle(ladder, side));
    let level = |one: &StreamLevel| {
        let other = candidate.levels.iter().find(|other| other.streams == one.streams)?;
        let ratio = other.throughput?.number() / one.throughput?.number();
        Some(ComparedLevel { streams: one.streams, sides: [*one, *other], ratio })
    };
    let levels: Vec<ComparedLevel> = base.levels.iter().filter_map(level).collect();
    let behind_from = turn(&levels, |ratio| ratio < 1.0 / (1.0 + margin));
    let ahead_from = turn(&levels, |ratio| ratio > 1.0 + margin);
    let name = ladder.among(among);
    let sides = [base, candidate];
    (levels.len() > 1).then_some(ComparedStreams { name, sides, levels, behind_from, ahead_from })
}

/// Returns the number of streams from which on all ratios are so, where not all are.
fn turn(levels: &[ComparedLevel], is_so: impl Fn(f64) -> bool) -> Option<u32> {
    let last_other = levels.iter().rposition(|level| !is_so(level.ratio))?;
    levels.get(last_other + 1).map(|level| level.streams)
}

/// Returns the ladder of a side: of each number the median of its starts.
fn middle(place: &StreamLadder, side: &[Start]) -> StreamLadder {
    let all = side.iter().flat_map(|start| &start.streams).filter(|ladder| ladder.is_of(place));
    let levels: Vec<&StreamLevel> = all.flat_map(|ladder| &ladder.levels).collect();
    let mut numbers: Vec<u32> = levels.iter().map(|level| level.streams).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let of = |streams: u32| {
        let same: Vec<&StreamLevel> =
            levels.iter().copied().filter(|level| level.streams == streams).collect();
        let median = |of: fn(&StreamLevel) -> Option<Estimate>| {
            let mut values: Vec<f64> =
                same.iter().filter_map(|level| of(level)).map(Estimate::number).collect();
            values.sort_by(f64::total_cmp);
            shift::median(&values).map(Estimate::exact)
        };
        StreamLevel {
            streams,
            rounds: same.iter().map(|level| level.rounds).sum(),
            throughput: median(|level| level.throughput),
            tokens_per_s: median(|level| level.tokens_per_s),
            ttft: median(|level| level.ttft),
            tpot: median(|level| level.tpot),
            ttft_mean: median(|level| level.ttft_mean),
            e2e_mean: median(|level| level.e2e_mean),
        }
    };
    StreamLadder { levels: numbers.into_iter().map(of).collect(), ..place.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::fixture::{start, streams};

    /// Compares two sides by their tokens per second of all streams at 1, 4 and 8.
    fn turned(base: [f64; 3], candidate: [f64; 3]) -> (Option<u32>, Option<u32>) {
        let side = |name: &str, all: [f64; 3]| {
            let levels = [1, 4, 8].into_iter().zip(all).collect::<Vec<_>>();
            vec![Start { streams: vec![streams(0, &levels)], ..start(name, &[]) }]
        };
        let compared = compared(&side("a", base), &side("b", candidate), 0.05);
        (compared[0].behind_from, compared[0].ahead_from)
    }

    #[test]
    fn a_candidate_that_is_fast_alone_falls_behind_from_a_number_of_streams_on() {
        assert_eq!(turned([23.0, 60.0, 90.0], [40.0, 60.0, 50.0]), (Some(8), None));
        assert_eq!(turned([23.0, 60.0, 90.0], [23.0, 50.0, 50.0]), (Some(4), None));
        assert_eq!(turned([40.0, 60.0, 50.0], [23.0, 60.0, 90.0]), (None, Some(8)));
    }

    #[test]
    fn a_candidate_that_is_slower_throughout_or_not_at_the_end_has_no_such_number() {
        assert_eq!(turned([23.0, 60.0, 90.0], [20.0, 50.0, 70.0]), (None, None));
        assert_eq!(turned([23.0, 60.0, 90.0], [23.0, 50.0, 90.0]), (None, None));
        assert_eq!(turned([23.0, 60.0, 90.0], [23.5, 59.0, 91.0]), (None, None), "the margin");
    }

    #[test]
    fn a_side_of_several_starts_counts_by_its_medians() {
        let of = |name: &str, all: [f64; 2]| Start {
            streams: vec![streams(0, &[(1, all[0]), (4, all[1])])],
            ..start(name, &[])
        };
        let base = [of("a", [20.0, 60.0]), of("b", [22.0, 62.0]), of("c", [90.0, 61.0])];
        let compared = compared(&base, &[of("d", [22.0, 30.5])], 0.05);
        let ratios: Vec<f64> = compared[0].levels.iter().map(|level| level.ratio).collect();
        assert_eq!((ratios, compared[0].behind_from), (vec![1.0, 0.5], Some(4)));
        assert_eq!(compared[0].levels[0].sides[0].rounds, 30);
    }

    #[test]
    fn a_depth_that_only_one_side_has_is_not_compared() {
        let of = |depth| Start {
            streams: vec![streams(depth, &[(1, 20.0), (4, 60.0)])],
            ..start("a", &[])
        };
        assert_eq!(compared(&[of(0)], &[of(4096)], 0.05), []);
    }
}
