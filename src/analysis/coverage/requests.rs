//! Tells what requests in flight show of the server. A request that breaks shows that its server has
//! ended. One that waits for its first token may be held by a router, and sent again to a new
//! process: then only the length of the wait tells. So a wait that is much longer than usual, in
//! which no token came, may hide a restart.

use std::collections::BTreeMap;

use super::ranges::Ranges;
use crate::analysis::Calendar;
use crate::fact::{Ended, Entry, Group, Phase, Request, Segment, Seq};
use crate::stats::Dist;
use crate::unit::{At, span};

/// Factor on the usual wait for a first token up to which a wait hides no restart.
const USUAL_TIMES: f64 = 2.0;

/// Time beyond it within which no server ends and is back with its model loaded, seconds.
const LOADED_S: f64 = 2.0;

/// Part of a wait in which a server may have been replaced, seconds: looks show that it was the
/// same in the rest.
const UNKNOWN_S: f64 = 1.0;

/// Bound on the longest waits that are kept of each group.
const LONGEST_MAX: usize = 32;

/// Waits of one segment for a first token, and the time in which tokens came.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstTokenWaits {
    groups: BTreeMap<Group, GroupWaits>,
    streamed: Ranges,
}

/// Waits of a group.
#[derive(Clone, Debug, Default)]
struct GroupWaits {
    /// End of the request that ended first.
    first_ended: Option<u64>,
    /// Waits, seconds.
    dist: Dist,
    /// Longest waits.
    longest: Vec<Wait>,
}

/// Time from the sending of a request to its first token.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Wait {
    seq: Seq,
    from: u64,
    until: u64,
}

/// Wait in which a restart may have been hidden.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HeldWait {
    /// Request that waited.
    pub seq: Seq,
    /// Time without any token, seconds.
    pub silent_s: f64,
    /// Median wait of such requests, seconds.
    pub usual_s: f64,
}

impl HeldWait {
    /// Formats why it may hide a restart.
    pub(crate) fn in_words(&self) -> String {
        let (silent, usual) = (span(self.silent_s), span(self.usual_s));
        format!(
            "requests waited {silent} for a first token, usually {usual}: a router may have held them during a restart"
        )
    }
}

impl FirstTokenWaits {
    /// Takes in a request that has ended. A first wait in the warm-up, before any request of its
    /// group had ended, is no sign: a server compiles, captures graphs or loads its model then.
    pub(super) fn fold(&mut self, entry: &Entry, request: &Request) {
        let Some(ttft_us) = request.ttft_us.filter(|_| request.ended.is_good()) else { return };
        let from = request.sent.0;
        let after = |us: u64| from.saturating_add(us).min(request.done.0.max(from));
        let until = after(ttft_us);
        self.streamed.add(until, after(request.last_us.unwrap_or(ttft_us)).max(until));
        let group = self.groups.entry(request.group()).or_default();
        let ended = *group.first_ended.get_or_insert(request.done.0);
        if request.phase == Phase::Warmup && from < ended {
            return;
        }
        group.dist.record(ttft_us as f64 / 1e6);
        group.longest.push(Wait { seq: entry.seq, from, until });
        if group.longest.len() > 2 * LONGEST_MAX {
            group.longest.sort_by_key(|wait| std::cmp::Reverse(wait.until - wait.from));
            group.longest.truncate(LONGEST_MAX);
        }
    }

    /// Returns the longest wait that may hide a restart. `same` is the time in which looks show that
    /// the server was the same process, or an incident was seen. Tokens of another request show that
    /// a server lives only where it is one process.
    pub(super) fn held(&self, same: &[(u64, u64)], is_one: bool) -> Option<HeldWait> {
        let mut known = Ranges::default();
        for (from, until) in same {
            known.add(*from, *until);
        }
        let streamed = if is_one { self.streamed.clone() } else { Ranges::default() };
        let waits = self.groups.iter().flat_map(|(group, waits)| {
            let usual_s = self.usual_s(group);
            waits.longest.iter().map(move |wait| (wait, usual_s))
        });
        let held = waits.filter_map(|(wait, usual_s)| {
            let silent = streamed.gaps(wait.from, wait.until).into_iter();
            let (from, until) = silent.max_by_key(|(from, until)| until - from)?;
            let unknown = known.gaps(from, until).into_iter();
            let unknown_us = unknown.map(|(from, until)| until - from).max()?;
            let silent_s = (until - from) as f64 / 1e6;
            let is_held =
                silent_s > usual_s * USUAL_TIMES + LOADED_S && unknown_us as f64 / 1e6 > UNKNOWN_S;
            is_held.then_some(HeldWait { seq: wait.seq, silent_s, usual_s })
        });
        held.max_by(|one, other| one.silent_s.total_cmp(&other.silent_s))
    }

