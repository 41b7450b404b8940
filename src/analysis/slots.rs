//! Follows how many streams the server worked on at once: how many of a round's streams were written
//! together, where all had time to be, and what the server's metrics showed; and for how much of a
//! round some streams waited for the prefill of others.

use std::collections::BTreeMap;

use crate::fact::{Batch, Entry, Fact, Group, Load, Phase, Request, Source};
use crate::series::{RUNNING_REQUESTS, WAITING_REQUESTS};
use crate::unit::At;

/// Least number of rounds by which the number of streams is known.
const ROUNDS_MIN: u64 = 3;

/// Most streams of a round that are followed: as many as a scenario may have.
const STREAMS_MAX: usize = 1024;

/// Streams that the server worked on at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Slots {
    /// Most streams of a round in which each had time to be written beside all others: prefills
    /// take a small part of it.
    streams: u32,
    /// Number of such rounds.
    rounds: u64,
    /// Most streams of any of them that were written at once.
    together: u64,
    /// Most requests that ran, and that waited, at any look at the metrics.
    running: f64,
    waiting: f64,
}

/// Fewer streams than were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FewerStreams {
    /// Most streams that were written at once.
    pub together: u64,
    /// Streams that longhaul had.
    pub streams: u32,
    /// Most requests that waited at a look.
    pub waited: u64,
}

impl Slots {
    /// Folds an entry: the readings of the engine.
    pub(super) fn fold(&mut self, entry: &Entry) {
        let Fact::Reading(reading) = &entry.fact else { return };
        if reading.source != Source::Engine {
            return;
        }
        if reading.name == RUNNING_REQUESTS.name {
            self.running = self.running.max(reading.max);
        } else if reading.name == WAITING_REQUESTS.name {
            self.waiting = self.waiting.max(reading.max);
        }
    }

    /// Folds a round that ended, and the times of its streams.
    pub(super) fn fold_round(&mut self, batch: &Batch, times: &RoundStreams) {
        let Some(Load::Streams(streams)) = batch.group.load() else { return };
        let whole = batch.good == batch.requests && batch.requests == u64::from(streams);
        let Some((first, last)) = batch.first.zip(batch.last).filter(|_| whole) else { return };
        // The first token comes after one prefill; with one after the other, the last stream begins
        // after as many as there are streams. Twice that leaves each stream time beside all others.
        let prefills_us = first.since(batch.began) * u64::from(streams);
        if streams < 2 || streams < self.streams || last.since(first) < 2 * prefills_us {
            return;
        }
        if streams > self.streams {
            (self.streams, self.rounds, self.together) = (streams, 0, 0);
        }
        self.rounds += 1;
        self.together = self.together.max(times.together());
    }

    /// Returns the streams that the server worked on, where there were fewer than longhaul had and
    /// its metrics showed that others waited.
    pub(crate) fn fewer(&self) -> Option<FewerStreams> {
        let Slots { streams, together, .. } = *self;
        let is_fewer = together > 0 && together.max(self.running as u64) < u64::from(streams);
        let is_known = self.rounds >= ROUNDS_MIN && self.waiting >= 1.0;
        let waited = self.waiting as u64;
        (is_fewer && is_known).then_some(FewerStreams { together, streams, waited })
    }
}

/// Streams of a round.
#[derive(Clone, Debug, Default)]
pub(super) struct RoundStreams {
    /// First and last token of each.
    tokens: Vec<(At, At)>,
    /// Longest of longhaul's own delays in one of them, microseconds.
    pub delay_us: u64,
    /// Whether an answer arrived in one piece, so that the round has no throughput.
    pub came_at_once: bool,
}

impl RoundStreams {
    /// Returns the most streams that were written in the middle of one of them: at its ends another
    /// may begin before its own last token was read.
    fn together(&self) -> u64 {
        let at = |at: At| self.tokens.iter().filter(|(from, to)| *from <= at && at <= *to).count();
        let middle = |(from, to): &(At, At)| At(from.0.midpoint(to.0));
        self.tokens.iter().map(|times| at(middle(times)) as u64).max().unwrap_or(0)
    }

    /// Returns the share of the time of a round's tokens in which some streams had none yet. `None`
    /// for a single stream, and for arrivals that have times of their own.
    pub(super) fn stagger(&self, batch: &Batch) -> Option<f64> {
        let firsts = self.tokens.iter().map(|(first, _)| *first);
        let (first, latest) = (firsts.clone().min()?, firsts.max()?);
        if batch.group.streams() < 2 {
            return None;
        }
        let span_us = batch.last?.since(batch.first?);
        (span_us > 0).then(|| (latest.since(first) as f64 / span_us as f64).min(1.0))
    }
}

