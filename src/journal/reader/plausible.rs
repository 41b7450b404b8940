//! Refuses rows that no run writes, although their checksums are right: what reads entries may rely
//! on bounds on their instants and groups, for its memory and time.

use std::collections::BTreeSet;

use crate::fact::{Entry, Fact, Group, Request, Segment, TOKENS_MAX};
use crate::unit::At;

/// Latest instant of a run: ten years after its start.
const AT_MAX: At = At(10 * 366 * 86_400 * 1_000_000);

/// Bound on every number in a row: it is whole as a float, and thousands of such numbers have a sum.
const NUMBER_MAX: u64 = 1 << 52;

/// Bound on the numbers of lanes, turns and repeats.
const INDEX_MAX: u32 = 1 << 20;

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
        if !has_bounds(&entry.fact) {
            return Err("a number beyond those of any run".to_owned());
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

/// Whether every number of a fact, beside its instants, is one that a run can have.
fn has_bounds(fact: &Fact) -> bool {
    let all = |numbers: &[u64]| numbers.iter().all(|number| *number <= NUMBER_MAX);
    let known = |numbers: &[Option<u64>]| numbers.iter().flatten().all(|it| *it <= NUMBER_MAX);
    match fact {
        Fact::Request(request) => of_request(request),
        Fact::Batch(batch) => {
            batch.repeat <= INDEX_MAX
                && all(&[batch.lap, batch.requests, batch.good])
                && known(&[batch.tokens, batch.first_tokens, batch.peak_tokens, batch.models_us])
        }
        Fact::Gaps(gaps) => all(&[gaps.n]),
        Fact::Reading(reading) => all(&[reading.n]),
        Fact::Missed(missed) => all(&[missed.times]),
        Fact::Fitted(fitted) => all(&[fitted.depth, fitted.prompt]) && known(&[fitted.counted]),
        Fact::Issued(issued) => all(&issued.next),
        Fact::Opened(opened) => all(&[opened.wall_us]),
        Fact::Clock(clock) => all(&[clock.wall_us, clock.drift_us.unsigned_abs()]),
        Fact::Action(action) => all(&[action.id]),
        Fact::Target(target) => {
            let exit = target.exit.unwrap_or_default();
            let numbers = [exit.code, exit.signal].map(|it| it.map(i64::unsigned_abs));
            known(&numbers) && known(&[target.action])
        }
        Fact::Phase(_) | Fact::Seen(_) | Fact::Said(_) | Fact::Fault(_) | Fact::Closed(_) => true,
    }
}

fn of_request(request: &Request) -> bool {
    let tokens = [
        request.prompt_tokens,
        request.cached_tokens,
        request.output_tokens,
        request.reasoning_tokens,
        request.first_tokens,
        request.peak_tokens,
    ];
    let others = [
        request.session,
        request.first_byte_us,
        request.ttft_us,
        request.ttft_content_us,
        request.last_us,
        request.max_gap_us,
        request.idle_us,
        request.retry_after_us,
        request.first_delay_us,
        request.last_delay_us,
        request.gap_delay_us,
        Some(request.slot),
        Some(request.lap),
        Some(request.chunks),
    ];
    let indices = [Some(request.lane), Some(request.repeat), request.turn];
    tokens.iter().flatten().all(|number| *number <= TOKENS_MAX)
        && others.iter().flatten().all(|number| *number <= NUMBER_MAX)
        && indices.iter().flatten().all(|number| *number <= INDEX_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Clock, Phase, SentSlots, Source};
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
    fn a_number_that_no_run_has_is_none_of_a_run() {
        let changes: [fn(&mut Request); 5] = [
            |request| request.output_tokens = Some(u64::MAX),
            |request| request.retry_after_us = Some(u64::MAX),
            |request| request.slot = u64::MAX,
            |request| request.lane = u32::MAX,
            |request| request.repeat = u32::MAX,
        ];
        let mut story = Story::new();
        for change in changes {
            let mut request = story.request(1.0, 0);
            change(&mut request);
            story.push(1.0, Fact::Request(Box::new(request)));
        }
        let (wall_us, drift_us) = (0, i64::MIN);
        story.push(2.0, Fact::Clock(Clock { wall_us, drift_us }));
        let phase = Phase::Soak;
        story.push(2.0, Fact::Issued(SentSlots { phase, next: vec![0, u64::MAX] }));
        story.good(3.0, 0).up(3.0, true);
        assert_eq!(refused(story.entries), vec!["a number beyond those of any run"; 7]);
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
