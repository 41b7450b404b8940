//! Follows how many streams the server worked on at once: what its metrics showed while all streams
//! of a round could have run together, and for how much of a round some streams waited for the
//! prefill of others.

use std::collections::BTreeMap;

use crate::fact::{Batch, Entry, Fact, Group, Load, Phase, Request, Source};
use crate::series::{RUNNING_REQUESTS, WAITING_REQUESTS};
use crate::unit::At;

/// Least number of looks that must have come in rounds in which all streams could run together.
const LOOKS_MIN: f64 = 5.0;

/// Streams that the server worked on at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Slots {
    /// Most streams of a round in which each had time to run beside all others: prefills take a
    /// small part of it.
    streams: u32,
    /// Time of the rounds with so many streams, microseconds.
    rounds_us: u64,
    /// Instance of the engine that gives the readings; several are not judged.
    instance: Option<String>,
    is_several: bool,
    /// Most requests that ran, and that waited, at any look.
    running: f64,
    waiting: f64,
    /// Looks, and the time from the first reading to the last, microseconds.
    looks: u64,
    from: Option<At>,
    until: At,
}

/// Fewer streams than were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FewerStreams {
    /// Most requests that ran at once.
    pub ran: u64,
    /// Streams that longhaul had.
    pub streams: u32,
    /// Most requests that waited at once.
    pub waited: u64,
}

impl Slots {
    /// Folds an entry.
    pub(super) fn fold(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Batch(batch) => self.fold_round(batch),
            Fact::Reading(reading) if reading.source == Source::Engine => {
                let is_running = reading.name == RUNNING_REQUESTS.name;
                if !is_running && reading.name != WAITING_REQUESTS.name {
                    return;
                }
                self.is_several |= self.instance.get_or_insert_with(|| reading.instance.clone())
                    != &reading.instance;
                if is_running {
                    self.running = self.running.max(reading.max);
                    self.looks += reading.n;
                    self.from.get_or_insert(entry.at);
                    self.until = entry.at;
                } else {
                    self.waiting = self.waiting.max(reading.max);
                }
            }
            _ => {}
        }
    }

    fn fold_round(&mut self, batch: &Batch) {
        let Some(Load::Streams(streams)) = batch.group.load() else { return };
        let whole = batch.good == batch.requests && batch.requests == u64::from(streams);
        let Some((first, last)) = batch.first.zip(batch.last).filter(|_| whole) else { return };
        // The first token comes after one prefill; with one after the other, the last stream begins
        // after as many as there are streams. Twice that leaves each stream time beside all others.
        let prefills_us = first.since(batch.began) * u64::from(streams);
        let span_us = last.since(first);
        if streams < 2 || streams < self.streams || span_us < 2 * prefills_us {
            return;
        }
        if streams > self.streams {
            (self.streams, self.rounds_us) = (streams, 0);
        }
        self.rounds_us += span_us;
    }

    /// Returns the streams that the server worked on, where there were fewer than longhaul had, and
    /// enough looks to say so.
    pub(crate) fn fewer(&self) -> Option<FewerStreams> {
        let time_us = self.until.since(self.from?);
        let looks = self.rounds_us as f64 * self.looks.saturating_sub(1) as f64 / time_us as f64;
        let is_fewer = self.running >= 1.0 && self.running < f64::from(self.streams);
        let is_seen = looks >= LOOKS_MIN && self.waiting >= 1.0 && !self.is_several;
        let (ran, waited) = (self.running as u64, self.waiting as u64);
        (is_fewer && is_seen).then_some(FewerStreams { ran, streams: self.streams, waited })
    }
}

/// First tokens of the streams of each round that has not ended: the earliest and the latest.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstTokens(BTreeMap<(Phase, Group), (At, At)>);

impl FirstTokens {
    /// Folds a request.
    pub(super) fn fold(&mut self, request: &Request) {
        let Some(ttft_us) = request.ttft_us else { return };
        let first = At(request.sent.0 + ttft_us);
        let round = self.0.entry((request.phase, request.group())).or_insert((first, first));
        *round = (round.0.min(first), round.1.max(first));
    }

    /// Ends a round: returns the share of the time of its tokens in which some of its streams had
    /// none yet. `None` for a single stream, and for arrivals that have times of their own.
    pub(super) fn end(&mut self, batch: &Batch) -> Option<f64> {
        let (first, latest) = self.0.remove(&(batch.phase, batch.group.clone()))?;
        if batch.group.streams() < 2 {
            return None;
        }
        let span_us = batch.last?.since(batch.first?);
        (span_us > 0).then(|| (latest.since(first) as f64 / span_us as f64).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Cell, Reading};
    use crate::incident::fixture::{Story, cell, group};

    /// Returns the batch of a round of streams whose first token comes after `prefill_s`.
    fn round(streams: u32, began_s: f64, prefill_s: f64, lasts_s: f64) -> Batch {
        let cell = Cell { load: Load::Streams(streams), ..cell(0) };
        let group = Group { cell: Some(cell), ..group(0) };
        Batch {
            requests: u64::from(streams),
            good: u64::from(streams),
            first: Some(Story::at(began_s + prefill_s)),
            last: Some(Story::at(began_s + prefill_s + lasts_s)),
            ..Batch::begun(Phase::Soak, group, Story::at(began_s))
        }
    }

    /// Returns the streams of a minute of rounds of 10 s, with a look each second.
    fn fewer(streams: u32, prefill_s: f64, running: f64, waiting: f64) -> Option<FewerStreams> {
        let mut story = Story::soaking();
        for ten in 1..=6 {
            let at = f64::from(ten) * 10.0;
            story.push(at, Fact::Batch(round(streams, at - 10.0, prefill_s, 10.0 - prefill_s)));
            for (name, max) in [("running_requests", running), ("waiting_requests", waiting)] {
                let reading = Reading::single(Source::Engine, name, max);
                story.push(at, Fact::Reading(Reading { n: 10, ..reading }));
            }
        }
        let mut slots = Slots::default();
        story.entries.iter().for_each(|entry| slots.fold(entry));
        slots.fewer()
    }

    #[test]
    fn a_server_with_fewer_slots_than_streams_is_told_from_one_that_prefills() {
        let two = FewerStreams { ran: 2, streams: 4, waited: 2 };
        assert_eq!(fewer(4, 0.5, 2.0, 2.0), Some(two));
        assert_eq!(fewer(4, 2.0, 2.0, 2.0), None, "prefills take most of the round");
        assert_eq!(fewer(4, 0.5, 4.0, 3.0), None, "all ran");
        assert_eq!(fewer(4, 0.5, 2.0, 0.0), None, "nobody waited");
        assert_eq!(fewer(1, 0.5, 1.0, 1.0), None);
    }

    #[test]
    fn the_share_of_a_round_in_which_streams_wait_for_their_first_token() {
        let mut rounds = FirstTokens::default();
        let batch = round(2, 0.0, 1.0, 8.0);
        for ttft_s in [1.0, 3.0] {
            let mut request = Story::new().request(0.0, 0);
            request.cell = batch.group.cell.unwrap();
            request.ttft_us = Some((ttft_s * 1e6) as u64);
            rounds.fold(&request);
        }
        assert_eq!(rounds.end(&batch), Some(0.25));
        assert_eq!(rounds.end(&batch), None, "the next one has no request yet");
        let single = round(1, 0.0, 1.0, 8.0);
        let mut request = Story::new().request(0.0, 0);
        request.cell = single.group.cell.unwrap();
        rounds.fold(&request);
        assert_eq!(rounds.end(&single), None);
    }
}
