//! The last minute of a sensor second by second, kept until something befalls
//! the server: rows of ten seconds hide what went before it, and what will
//! matter is known only afterwards.

use std::collections::VecDeque;

use super::fold::IntervalFold;
use crate::fact::{Reading, Source};
use crate::series::{self, SeriesKind};
use crate::unit::At;
use crate::world::Sample;

/// A row of a series per second, at the most.
pub(super) const SECOND_US: u64 = 1_000_000;
/// How long before an incident is kept, and how long after it is written so.
pub(super) const AROUND_US: u64 = 60_000_000;
/// Bounds what is kept, at the cadence of the fastest sensor.
const SECONDS_MAX: usize = 60;

/// Seconds that have not been told one by one.
pub(super) struct Ring {
    source: Source,
    fold: IntervalFold,
    began: Option<At>,
    seconds: VecDeque<(At, Vec<Reading>)>,
}

impl Ring {
    /// Of a sensor.
    pub(super) fn new(source: Source) -> Ring {
        Ring { source, fold: IntervalFold::new(source), began: None, seconds: VecDeque::new() }
    }

    /// Keeps what was seen at an instant by the look that was due then, before the next one.
    pub(super) fn push(&mut self, seen: At, samples: &[Sample], (due, next): (At, At)) {
        // What counts since the last look would be added twice, were it told twice.
        let is_level = |sample: &&Sample| {
            series::of(self.source, &sample.name)
                .is_none_or(|series| series.kind != SeriesKind::Increment)
        };
        let kept = samples.iter().filter(is_level);
        self.fold.fold(kept.cloned().collect());
        // By when looks are due, and not by when they came: those are late by a little.
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

    /// Forgets what is told elsewhere.
    pub(super) fn clear(&mut self) {
        *self = Ring::new(self.source);
    }

    /// Hands over everything that is kept, with the stamps that it had.
    pub(super) fn hand_over(&mut self) -> Vec<(At, Reading)> {
        let seconds = std::mem::take(&mut self.seconds);
        let told = seconds.into_iter();
        told.flat_map(|(at, readings)| readings.into_iter().map(move |it| (at, it))).collect()
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
        let told = ring.hand_over();
        assert_eq!(told.len(), SECONDS_MAX);
        let (at, last) = told.last().unwrap();
        assert_eq!((*at, last.n, last.min, last.max), (At(199_500_000), 2, 398.0, 399.0));
        assert!(told.windows(2).all(|two| two[1].0.since(two[0].0) == SECOND_US));
        assert!(
            told.iter().all(|(_, reading)| reading.name == OOM_KILLS.name),
            "counts are told once"
        );
        assert!(ring.hand_over().is_empty());
    }
}
