//! What else is worth telling: how the server differs from its recipe, what it
//! said when it failed, which observers were blind, what longhaul itself did
//! wrong, and what the clocks did. All of it bounded.

use std::collections::BTreeMap;

use crate::fact::{Ended, Entry, Fact, Fault, Request, Seen, Segment, Seq, Source, TargetWord};
use crate::series::{self, Series};
use crate::unit::At;

/// Bounds each list here.
const NOTES_MAX: usize = 64;

/// A step of the wall clock that is told, microseconds.
const STEP_US: u64 = 1_000_000;

/// The same words of the same ending, numbers aside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ErrorWords {
    /// How the requests ended.
    pub ended: Ended,
    /// The words, as the first of them had them.
    pub words: String,
    pub n: u64,
    pub first: Seq,
}

/// The wall clock moved against the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockStep {
    pub segment: Segment,
    /// When it was seen.
    pub at: At,
    /// By how much, microseconds.
    pub step_us: i64,
    /// The entry that shows it.
    pub seq: Seq,
}

/// What else was noted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Notes {
    /// What server and box said they are, by subject; the last word counts.
    pub identity: BTreeMap<String, String>,
    /// What differs from recipe or plan.
    pub differs: Vec<(Seq, Seen)>,
    /// longhaul's own failures.
    pub faults: Vec<(Seq, Fault)>,
    /// What failed requests said.
    pub words: Vec<ErrorWords>,
    /// Bad endings whose words found no place in the list.
    pub words_left_out: u64,
    /// Observers that could not read: how often, and why at last.
    pub missed: BTreeMap<(Source, String), (u64, String)>,
    /// Steps of the wall clock.
    pub steps: Vec<ClockStep>,
    /// Histograms that could not be read.
    pub unreadable: u64,
    /// When the engine's process was started, by its own metrics, seconds since 1970; the last
    /// word counts.
    pub server_start_s: Option<f64>,
    /// Whether longhaul itself started the server.
    pub launched: bool,
    /// How often the server ended before the load began.
    pub failed_starts: u64,
    began: bool,
    drift: Option<(Segment, i64)>,
}

impl Notes {
    /// Takes an entry.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        if let Fact::Seen(seen) = &entry.fact {
            self.take_identity(seen);
        }
        match &entry.fact {
            Fact::Seen(seen)
                if seen.differs
                    && self.differs.len() < NOTES_MAX
                    && self.differs.iter().all(|(_, known)| known != seen) =>
            {
                self.differs.push((entry.seq, seen.clone()));
            }
            Fact::Fault(fault) if self.faults.len() < NOTES_MAX => {
                self.faults.push((entry.seq, fault.clone()));
            }
            Fact::Request(request) if request.ended.is_bad() => {
                self.take_words(entry.seq, request);
            }
            Fact::Missed(missed) => {
                let key = (missed.source, missed.what.clone());
                if self.missed.len() < NOTES_MAX || self.missed.contains_key(&key) {
                    let (times, why) = self.missed.entry(key).or_default();
                    *times += missed.times;
                    why.clone_from(&missed.why);
                }
            }
            Fact::Reading(reading)
                if reading.source == Source::Engine
                    && series::of_reading(reading).is_some_and(Series::is_start_time) =>
            {
                self.server_start_s = Some(reading.last);
            }
            Fact::Target(target) => {
                self.launched |= target.word == TargetWord::Launched;
                let failed = target.word == TargetWord::Exited && !self.began;
                self.failed_starts += u64::from(failed);
            }
            Fact::Phase(_) => self.began = true,
            Fact::Clock(clock) => {
                let before = self.drift.filter(|(segment, _)| *segment == entry.segment);
                let step_us = clock.drift_us - before.map_or(0, |(_, drift_us)| drift_us);
                self.drift = Some((entry.segment, clock.drift_us));
                if step_us.unsigned_abs() > STEP_US && self.steps.len() < NOTES_MAX {
                    let (segment, at, seq) = (entry.segment, entry.at, entry.seq);
                    self.steps.push(ClockStep { segment, at, step_us, seq });
                }
            }
            _ => {}
        }
    }

    fn take_identity(&mut self, seen: &Seen) {
        let has_room = self.identity.len() < NOTES_MAX || self.identity.contains_key(&seen.subject);
        if has_room && !seen.seen.is_empty() {
            self.identity.insert(seen.subject.clone(), seen.seen.clone());
        }
    }

    fn take_words(&mut self, seq: Seq, request: &Request) {
        let shape = shape(&request.error);
        let known = self
            .words
            .iter_mut()
            .find(|known| known.ended == request.ended && self::shape(&known.words) == shape);
        if let Some(known) = known {
            known.n += 1;
        } else if self.words.len() < NOTES_MAX {
            let (ended, words) = (request.ended, request.error.clone());
            self.words.push(ErrorWords { ended, words, n: 1, first: seq });
        } else {
            self.words_left_out += 1;
        }
    }
}

/// A text without its digits, so that ids and sizes do not tell two errors apart.
fn shape(text: &str) -> String {
    text.chars().filter(|character| !character.is_ascii_digit()).collect()
}
