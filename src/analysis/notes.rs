//! Collects notes for the report: how the server differs from its recipe, error messages, observers
//! that could not read, longhaul's own failures, and steps of the clocks. All of it is bounded.

use std::collections::BTreeMap;

use super::kills::Kills;
use super::model_list::ModelList;
use super::parallel::Parallel;
use crate::fact::{
    ANSWERED_BY, Action, Ended, Entry, Fact, Fault, MODEL_LIST, NO_MODEL, PAUSE, Request, Segment,
    Seq, Source, Statement, TargetWord,
};
use crate::series::{self, Series};
use crate::unit::At;

/// Bound on each list of notes.
const NOTES_MAX: usize = 64;

/// Least step of the wall clock that is reported, microseconds.
const STEP_US: u64 = 1_000_000;

/// Error message of one kind of ending; messages that differ only in digits are the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ErrorWords {
    /// Kind of ending of the requests.
    pub ended: Ended,
    /// Message of the first request.
    pub words: String,
    pub n: u64,
    pub first: Seq,
}

/// Step of the wall clock against the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockStep {
    pub segment: Segment,
    /// Time at which it was observed.
    pub at: At,
    /// Size of the step, microseconds.
    pub step_us: i64,
    /// Entry that shows the step.
    pub seq: Seq,
}

/// Notes on a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Notes {
    /// Identity that server and machine reported, by subject; the last report counts.
    pub identity: BTreeMap<String, String>,
    /// Whether answers named no model.
    pub has_unnamed_answers: bool,
    /// Differences from recipe or plan.
    pub differs: Vec<(Seq, Statement)>,
    /// Failures of longhaul itself.
    pub faults: Vec<(Seq, Fault)>,
    /// Error messages of failed requests.
    pub words: Vec<ErrorWords>,
    /// Bad endings whose messages exceed the bound of the list.
    pub words_left_out: u64,
    /// Observers that could not read: how often, and the last reason.
    pub missed: BTreeMap<(Source, String), (u64, String)>,
    /// Steps of the wall clock.
    pub steps: Vec<ClockStep>,
    /// Count of histograms that could not be read.
    pub unreadable: u64,
    /// Start of the engine's process by its own metrics, seconds since 1970; the last report
    /// counts.
    pub server_start_s: Option<f64>,
    /// Whether longhaul itself started the server.
    pub launched: bool,
    /// Count of server exits before the load began.
    pub failed_starts: u64,
    /// Pauses of lanes after requests that failed at once: how often, the first entry and its words.
    pub pauses: Option<(u64, Seq, String)>,
    /// Count of requests that were sent again on a fresh connection.
    pub resent: u64,
    /// Whole answers whose connection was cut off before their end: how many, and the first entry.
    pub cut_off: Option<(u64, Seq)>,
    /// Requests that ran while others were refused.
    pub parallel: Parallel,
    /// Kills on the server's machine that are not, or may not be, the server's.
    pub kills: Kills,
    /// Times at which the server listed other models.
    pub model_list: ModelList,
    began: bool,
    drift: Option<(Segment, i64)>,
}

impl Notes {
    /// Folds an entry.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        self.parallel.fold(entry);
        self.kills.fold(entry);
        self.model_list.fold(entry);
        if let Fact::Seen(seen) = &entry.fact {
            self.fold_identity(seen);
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
            Fact::Request(request) => {
                self.resent += u64::from(request.resent);
                if request.ended.is_bad() {
                    self.fold_words(entry.seq, request);
                } else if request.ended.is_good() && !request.error.is_empty() {
                    self.cut_off.get_or_insert((0, entry.seq)).0 += 1;
                }
            }
            Fact::Action(Action { what, note, .. }) if what == PAUSE => {
                let (times, ..) = self.pauses.get_or_insert_with(|| (0, entry.seq, note.clone()));
                *times += 1;
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

    fn fold_identity(&mut self, seen: &Statement) {
        self.has_unnamed_answers |= seen.subject == ANSWERED_BY && seen.seen == NO_MODEL;
        if seen.subject == MODEL_LIST {
            return;
        }
        let has_room = self.identity.len() < NOTES_MAX || self.identity.contains_key(&seen.subject);
        if has_room && !seen.seen.is_empty() {
            self.identity.insert(seen.subject.clone(), seen.seen.clone());
        }
    }

    fn fold_words(&mut self, seq: Seq, request: &Request) {
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

/// Returns a text without its digits, so that errors that differ in ids and sizes are the same.
fn shape(text: &str) -> String {
    text.chars().filter(|character| !character.is_ascii_digit()).collect()
}
