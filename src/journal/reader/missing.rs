//! Counts the entry numbers that no file has.

use crate::fact::{Entry, Fact, Segment, row};

/// Entry numbers that no file has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MissingSeqs {
    /// Count of all of them.
    pub(super) all: u64,
    /// Count of those at the ends of earlier segments that were cut short.
    cut_before: u64,
    segment: Segment,
    /// Whether the present segment has its end.
    is_closed: bool,
    /// Numbers missing in the present segment, by the files that have a later row in it: a bit for
    /// each. Where a file has none, its end may have been cut off.
    by_files: [u64; 1 << row::File::ALL.len()],
}

impl MissingSeqs {
    /// Folds an entry before which `missing` numbers are in no file.
    pub(super) fn fold(&mut self, entry: &Entry, missing: u64) {
        self.all += missing;
        self.by_files[0] += missing;
        if entry.segment != self.segment {
            let (all, cut_before) = (self.all, self.cut_before + self.cut_here());
            *self = MissingSeqs { all, cut_before, segment: entry.segment, ..Self::default() };
        }
        let file = row::file_of(&entry.fact);
        let bit = row::File::ALL.iter().position(|it| *it == file).map_or(0, |at| 1 << at);
        for files in 0..self.by_files.len() {
            if files & bit == 0 {
                self.by_files[files | bit] += std::mem::take(&mut self.by_files[files]);
            }
        }
        self.is_closed |= matches!(entry.fact, Fact::Closed(_));
    }

    /// Returns the number of those that a kill or a power cut took at the end of a segment, and that
    /// the next segment asks again. What the last segment lost, nobody asks again.
    pub(super) fn cut(&self) -> u64 {
        self.cut_before
    }

    fn cut_here(&self) -> u64 {
        let every = self.by_files.len() - 1;
        let at_end: u64 = self.by_files[..every].iter().sum();
        if self.is_closed { 0 } else { at_end }
    }
}

#[cfg(test)]
mod tests {
    use super::MissingSeqs;
    use crate::fact::Phase;
    use crate::incident::fixture::Story;

    /// Returns how many numbers are missing, and how many of these a cut took, in a run of two
    /// segments without these entries.
    fn missing(closes: bool, without: &[u64]) -> (u64, u64) {
        let mut story = Story::new();
        story
            .opened()
            .phase(0.0, Phase::Soak)
            .up(1.0, true)
            .good(2.0, 0)
            .up(3.0, true)
            .good(4.0, 0);
        story.up(5.0, true).phase(6.0, Phase::Drain).up(7.0, true);
        if closes {
            story.closed(8.0, crate::fact::ClosedBecause::Interrupted);
        }
        story.segment = 1;
        story.opened().up(1.0, true).good(2.0, 0).phase(3.0, Phase::Soak);
        let mut fold = MissingSeqs::default();
        let mut next = 0;
        for entry in story.entries.iter().filter(|entry| !without.contains(&entry.seq)) {
            fold.fold(entry, entry.seq - next);
            next = entry.seq + 1;
        }
        (fold.all, fold.cut())
    }

    #[test]
    fn what_a_power_cut_took_at_the_end_of_a_segment_is_told_from_what_was_lost_within() {
        assert_eq!(missing(false, &[]), (0, 0));
        assert_eq!(missing(false, &[8]), (1, 1), "the last row");
        assert_eq!(missing(false, &[5, 7]), (2, 2), "the last rows of two files");
        assert_eq!(missing(false, &[3, 5]), (2, 2), "all requests from there on");
        assert_eq!(missing(false, &[2]), (1, 0), "every file goes on after it");
        assert_eq!(missing(true, &[5, 7]), (2, 0), "a segment with its end was not cut short");
    }
}
