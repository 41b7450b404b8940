//! What is known by segment: each has a clock of its own, so that nothing of
//! one may be held against anything of another, in whatever order they come.

use std::collections::BTreeMap;

use crate::fact::Segment;

/// One of each segment. The last one is what is known now.
#[derive(Clone, Debug, Default)]
pub(super) struct BySegment<T> {
    of: BTreeMap<Segment, T>,
    unseen: T,
}

impl<T: Default> BySegment<T> {
    /// That of a segment, new where nothing of it was seen.
    pub(super) fn of(&mut self, segment: Segment) -> &mut T {
        self.of.entry(segment).or_default()
    }

    /// That of the latest segment.
    pub(super) fn last(&self) -> &T {
        self.of.last_key_value().map_or(&self.unseen, |(_, last)| last)
    }
}
