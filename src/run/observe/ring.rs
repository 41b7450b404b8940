//! Keeps the last minute of a sensor second by second. Rows of ten seconds hide
//! what preceded an incident, and only an incident shows that the seconds
//! matter.

use std::collections::VecDeque;

use super::fold::IntervalFold;
use crate::fact::{Reading, Source};
use crate::series::{self, SeriesKind};
use crate::unit::At;
use crate::world::Sample;

/// Shortest interval of a row of a series, microseconds.
pub(super) const SECOND_US: u64 = 1_000_000;
/// Time before and after an incident for which single seconds are written, microseconds.
pub(super) const AROUND_US: u64 = 60_000_000;
/// Largest number of seconds that are kept.
const SECONDS_MAX: usize = 60;

/// Seconds that were not written one by one.
pub(super) struct Ring {
    source: Source,
    fold: IntervalFold,
    began: Option<At>,
    seconds: VecDeque<(At, Vec<Reading>)>,
}

impl Ring {
    /// Returns an empty ring for a source.
    pub(super) fn new(source: Source) -> Ring {
        Ring { source, fold: IntervalFold::new(source), began: None, seconds: VecDeque::new() }
    }

    /// Keeps the samples of a reading, with its own due time and that of the next.
    pub(super) fn push(&mut self, seen: At, samples: &[Sample], (due, next): (At, At)) {
        // Increments are left out: their rows would be added up twice.
        let is_level = |sample: &&Sample| {
            series::of(self.source, &sample.name)
                .is_none_or(|series| series.kind != SeriesKind::Increment)
        };
        let kept = samples.iter().filter(is_level);
        self.fold.fold(kept.cloned().collect());
        // Seconds are counted by due times, since readings come slightly late.
        let began = *self.began.get_or_insert(due);
        if next.since(began) < SECOND_US {
            return;
        }
        self.began = Some(next);
        let readings = self.fold.close();
        if !readings.is_empty() {
            self.seconds.push_back((seen, readings));
        }
        while self.seconds.len() > SECONDS_MAX
            || self.seconds.front().is_some_and(|(at, _)| seen.since(*at) > AROUND_US)
        {
            self.seconds.pop_front();
        }
    }

    /// Forgets everything, because it is written elsewhere.
    pub(super) fn clear(&mut self) {
        *self = Ring::new(self.source);
    }

    /// Takes everything that is kept, with its original stamps.
    pub(super) fn hand_over(&mut self) -> Vec<(At, Reading)> {
        let seconds = std::mem::take(&mut self.seconds);
        let reported = seconds.into_iter();
        reported.flat_map(|(at, readings)| readings.into_iter().map(move |it| (at, it))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{LOG_LOST, OOM_KILLS};

    #[test]
    fn the_last_minute_is_handed_over_second_by_second_and_only_once() {
        let mut ring = Ring::new(Source::Kernel);
        for half in 0..400u64 {
            let at = At(half * SECOND_US / 2);
            let samples = [Sample::one(&OOM_KILLS, half as f64), Sample::one(&LOG_LOST, 1.0)];
            ring.push(at, &samples, (at, At(at.0 + SECOND_US / 2)));
        }
        let reported = ring.hand_over();
        assert_eq!(reported.len(), SECONDS_MAX);
        let (at, last) = reported.last().unwrap();
        assert_eq!((*at, last.n, last.min, last.max), (At(199_500_000), 2, 398.0, 399.0));
        assert!(reported.windows(2).all(|two| two[1].0.since(two[0].0) == SECOND_US));
        assert!(
            reported.iter().all(|(_, reading)| reading.name == OOM_KILLS.name),
            "counts are told once"
        );
        assert!(ring.hand_over().is_empty());
    }
}
