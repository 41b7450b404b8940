//! Detects hangs. A server that hangs still answers its health probe within a millisecond, so
//! liveness does not detect it. A hang is a lack of progress: requests of longhaul are in flight,
//! no token arrives, and no metric of the engine changes.
//!
//! Without the engine's metrics a hang looks like a long prefill. Then nothing is decided, and only
//! the request's own limit applies.

use std::collections::BTreeMap;

use super::liveness::{Sign, sign};
use super::segments::BySegment;
use crate::fact::{Ended, Entry, Fact, Reading, Request, Source, TargetWord};
use crate::series::{
    HEALTH_STATUS, IN_FLIGHT, METRICS_PROCESS, MODEL_LISTED, OUTPUT_TOKENS, RESIDENT_MEMORY,
    RUNNING_REQUESTS, Series, TOKEN_ANSWERED, UP, WAITING_REQUESTS,
};
use crate::unit::At;

/// Least time without progress that counts as a hang, microseconds.
pub(crate) const LEAST_US: u64 = 60_000_000;
/// Factor on the usual, or planned, time to the first token.
const PATIENCE_FACTOR: u64 = 3;
/// Answers at a depth before the longest wait among them counts as usual.
const USUAL_MIN: u64 = 20;

/// Series of the engine that may change although it makes no progress.
const NO_PROGRESS: [Series; 8] = [
    UP,
    HEALTH_STATUS,
    MODEL_LISTED,
    TOKEN_ANSWERED,
    METRICS_PROCESS,
    RESIDENT_MEMORY,
    // Requests that arrive change these also where none is worked on.
    RUNNING_REQUESTS,
    WAITING_REQUESTS,
];

/// Bound on the series kept; an engine has a few dozen.
const SERIES_MAX: usize = 1_024;

/// Live fold of the last progress, on the clock of each segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hangs(BySegment<ProgressState>);

/// Progress in one segment.
#[derive(Clone, Debug, Default)]
struct ProgressState {
    moved: At,
    /// Last reading by which output tokens had come.
    streamed: Option<At>,
    watched: bool,
    hung: bool,
    values: BTreeMap<(String, String), f64>,
    tokens: Option<f64>,
    /// Count of answers with a first token, and the longest wait for it, by depth.
    waits: BTreeMap<u64, (u64, u64)>,
}

impl Hangs {
    /// Whether the server hangs, by the recorded decision.
    pub(crate) fn hung(&self) -> bool {
        self.0.last().hung
    }

    /// Returns the time of the last progress.
    pub(crate) fn moved(&self) -> At {
        self.0.last().moved
    }

    /// Returns the time of the last reading by which output tokens had come.
    pub(crate) fn streamed(&self) -> Option<At> {
        self.0.last().streamed
    }

    /// Whether hang and long prefill can be distinguished: the engine's metrics were read.
    pub(crate) fn watched(&self) -> bool {
        self.0.last().watched
    }

    /// Returns how long progress may be absent with this depth in flight, microseconds.
    /// `planned_us` is when its first token is due, queue included. `own_us` is the request's own
    /// limit, which applies without a usual or planned time.
    pub(crate) fn patience_us(&self, depth: u64, planned_us: Option<u64>, own_us: u64) -> u64 {
        let usual = self.0.last().waits.get(&depth).filter(|(n, _)| *n >= USUAL_MIN);
        let expected_us = usual.map(|(_, longest_us)| *longest_us).or(planned_us);
        expected_us.map_or(own_us, |us| us.saturating_mul(PATIENCE_FACTOR)).max(LEAST_US)
    }

    /// Folds an entry.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        self.0.of(entry.segment).fold(entry);
    }
}

