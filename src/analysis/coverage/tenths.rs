//! Holds the tenths of a second in which something was so, as ranges.

use std::collections::BTreeMap;

/// Tenths of a second of a segment's clock, as half-open ranges that do not touch.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenths(BTreeMap<u64, u64>);

impl Tenths {
    /// Adds a range.
    pub(super) fn add(&mut self, mut from: u64, mut until: u64) {
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
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(from, until)| (*from, *until))
    }

    /// Returns how many of them lie in a range.
    pub(super) fn count(&self, from: u64, until: u64) -> u64 {
        let before = self.0.range(..until).rev().take_while(|(_, end)| **end > from);
        before.map(|(start, end)| (*end).min(until) - (*start).max(from)).sum()
    }

    /// Returns the parts of a range that they leave free.
    pub(super) fn gaps(&self, mut from: u64, until: u64) -> Vec<(u64, u64)> {
        let mut gaps = Vec::new();
        for (start, end) in self.0.range(..until) {
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
    fn tenths_that_meet_become_one_range_in_whatever_order_they_come() {
        let mut tenths = Tenths::default();
        for (from, until) in [(10, 20), (30, 40), (5, 8), (20, 30), (6, 9)] {
            tenths.add(from, until);
        }
        assert_eq!(tenths.0, BTreeMap::from([(5, 9), (10, 40)]));
        assert_eq!((tenths.count(0, 50), tenths.count(7, 12)), (34, 4));
        assert_eq!(tenths.gaps(7, 50), [(9, 10), (40, 50)]);
        assert_eq!(tenths.gaps(12, 20), []);
    }
}
