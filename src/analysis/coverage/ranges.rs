//! Holds the time in which something was so, as ranges of microseconds.

use std::collections::BTreeMap;

/// Microseconds of a segment's clock, as half-open ranges that do not touch.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a range.
    pub(super) fn add(&mut self, mut from: u64, mut until: u64) {
        // Most ranges continue the last one.
        let last = self.0.last_entry();
        if let Some(mut last) = last.filter(|it| (*it.key()..=*it.get()).contains(&from)) {
            let end = until.max(*last.get());
            last.insert(end);
            return;
        }
        while let Some((start, end)) = self.last_before(until).filter(|(_, end)| *end >= from) {
            self.0.remove(&start);
            (from, until) = (from.min(start), until.max(end));
        }
        self.0.insert(from, until);
    }

    fn last_before(&self, until: u64) -> Option<(u64, u64)> {
        self.0.range(..=until).next_back().map(|(start, end)| (*start, *end))
    }

    /// Returns the ranges, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(from, until)| (*from, *until))
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any begins in this time.
    pub(super) fn begin_in(&self, from: u64, until: u64) -> bool {
        self.0.range(from..=until.max(from)).next().is_some()
    }

    /// Returns the parts of a range that they leave free.
    pub(super) fn gaps(&self, mut from: u64, until: u64) -> Vec<(u64, u64)> {
        let mut gaps = Vec::new();
        let first = self.last_before(from).map_or(from, |(start, _)| start);
        for (start, end) in self.0.range(first..until.max(first)) {
            gaps.push((from, *start));
            from = from.max(*end);
        }
        gaps.push((from, until));
        gaps.retain(|(from, until)| from < until);
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_meet_become_one_in_whatever_order_they_come() {
        let mut ranges = Ranges::default();
        for (from, until) in [(10, 20), (30, 40), (5, 8), (20, 30), (6, 9)] {
            ranges.add(from, until);
        }
        assert_eq!(ranges.0, BTreeMap::from([(5, 9), (10, 40)]));
        assert_eq!(ranges.gaps(7, 50), [(9, 10), (40, 50)]);
        assert_eq!(ranges.gaps(12, 20), []);
        assert_eq!((ranges.gaps(9, 9), ranges.gaps(45, 41)), (vec![], vec![]));
        assert_eq!((ranges.gaps(0, 6), ranges.gaps(41, 45)), (vec![(0, 5)], vec![(41, 45)]));
    }
}