impl ProgressState {
    fn fold(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Request(request) => self.fold_request(request),
            Fact::Reading(reading) => self.fold_reading(entry.at, reading),
            Fact::Phase(_) if !self.hung => self.at(entry.at),
            Fact::Target(target) => match target.word {
                TargetWord::Hung => self.hung = true,
                TargetWord::Moving => self.hung = false,
                // The hang ended with the process, or another process began with new metrics.
                TargetWord::Away
                | TargetWord::Back
                | TargetWord::Exited
                | TargetWord::Rebooted
                | TargetWord::Restarted
                | TargetWord::Launched => {
                    self.hung = false;
                    self.values.clear();
                    self.at(entry.at);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn at(&mut self, at: At) {
        self.moved = self.moved.max(at);
    }

    fn fold_request(&mut self, request: &Request) {
        if let Some(ttft_us) = request.ttft_us {
            let (n, longest_us) = self.waits.entry(request.cell.depth).or_default();
            *n += 1;
            *longest_us = ttft_us.max(*longest_us);
        }
        match request.last_us.or(request.ttft_us) {
            Some(us) => self.at(At(request.sent.0.saturating_add(us)).min(request.done)),
            // A refusal is an answer and shows progress. A request that timed out shows none, and
            // neither do connections that end because a hung server is killed.
            None if !matches!(request.ended, Ended::TimedOut | Ended::Stalled)
                && (!self.hung || !is_broken_off(request.ended))
                && sign(request) != Sign::None =>
            {
                self.at(request.done);
            }
            None => {}
        }
    }

    fn fold_reading(&mut self, at: At, reading: &Reading) {
        let moved = if IN_FLIGHT.is_of(reading) {
            // An empty queue does not show that a hung server makes progress again.
            !self.hung && reading.max == 0.0
        } else if OUTPUT_TOKENS.is_of(reading) {
            let came = self
                .tokens
                .replace(reading.last)
                .is_some_and(|before| reading.differs_from(before));
            self.streamed = if came { Some(at) } else { self.streamed };
            came
        } else {
            reading.source == Source::Engine
                && reading.last.is_finite()
                && !NO_PROGRESS.iter().any(|series| series.is_of(reading))
                && self.fold_series(reading)
        };
        if moved {
            self.at(at);
        }
    }

    fn fold_series(&mut self, reading: &Reading) -> bool {
        self.watched = true;
        let key = (reading.instance.clone(), reading.name.clone());
        if !self.values.contains_key(&key) && self.values.len() >= SERIES_MAX {
            return false;
        }
        match self.values.insert(key, reading.last) {
            Some(before) => reading.differs_from(before),
            // The first reading of a process has no predecessor that it could differ from.
            None => false,
        }
    }
}

fn is_broken_off(ended: Ended) -> bool {
    matches!(ended, Ended::Truncated | Ended::Reset | Ended::Refused | Ended::Unreachable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Phase, TargetFact};
    use crate::incident::fixture::Story;

    const GENERATED: &str = "generation_tokens_total";

    fn reported(story: &Story) -> Hangs {
        let mut hangs = Hangs::default();
        for entry in &story.entries {
            hangs.fold(entry);
        }
        hangs
    }

    /// Returns a request in flight from second 10 on, without progress afterwards.
    fn waiting() -> Story {
        let mut story = Story::soaking();
        story.reading(5.0, Source::Engine, GENERATED, 100.0);
        for second in [20.0, 30.0, 40.0] {
            story.reading(second, Source::Own, IN_FLIGHT.name, 1.0);
            story.reading(second, Source::Own, OUTPUT_TOKENS.name, 128.0);
        }
        story
    }

    /// Whether there was progress since the hang was detected.
    fn moves(hangs: &Hangs) -> bool {
        hangs.hung() && hangs.moved() > At(80_000_000)
    }

    #[test]
    fn nothing_moves_where_neither_tokens_nor_counters_change_though_it_answers_its_probes() {
        let mut story = waiting();
        for second in [20.0, 30.0, 40.0] {
            story.up(second, true).reading(second, Source::Engine, GENERATED, 100.0);
        }
        let hangs = reported(&story);
        assert_eq!((hangs.moved(), hangs.watched()), (At(10_000_000), true));
    }

    #[test]
    fn a_long_prefill_that_moves_any_number_of_the_engine_is_no_hang() {
        let mut story = waiting();
        story.reading(20.0, Source::Engine, "engine_steps_total", 100.0);
        story.reading(40.0, Source::Engine, "engine_steps_total", 117.0);
        assert_eq!(reported(&story).moved(), At(40_000_000));
        let mut story = waiting();
        story.reading(20.0, Source::Engine, "kv_usage_share", 0.1);
        story.reading(40.0, Source::Engine, "kv_usage_share", 0.2);
        assert_eq!(reported(&story).moved(), At(40_000_000));
    }

    #[test]
    fn a_value_that_is_no_number_and_the_process_that_answered_are_no_progress() {
        let mut story = waiting();
        for (second, process) in [(20.0, 1.0), (30.0, 2.0), (40.0, 1.0)] {
            story.reading(second, Source::Engine, "kv_usage_share", f64::NAN);
            story.reading(second + 1.0, Source::Engine, "kv_usage_share", 0.1);
            story.reading(second, Source::Engine, METRICS_PROCESS.name, process);
        }
        assert_eq!(reported(&story).moved(), At(10_000_000));
    }

    #[test]
    fn with_nothing_in_flight_nothing_hangs() {
        let mut story = Story::soaking();
        story.reading(20.0, Source::Own, IN_FLIGHT.name, 0.0);
        assert_eq!(reported(&story).moved(), At(20_000_000));
    }

    #[test]
    fn without_the_engines_numbers_nothing_is_decided() {
        assert!(!reported(Story::soaking().up(20.0, true)).watched());
    }

    #[test]
    fn whoever_gives_up_on_silence_saw_nothing_move() {
        let mut story = waiting();
        story.bad(50.0, 0, Ended::TimedOut, "no first token");
        assert_eq!(reported(&story).moved(), At(10_000_000));
        story.good(51.0, 0);
        assert_eq!(reported(&story).moved(), At(51_908_000));
    }

    #[test]
    fn patience_is_thrice_the_longest_wait_seen_thrice_the_plan_or_the_requests_own_limit() {
        let mut story = Story::soaking();
        let own_us = 1_800_000_000;
        let few = reported(&story);
        assert_eq!(few.patience_us(100_000, Some(106_000_000), own_us), 318_000_000);
        assert_eq!(few.patience_us(100_000, None, own_us), own_us);
        assert_eq!(few.patience_us(0, Some(1_000_000), own_us), LEAST_US);
        for index in 0..20 {
            let mut request = story.request(20.0 + f64::from(index), 100_000);
            request.ttft_us = Some(110_000_000);
            story.push(150.0 + f64::from(index), Fact::Request(Box::new(request)));
        }
        let usual = reported(&story);
        assert_eq!(usual.patience_us(100_000, Some(1_000_000), own_us), 330_000_000);
        assert_eq!(usual.patience_us(4_096, Some(50_000_000), own_us), 150_000_000);
    }

    #[test]
    fn what_hung_moves_when_a_counter_does() {
        let mut story = waiting();
        story.push(80.0, Fact::Target(TargetFact::new(TargetWord::Hung, "").since(At(10_000_000))));
        let hangs = reported(&story);
        assert!(hangs.hung() && !moves(&hangs));
        story.reading(85.0, Source::Own, IN_FLIGHT.name, 0.0).phase(86.0, Phase::Drain);
        story.bad(86.5, 0, Ended::Truncated, "unexpected EOF");
        assert!(!moves(&reported(&story)), "giving up on it does not thaw it");
        story.reading(90.0, Source::Engine, GENERATED, 101.0);
        assert!(moves(&reported(&story)));
        story.push(90.0, Fact::Target(TargetFact::new(TargetWord::Moving, "")));
        assert!(!reported(&story).hung());
    }
}
