//! Refuses rows that no run writes, although their checksums are right: what reads entries may rely
//! on bounds on their instants and groups, for its memory and time.

use std::collections::BTreeSet;

use crate::fact::{Entry, Fact, Group, Segment};
use crate::unit::At;

/// Latest instant of a run: ten years after its start.
const AT_MAX: At = At(10 * 366 * 86_400 * 1_000_000);

/// Bound on the groups in a file. A scenario has a few dozen.
const GROUPS_MAX: usize = 1_024;

/// Bound on the segments of a run.
const SEGMENTS_MAX: Segment = 1_024;

/// Groups of the rows so far.
#[derive(Default)]
pub(super) struct PlausibleRows {
    groups: BTreeSet<Group>,
    /// Group of the last row, which that of the next row mostly is.
    last: Option<Group>,
}

impl PlausibleRows {
    /// Returns an entry if a run can have written it.
    ///
    /// # Errors
    /// The reason why it cannot.
    pub(super) fn check(&mut self, entry: Entry) -> Result<Entry, String> {
        if latest(&entry) > AT_MAX {
            return Err("an instant more than ten years after the start".to_owned());
        }
        if entry.segment >= SEGMENTS_MAX {
            return Err(format!("more than {SEGMENTS_MAX} segments"));
        }
        if self.last.as_ref().is_some_and(|last| is_of(&entry.fact, last)) {
            return Ok(entry);
        }
        let group = match &entry.fact {
            Fact::Request(request) => request.group(),
            Fact::Batch(batch) => batch.group.clone(),
            Fact::Gaps(gaps) => gaps.group.clone(),
            _ => return Ok(entry),
        };
        if !self.groups.contains(&group) {
            if self.groups.len() == GROUPS_MAX {
                return Err(format!("more than {GROUPS_MAX} groups of requests"));
            }
            self.groups.insert(group.clone());
        }
        self.last = Some(group);
        Ok(entry)
    }
}

/// Whether a fact is of a group; compared without a copy of the group's name.
fn is_of(fact: &Fact, group: &Group) -> bool {
    match fact {
        Fact::Request(request) => {
            let Group { workload, class, cell } = group;
            *cell == request.session.is_none().then_some(request.cell)
                && *class == request.class
                && *workload == request.workload
        }
        Fact::Batch(batch) => batch.group == *group,
        Fact::Gaps(gaps) => gaps.group == *group,
        _ => false,
    }
}

/// Returns the latest instant in an entry.
fn latest(entry: &Entry) -> At {
    let later = match &entry.fact {
        Fact::Request(request) => request.due.max(request.sent).max(request.done),
        Fact::Batch(batch) => {
            batch.began.max(batch.first.unwrap_or_default()).max(batch.last.unwrap_or_default())
        }
        Fact::Gaps(gaps) => gaps.from,
        Fact::Target(target) => target.since.unwrap_or_default(),
        _ => At::ZERO,
    };
    later.max(entry.at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Source;
    use crate::incident::fixture::Story;

    /// Returns the reasons why rows are refused.
    fn refused(entries: impl IntoIterator<Item = Entry>) -> Vec<String> {
        let mut rows = PlausibleRows::default();
        entries.into_iter().filter_map(|entry| rows.check(entry).err()).collect()
    }

    #[test]
    fn an_instant_ten_years_after_the_start_is_none_of_a_run() {
        let late = |change: fn(&mut crate::fact::Request)| {
            let mut story = Story::new();
            let mut request = story.request(1.0, 0);
            change(&mut request);
            story.push(1.0, Fact::Request(Box::new(request)));
            refused(story.entries)
        };
        let why = ["an instant more than ten years after the start"];
        assert!(late(|_| ()).is_empty());
        assert_eq!(late(|request| request.sent = At(u64::MAX)), why);
        assert_eq!(late(|request| request.done = At(u64::MAX)), why);
        assert_eq!(late(|request| request.due = At(u64::MAX)), why);
        let mut story = Story::new();
        story.reading(1.0, Source::Host, "x", 1.0);
        story.entries[0].at = At(AT_MAX.0 + 1);
        assert_eq!(refused(story.entries), why);
    }

    #[test]
    fn a_segment_beyond_the_bound_is_none_of_a_run() {
        let mut story = Story::new();
        story.segment = SEGMENTS_MAX - 1;
        story.up(1.0, true);
        story.segment = SEGMENTS_MAX;
        story.up(2.0, true);
        assert_eq!(refused(story.entries), ["more than 1024 segments"]);
    }

    #[test]
    fn rows_of_ever_new_groups_are_refused_beyond_the_bound() {
        let mut story = Story::new();
        for depth in 0..GROUPS_MAX as u64 + 3 {
            story.good(1.0, depth);
        }
        story.good(1.0, 0);
        assert_eq!(refused(story.entries), vec!["more than 1024 groups of requests"; 3]);
    }
}
