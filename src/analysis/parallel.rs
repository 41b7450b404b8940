//! Finds out whether a server refuses requests because it takes only so many side by side: it
//! refused only while that many others ran, and never ran more.

use std::collections::VecDeque;

use crate::fact::{Entry, Fact, Request, Segment, Seq};
use crate::unit::At;

/// Largest number of refusals, and of recent answers, that are compared; bounds memory.
const REFUSALS_MAX: usize = 100;
const ANSWERS_MAX: usize = 1_024;
/// Least number of refusals from which a limit is concluded.
const REFUSALS_MIN: usize = 3;
/// Least share of the refusals that came while as many others ran as the limit says. An answer may
/// end while a refusal is on its way.
const SAME_MIN: f64 = 0.9;

/// Instant of a run, and the number of requests that were being answered then.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Running {
    segment: Segment,
    at: At,
    n: u64,
}

/// Requests that ran while others were refused. Rows come in the order of their ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parallel {
    refusals: Vec<Running>,
    /// Ends of recent answers, in the order of time.
    ends: VecDeque<Running>,
    most: u64,
    first: Seq,
}

impl Parallel {
    /// Folds an entry.
    pub(super) fn fold(&mut self, entry: &Entry) {
        let Fact::Request(request) = &entry.fact else { return };
        match request.http_status {
            Some(429 | 503) if self.refusals.len() < REFUSALS_MAX => {
                if self.refusals.is_empty() {
                    self.first = entry.seq;
                }
                // Answers that began before it and are over already are not counted.
                self.refusals.push(Running { segment: entry.segment, at: request.done, n: 0 });
            }
            Some(200..=299) => self.answered(entry.segment, request),
            _ => {}
        }
    }

    fn answered(&mut self, segment: Segment, request: &Request) {
        let ran = |running: &&mut Running| {
            running.segment == segment && running.at >= request.sent && running.at < request.done
        };
        self.refusals.iter_mut().filter(ran).for_each(|refusal| refusal.n += 1);
        let before =
            |segment: Segment, at: At| move |end: &Running| (end.segment, end.at) < (segment, at);
        let sent = self.ends.partition_point(before(segment, request.sent));
        for end in self.ends.range_mut(sent..).filter(ran) {
            end.n += 1;
            self.most = self.most.max(end.n);
        }
        let place = self.ends.partition_point(before(segment, request.done));
        let end = Running { segment, at: At(request.done.0.saturating_sub(1)), n: 1 };
        self.ends.insert(place, end);
        self.most = self.most.max(1);
        if self.ends.len() > ANSWERS_MAX {
            self.ends.pop_front();
        }
    }

    /// Returns the number of requests that the server takes side by side, and the first refusal,
    /// where its refusals show such a limit.
    pub(crate) fn limit(&self) -> Option<(u64, Seq)> {
        let limit = self.most.max(1);
        let of = self.refusals.len();
        let same = self.refusals.iter().filter(|refusal| refusal.n == limit).count();
        (of >= REFUSALS_MIN && same as f64 >= SAME_MIN * of as f64).then_some((limit, self.first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Ended;
    use crate::incident::fixture::Story;

    /// Returns the limit by requests with these times of sending and end, seconds; `false` is a
    /// refusal.
    fn limit(requests: &[(f64, f64, bool)]) -> Option<u64> {
        let mut story = Story::new();
        let mut requests = requests.to_vec();
        requests.sort_by(|one, other| one.1.total_cmp(&other.1));
        for (sent, done, is_answered) in requests {
            let mut request = story.request(sent, 0);
            request.done = Story::at(done);
            request.http_status = Some(if is_answered { 200 } else { 429 });
            request.ended = if is_answered { Ended::Completed } else { Ended::HttpError };
            story.push(done, Fact::Request(Box::new(request)));
        }
        let mut parallel = Parallel::default();
        story.entries.iter().for_each(|entry| parallel.fold(entry));
        parallel.limit().map(|(limit, _)| limit)
    }

    #[test]
    fn refusals_while_as_many_ran_as_ever_do_show_a_limit() {
        let mut requests = Vec::new();
        for round in 0..5 {
            let at = f64::from(round) * 10.0;
            requests.extend([(at, at + 4.0, true), (at + 0.1, at + 0.2, false)]);
        }
        assert_eq!(limit(&requests), Some(1));
        let second = |(sent, done, ok): &(f64, f64, bool)| (sent + 0.05, done + 0.5, *ok);
        let two: Vec<_> = requests.iter().filter(|it| it.2).map(second).collect();
        requests.extend(two);
        assert_eq!(limit(&requests), Some(2));
        assert_eq!(limit(&requests[..4]), None, "two refusals may be chance");
    }

    #[test]
    fn refusals_by_rate_or_for_a_while_show_none() {
        let by_rate: Vec<_> =
            (0..20).map(|n| (f64::from(n), f64::from(n) + 0.5, n % 4 == 0)).collect();
        assert_eq!(limit(&by_rate), None, "nothing ran");
        let mut spell: Vec<_> = (0..10).map(|n| (10.0, 20.0 + f64::from(n) * 0.1, true)).collect();
        spell.extend((0..5).map(|n| (20.4 + f64::from(n) * 0.05, 20.41 + f64::from(n), false)));
        assert_eq!(limit(&spell), None, "more ran before");
        assert_eq!(limit(&[(0.0, 1.0, true)]), None);
    }
}
