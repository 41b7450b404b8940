//! Keeps a state per segment: each segment has its own clock, so that no stamp is compared with one
//! of another segment, in whatever order they come.

use std::collections::BTreeMap;

use crate::fact::Segment;

/// State by segment. The last one is the present state.
#[derive(Clone, Debug, Default)]
pub(super) struct BySegment<T> {
    of: BTreeMap<Segment, T>,
    unseen: T,
}

impl<T: Default> BySegment<T> {
    /// Returns the state of a segment, a new one where it has no entry yet.
    pub(super) fn of(&mut self, segment: Segment) -> &mut T {
        self.of.entry(segment).or_default()
    }

    /// Returns the state of the latest segment.
    pub(super) fn last(&self) -> &T {
        self.of.last_key_value().map_or(&self.unseen, |(_, last)| last)
    }
}