    /// Returns the median wait of a group, or of another class of the same depth and load where
    /// that is longer: a warm request whose context is not in the cache waits as a cold one.
    fn usual_s(&self, group: &Group) -> f64 {
        let key = |group: &Group| (group.depth(), group.load());
        let same = self.groups.iter().filter(|(other, _)| {
            *other == group || group.cell.is_some() && key(other) == key(group)
        });
        let median = |waits: &GroupWaits| waits.dist.percentile(0.5).map_or(0.0, |it| it.high);
        same.map(|(_, waits)| median(waits)).fold(0.0, f64::max)
    }
}

/// Returns the times from the incidents of a segment until every depth was answered again: requests
/// wait longer until then, because caches are cold.
pub(super) fn recoveries(calendar: &Calendar, segment: Segment) -> Vec<(u64, u64)> {
    let incidents = calendar.incidents.iter().filter(|it| it.segment == segment);
    let answered = incidents.filter_map(|it| Some((it.from, *it.again.values().max()?)));
    answered.map(|(from, until)| (from.0, until.max(from).0)).collect()
}

/// Returns the time in which a request would have shown that the server's process ends. A request
/// that timed out, or that longhaul ended, shows it until the last token that came. One that was
/// sent again shows it from the first byte on: the server had closed its connection.
pub(super) fn observed(request: &Request) -> Option<(At, At)> {
    let after = |us: u64| At(request.sent.0.saturating_add(us)).min(request.done);
    let from = match (request.resent, request.first_byte_us) {
        (false, _) => request.sent,
        (true, Some(us)) => after(us),
        (true, None) => return None,
    };
    let until = match request.ended {
        Ended::TimedOut | Ended::Stalled | Ended::Abandoned | Ended::Cut => {
            after(request.last_us.or(request.ttft_us).or(request.first_byte_us)?)
        }
        _ => request.done,
    };
    Some((from, until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::calendar::CalendarFold;
    use crate::analysis::coverage::CoverageFold;
    use crate::fact::{Fact, Source};
    use crate::incident::fixture::Story;
    use crate::measure::Count;
    use crate::series::{METRICS_PROCESS, PROCESS_RUNNING};

    /// Returns answers of 1.5 s, one after the other, each with its first token after 0.4 s and
    /// that of the sixth after so many seconds more.
    fn waiting(more_s: f64, depth: u64) -> Story {
        waiting_at(5, more_s, depth)
    }

    fn waiting_at(which: u32, more_s: f64, depth: u64) -> Story {
        let mut story = Story::soaking();
        let mut second = 10.0;
        for nth in 0..30u32 {
            let mut request = story.request(second, depth);
            let wait_s = if nth == which { more_s } else { 0.0 };
            let wait_us = (wait_s * 1e6) as u64;
            request.ttft_us = Some(400_000 + wait_us);
            request.last_us = Some(1_500_000 + wait_us);
            request.done = At(request.sent.0 + 1_500_000 + wait_us);
            second += 1.5 + wait_s;
            story.push(request.done.seconds(), Fact::Request(Box::new(request)));
        }
        story
    }

    fn held(story: &Story) -> Option<HeldWait> {
        let mut entries = story.entries.clone();
        entries.sort_by_key(|entry| entry.at);
        let (mut calendar, mut coverage) = (CalendarFold::default(), CoverageFold::default());
        for entry in &entries {
            calendar.fold(entry);
            coverage.fold(entry);
        }
        coverage.finish(&calendar.finish()).of(Count::Crashes)?.held
    }

    /// Adds metrics pages, one every five seconds.
    fn pages(story: &mut Story, page: impl Fn(&mut Story, f64)) {
        for second in (10..70).step_by(5).map(f64::from) {
            page(story, second);
            story.up(second, true);
        }
    }

    #[test]
    fn a_wait_much_longer_than_usual_may_hide_a_restart() {
        let of = held(&waiting(6.0, 0)).unwrap();
        assert!((of.silent_s - 6.4).abs() < 1e-6 && (of.usual_s - 0.4).abs() < 1e-6, "{of:?}");
        assert_eq!(
            of.in_words(),
            "requests waited 6.40 s for a first token, usually 400 ms: a router may have held them during a restart"
        );
        assert_eq!(held(&waiting(1.5, 0)), None, "no server loads its model so soon");
    }

    #[test]
    fn the_first_waits_of_the_warm_up_hide_nothing() {
        let mut story = Story::soaking();
        story.entries.retain(|entry| !matches!(entry.fact, Fact::Request(_)));
        let mut ask = |second: f64, wait_s: f64, phase: Phase| {
            let mut request = story.request(second, 0);
            request.phase = phase;
            let wait_us = (wait_s * 1e6) as u64;
            request.ttft_us = Some(wait_us);
            request.last_us = Some(wait_us + 500_000);
            request.done = At(request.sent.0 + wait_us + 500_000);
            story.push(request.done.seconds(), Fact::Request(Box::new(request)));
            held(&story).map(|held| held.silent_s)
        };
        assert_eq!(ask(1.0, 6.0, Phase::Warmup), None);
        assert_eq!(ask(1.1, 6.0, Phase::Warmup), None, "sent before the first was answered");
        for second in 8..12 {
            assert_eq!(ask(f64::from(second), 0.4, Phase::Warmup), None);
        }
        assert_eq!(ask(20.0, 6.0, Phase::Warmup), Some(6.0), "the server had answered before");
        assert_eq!(ask(30.0, 7.0, Phase::Soak), Some(7.0));
    }

    #[test]
    fn long_waits_that_are_usual_hide_nothing() {
        let mut story = Story::soaking();
        for nth in 0..10 {
            let mut request = story.request(10.0 + 70.0 * f64::from(nth), 100_000);
            let wait_us = 60_000_000 + 1_000_000 * u64::from(nth % 3 == 0);
            request.ttft_us = Some(wait_us);
            request.last_us = Some(wait_us + 2_000_000);
            request.done = At(request.sent.0 + wait_us + 2_000_000);
            story.push(request.done.seconds(), Fact::Request(Box::new(request)));
        }
        assert_eq!(held(&story), None);
    }

    #[test]
    fn tokens_of_another_request_show_that_one_process_lives() {
        let mut story = waiting(6.0, 0);
        let mut other = story.request(15.0, 0);
        other.last_us = Some(15_000_000);
        other.done = At(other.sent.0 + 15_000_000);
        story.push(other.done.seconds(), Fact::Request(Box::new(other)));
        assert_eq!(held(&story), None);
        pages(&mut story, |story, second| {
            let number = 1.0 + (second / 5.0).rem_euclid(2.0);
            story.reading(second, Source::Engine, METRICS_PROCESS.name, number);
            story.reading(second, Source::Engine, "generation_tokens_total", second * 100.0);
        });
        assert!(held(&story).is_some(), "they may be those of another replica");
    }

    #[test]
    fn a_start_time_or_a_watched_process_shows_that_a_long_wait_hid_no_restart() {
        let mut story = waiting(6.0, 0);
        pages(&mut story, |story, second| {
            story.started(second, 5.0);
            story.reading(second, Source::Engine, "generation_tokens_total", second * 100.0);
        });
        assert_eq!(held(&story), None);
        let mut story = waiting(6.0, 0);
        for second in [10.0, 20.0, 30.0, 60.0] {
            story.reading(second, Source::Process, PROCESS_RUNNING.name, 1.0);
        }
        assert_eq!(held(&story), None);
    }

    #[test]
    fn counters_that_a_new_process_may_have_reached_prove_nothing() {
        let counted = |first: f64| {
            let mut story = waiting_at(0, 6.0, 0);
            pages(&mut story, |story, second| {
                let tokens = first + (second - 10.0).max(0.1) * 85.0;
                story.reading(second, Source::Engine, METRICS_PROCESS.name, 1.0);
                story.reading(second, Source::Engine, "generation_tokens_total", tokens);
            });
            held(&story)
        };
        assert!(counted(0.0).is_some());
        assert_eq!(counted(1e6), None);
    }
}
