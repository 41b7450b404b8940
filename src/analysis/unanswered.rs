//! Finds out whether the server may have been dead at the end of a run: its last requests all
//! ended badly, and not only those of groups that fail all the time.

use std::collections::BTreeSet;

use crate::fact::{Ended, Group, Load, Request, Segment};
use crate::unit::At;

/// Least number of such requests, where any of them was answered with an error.
const FAILED_MIN: u64 = 3;
/// Least time from the first of them to the end of the last, microseconds.
const LASTED_US: u64 = 5_000_000;

/// Requests since the last one that was answered, in the order in which they ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Unanswered {
    segment: Segment,
    /// Number of requests that ended badly.
    pub failed: u64,
    /// Number of those that timed out without a token.
    silent: u64,
    /// Least number of requests that were in flight together among these, where they were sent in
    /// streams.
    streams: Option<u64>,
    from: Option<At>,
    until: At,
    /// Groups of these requests.
    groups: BTreeSet<Group>,
    /// Groups whose requests were answered when they were last asked for.
    answered: BTreeSet<Group>,
}

impl Unanswered {
    pub(super) fn fold(&mut self, segment: Segment, request: &Request, group: &Group) {
        if segment != self.segment {
            *self = Unanswered { segment, ..Unanswered::default() };
        }
        let is_known = self.failed == 0 && self.answered.contains(group);
        if request.ended.is_good() && !is_known {
            let mut answered = std::mem::take(&mut self.answered);
            answered.retain(|group| !self.groups.contains(group));
            answered.insert(group.clone());
            *self = Unanswered { segment, answered, ..Unanswered::default() };
        }
        if request.ended.is_bad() {
            self.failed += 1;
            let is_silent = request.ended == Ended::TimedOut && request.ttft_us.is_none();
            self.silent += u64::from(is_silent);
            if let Load::Streams(streams) = request.cell.load {
                self.streams = self.streams.max(Some(u64::from(streams)));
            }
            self.from.get_or_insert(request.sent);
            self.until = request.done;
            self.groups.insert(group.clone());
        }
    }

    /// Whether the server may have been dead: several requests failed, or all streams timed out.
    /// Groups that failed before, while others were answered, show nothing.
    pub(crate) fn is_dead(&self) -> bool {
        let all_silent = self.streams.is_some_and(|streams| self.silent >= streams);
        (self.failed >= FAILED_MIN || all_silent)
            && self.lasted_us() >= LASTED_US
            && !self.groups.is_disjoint(&self.answered)
    }

    /// Returns the time from the first of them to the end of the last, microseconds.
    pub(crate) fn lasted_us(&self) -> u64 {
        self.from.map_or(0, |from| self.until.since(from))
    }
}
