//! Finds the ends of laps, at which blocks of readings are cut so that each holds whole laps.

use crate::fact::{Batch, Entry, Fact, Phase, Segment};
use crate::unit::At;

/// Ends of laps, in order, at least the length of a block apart.
#[derive(Clone, Debug)]
pub(crate) struct LapEnds {
    /// Least length of a block, microseconds. A lap end that follows a kept one sooner is not kept.
    block_us: u64,
    ends: Vec<(Segment, At)>,
    /// Lap under way, and the end of its last round.
    lap: Option<(Segment, Phase, u64, At)>,
    /// Start of the present block.
    from: (Segment, At),
}

impl LapEnds {
    /// Returns the state before the first entry.
    pub(crate) fn new(block_us: u64) -> LapEnds {
        LapEnds { block_us, ends: Vec::new(), lap: None, from: (0, At::ZERO) }
    }

    /// Folds an entry; entries come in the order of seq.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Phase(_) => {
                // An unfinished lap of a phase does not continue in the next one.
                self.lap = None;
                self.from = (entry.segment, entry.at);
            }
            Fact::Batch(batch) => self.fold_batch(entry, batch),
            _ => {}
        }
    }

    fn fold_batch(&mut self, entry: &Entry, batch: &Batch) {
        let before = self.lap.replace((entry.segment, batch.phase, batch.lap, entry.at));
        let Some((segment, phase, lap, end)) = before else { return };
        if (segment, phase, lap) == (entry.segment, batch.phase, batch.lap) {
            return;
        }
        let is_near = self.from.0 == segment && end.since(self.from.1) < self.block_us;
        if !is_near {
            self.ends.push((segment, end));
            self.from = (segment, end);
        }
    }

    /// Returns the ends so far. The last lap has none, since only the next lap shows that it was
    /// whole.
    pub(crate) fn ends(&self) -> &[(Segment, At)] {
        &self.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixture::Story;

    fn ends(story: &Story) -> Vec<u64> {
        let mut laps = LapEnds::new(600_000_000);
        story.entries.iter().for_each(|entry| laps.fold(entry));
        laps.ends().iter().map(|(_, at)| at.0 / 1_000_000).collect()
    }

    #[test]
    fn a_lap_ends_with_its_last_round() {
        let mut story = Story::new();
        story.phase(0.0, Phase::Soak);
        for lap in 0..3u32 {
            for round in 0..4u32 {
                story.round(f64::from(lap * 4_000 + round * 1_000 + 900), lap.into());
            }
        }
        assert_eq!(ends(&story), [3_900, 7_900], "the third has not been seen to end");
    }

    #[test]
    fn ends_of_short_laps_are_kept_ten_minutes_apart() {
        let mut story = Story::new();
        story.phase(0.0, Phase::Soak);
        (1..=30u32).for_each(|lap| {
            story.round(f64::from(lap) * 90.0, lap.into());
        });
        assert_eq!(ends(&story), [630, 1_260, 1_890, 2_520], "whole laps of 90 s");
    }

    #[test]
    fn a_phase_begins_its_own_blocks() {
        let mut story = Story::new();
        story.phase(0.0, Phase::Warmup).round(500.0, 0).phase(500.0, Phase::Soak);
        (0..13u32).for_each(|lap| {
            story.round(600.0 + f64::from(lap) * 100.0, lap.into());
        });
        assert_eq!(ends(&story), [1_100, 1_700]);
    }
}