/// Streams of each round that has not ended.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenRounds(BTreeMap<(Phase, Group), RoundStreams>);

impl OpenRounds {
    /// Folds a request.
    pub(super) fn fold(&mut self, request: &Request) {
        let round = self.0.entry((request.phase, request.group())).or_default();
        round.delay_us = round.delay_us.max(request.delay_us());
        round.came_at_once |= request.came_at_once() && !request.was_read_at_once();
        let Some((ttft_us, last_us)) = request.ttft_us.zip(request.last_us) else { return };
        if round.tokens.len() < STREAMS_MAX {
            round.tokens.push((At(request.sent.0 + ttft_us), At(request.sent.0 + last_us)));
        }
    }

    /// Ends a round: returns the times of its streams.
    pub(super) fn end(&mut self, batch: &Batch) -> RoundStreams {
        self.0.remove(&(batch.phase, batch.group.clone())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Cell;
    use crate::incident::fixture::{Story, cell, group};

    /// Returns rounds of four streams of a server that writes `slots` at once, each for four seconds
    /// after a prefill; and the share of the rounds in which streams waited for their first token.
    fn rounds(slots: u32, prefill_s: f64, waiting: f64) -> (Option<FewerStreams>, Option<f64>) {
        let (mut slots_seen, mut open, mut stagger) =
            (Slots::default(), OpenRounds::default(), None);
        let mut story = Story::soaking();
        story.reading(10.0, Source::Engine, "running_requests", f64::from(slots.min(4)));
        story.reading(10.0, Source::Engine, "waiting_requests", waiting);
        story.entries.iter().for_each(|entry| slots_seen.fold(entry));
        let cell = Cell { load: Load::Streams(4), ..cell(0) };
        for round in 0..3 {
            let began = f64::from(round) * 30.0;
            let mut ends = vec![began; slots as usize];
            let (mut free, mut first, mut last) = (began, f64::MAX, 0.0_f64);
            for _ in 0..4 {
                ends.sort_by(f64::total_cmp);
                // Prefills go one after the other.
                free = ends[0].max(free) + prefill_s;
                ends[0] = free + 4.0;
                (first, last) = (first.min(free), last.max(ends[0]));
                let mut request = Story::new().request(began, 0);
                request.cell = cell;
                request.ttft_us = Some(((free - began) * 1e6) as u64);
                request.last_us = Some(((ends[0] - began) * 1e6) as u64);
                open.fold(&request);
            }
            let batch = Batch {
                requests: 4,
                good: 4,
                first: Some(Story::at(first)),
                last: Some(Story::at(last)),
                ..Batch::begun(
                    Phase::Soak,
                    Group { cell: Some(cell), ..group(0) },
                    Story::at(began),
                )
            };
            let times = open.end(&batch);
            slots_seen.fold_round(&batch, &times);
            stagger = times.stagger(&batch);
        }
        (slots_seen.fewer(), stagger)
    }

    #[test]
    fn a_server_with_fewer_slots_than_streams_is_told_from_one_that_prefills() {
        let fewer = |slots, prefill_s, waiting| rounds(slots, prefill_s, waiting).0;
        let two = FewerStreams { together: 2, streams: 4, waited: 2 };
        assert_eq!(fewer(2, 0.2, 2.0), Some(two));
        assert_eq!(fewer(1, 0.2, 3.0).map(|it| it.together), Some(1));
        assert_eq!(fewer(4, 0.2, 3.0), None, "all were written at once");
        assert_eq!(fewer(2, 0.2, 0.0), None, "nobody was seen to wait");
        assert_eq!(fewer(4, 3.0, 3.0), None, "prefills take most of the round");
        assert_eq!(fewer(2, 3.0, 3.0), None, "and so nothing is known");
    }

    #[test]
    fn the_share_of_a_round_in_which_streams_wait_for_their_first_token() {
        let (_, share) = rounds(4, 1.0, 0.0);
        assert!(share.is_some_and(|share| (share - 3.0 / 7.0).abs() < 1e-6), "{share:?}");
        let mut open = OpenRounds::default();
        open.fold(&Story::new().request(0.0, 0));
        let batch = Batch::begun(Phase::Soak, group(0), Story::at(0.0));
        assert_eq!(open.end(&batch).stagger(&batch), None, "a single stream waits for nobody");
        assert_eq!(open.end(&batch).together(), 0);
    }
}
