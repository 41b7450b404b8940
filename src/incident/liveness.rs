//! Decides whether the server is up: live, only from the entries so far, so that a reader of the
//! journal gets the same result.
//!
//! - A request that broke (refused, reset, error frame, 5xx, cut short, out of
//!   time) or a failed `up` reading makes the server *suspect*.
//! - A failed `up` reading of a suspect server makes it *down*: it takes two
//!   signs of which one is a health probe. One failed request is no outage.
//! - `up` = 1, or any proper answer, makes it *up*.
//!
//! Stamps may arrive out of order, so a sign that is older than the newest
//! opposite sign changes nothing.

use std::collections::BTreeMap;

use super::segments::BySegment;
use crate::escape::one_line;
use crate::fact::{Ended, Entry, Fact, Reading, Request, Source};
use crate::series::{self, SeriesKind, UP};
use crate::unit::At;
use crate::words::words;

/// Bound on the characters of a change's evidence.
const EVIDENCE_CHARS_MAX: usize = 160;

/// Bound on the series kept; an engine has a few dozen.
const SERIES_MAX: usize = 1_024;

/// State of the server as inferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    Up,
    /// Possibly not serving: one bad sign, or no sign yet.
    #[default]
    Suspect,
    /// Not serving.
    Down,
}

words!(State { Up: "up", Suspect: "suspect", Down: "down" });

/// Change of the state by an entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LivenessChange {
    /// The server went down.
    WentAway {
        /// Last good sign, or the first bad one where there was none.
        since: At,
        /// Description of the sign.
        evidence: String,
    },
    /// The server is up again.
    CameBack {
        /// Time at which it had gone down.
        since: At,
        /// Description of the sign.
        evidence: String,
    },
    /// The server restarted. Its state is unchanged.
    Restarted {
        /// Last reading of the previous process.
        since: At,
        /// Description of the sign.
        evidence: String,
    },
}

/// Sign of liveness that a request gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// The server answered, even with a refusal.
    Good,
    /// The request broke, or got no answer.
    Bad,
    /// No sign: longhaul ended the request.
    None,
}

/// Live fold. Every segment has a clock and a state of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Liveness(BySegment<Belief>);

/// State of one segment.
#[derive(Clone, Debug, Default)]
struct Belief {
    state: State,
    /// Newest good sign.
    good: Option<At>,
    /// Newest bad sign.
    bad: Option<At>,
    /// First bad sign after the newest good one.
    doubt: Option<(At, String)>,
    /// Time at which the server went down, while it is down.
    away: Option<At>,
    series: BTreeMap<(String, String), (At, f64)>,
}

impl Liveness {
    /// Returns the present state.
    pub(crate) fn state(&self) -> State {
        self.0.last().state
    }

    /// Returns the last good sign before the server became suspect or down, or the first bad one
    /// where there was none. `None` while it is up or without any sign.
    pub(crate) fn since(&self) -> Option<At> {
        let belief = self.0.last();
        match belief.state {
            State::Up => None,
            State::Down => belief.away,
            State::Suspect => belief.went(),
        }
    }

    /// Folds an entry and returns the change it makes.
    pub(crate) fn fold(&mut self, entry: &Entry) -> Option<LivenessChange> {
        self.0.of(entry.segment).fold(entry)
    }
}

impl Belief {
    fn went(&self) -> Option<At> {
        let (at, _) = self.doubt.as_ref()?;
        Some(self.good.map_or(*at, |good| good.min(*at)))
    }

    fn fold(&mut self, entry: &Entry) -> Option<LivenessChange> {
        match &entry.fact {
            Fact::Request(request) => self.take_request(request),
            Fact::Reading(reading) if reading.source == Source::Engine => {
                if UP.is_of(reading) {
                    self.take_up(entry.at, reading)
                } else {
                    self.take_series(entry.at, reading)
                }
            }
            _ => None,
        }
    }

    fn take_request(&mut self, request: &Request) -> Option<LivenessChange> {
        let last_token = request.last_us.or(request.ttft_us);
        if let Some(offset_us) = last_token {
            // The server was up when it sent its last token, however the request ended.
            let at = At(request.sent.0.saturating_add(offset_us)).min(request.done);
            self.good = self.good.max(Some(at));
        }
        match sign(request) {
            Sign::Good => self.came(request.done, &format!("a request {}", request.ended.word())),
            Sign::Bad => {
                let what = format!("request {}: {}", request.ended.word(), request.error);
                self.doubted(request.done, &what);
                None
            }
            Sign::None => None,
        }
    }

    fn take_up(&mut self, at: At, reading: &Reading) -> Option<LivenessChange> {
        if reading.last >= 0.5 {
            return self.came(at, "its health probe was answered");
        }
        let was = self.state;
        if !self.doubted(at, "a health probe failed") || was != State::Suspect {
            return None;
        }
        let since = self.went().unwrap_or(at);
        let first = self.doubt.as_ref().map_or("", |(_, words)| words.as_str());
        let evidence =
            one_line(&format!("{first}; then a health probe failed"), 2 * EVIDENCE_CHARS_MAX);
        self.state = State::Down;
        self.away = Some(since);
        Some(LivenessChange::WentAway { since, evidence })
    }

    /// Records a bad sign. Returns whether it counts.
    fn doubted(&mut self, at: At, words: &str) -> bool {
        self.bad = self.bad.max(Some(at));
        if self.good.is_some_and(|good| at < good) {
            return false;
        }
        if self.state == State::Up {
            self.state = State::Suspect;
        }
        if self.doubt.is_none() {
            self.doubt = Some((at, one_line(words, EVIDENCE_CHARS_MAX)));
        }
        true
    }

    /// Records a good sign.
    fn came(&mut self, at: At, words: &str) -> Option<LivenessChange> {
        self.good = self.good.max(Some(at));
        if self.bad.is_some_and(|bad| at < bad) {
            return None;
        }
        self.doubt = None;
        let was = std::mem::replace(&mut self.state, State::Up);
        let since = self.away.take().unwrap_or(at);
        (was == State::Down).then(|| LivenessChange::CameBack { since, evidence: words.to_owned() })
    }

    fn take_series(&mut self, at: At, reading: &Reading) -> Option<LivenessChange> {
        let started = match series::of_reading(reading)?.kind {
            SeriesKind::Life => true,
            // A decrease of a counter shows a restart.
            SeriesKind::Counter => false,
            SeriesKind::Gauge | SeriesKind::Increment => return None,
        };
        let key = (reading.instance.clone(), reading.name.clone());
        let before = self.series.get(&key).copied();
        if before.is_some_and(|(seen, _)| at < seen) {
            return None; // An earlier second, handed over late.
        }
        if before.is_some() || self.series.len() < SERIES_MAX {
            self.series.insert(key.clone(), (at, reading.last));
        }
        let (since, value) = before?;
        let evidence = if started && (reading.last - value).abs() > 0.5 {
            format!("{} changed", reading.name)
        } else if !started && reading.last.min(reading.min) < value {
            format!("{} went back", reading.name)
        } else {
            return None;
        };
        // Clearing all series counts one restart, however many series show it.
        self.series.clear();
        self.series.insert(key, (at, reading.last));
        Some(LivenessChange::Restarted { since, evidence: one_line(&evidence, EVIDENCE_CHARS_MAX) })
    }
}

/// Returns the sign of liveness that the ending of a request gives.
pub(crate) fn sign(request: &Request) -> Sign {
    match request.ended {
        Ended::Completed | Ended::Short | Ended::NoUsage | Ended::Empty => Sign::Good,
        Ended::HttpError if request.http_status.is_some_and(|status| status < 500) => Sign::Good,
        Ended::Abandoned | Ended::Cut => Sign::None,
        Ended::HttpError
        | Ended::Unreachable
        | Ended::Refused
        | Ended::Reset
        | Ended::TimedOut
        | Ended::Stalled
        | Ended::ErrorFrame
        | Ended::Aborted
        | Ended::Truncated
        | Ended::Malformed => Sign::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::story::Story;

    fn told(story: &Story) -> (Liveness, Vec<LivenessChange>) {
        let mut liveness = Liveness::default();
        let changes = story.entries.iter().filter_map(|entry| liveness.fold(entry)).collect();
        (liveness, changes)
    }

    #[test]
    fn one_failed_request_is_no_outage() {
        let mut story = Story::new();
        story.up(0.0, true).bad(5.0, 0, Ended::Refused, "refused");
        let (liveness, changes) = told(&story);
        assert_eq!((liveness.state(), liveness.since()), (State::Suspect, Some(At(0))));
        assert!(changes.is_empty());
        story.up(6.0, true);
        let (liveness, changes) = told(&story);
        assert_eq!((liveness.state(), liveness.since()), (State::Up, None));
        assert!(changes.is_empty());
    }

    #[test]
    fn a_failed_probe_of_a_suspect_server_means_it_is_away_since_the_last_good_sign() {
        let mut story = Story::new();
        story.up(0.0, true).good(3.0, 0).bad(5.0, 0, Ended::Refused, "refused").up(6.0, false);
        let (liveness, changes) = told(&story);
        assert_eq!(liveness.state(), State::Down);
        assert!(
            matches!(changes[..], [LivenessChange::WentAway { since: At(4_000_000), .. }]),
            "{changes:?}"
        );
    }

    #[test]
    fn it_takes_two_failed_probes_without_a_failed_request() {
        let mut story = Story::new();
        story.up(0.0, true).up(10.0, false);
        assert_eq!(told(&story).0.state(), State::Suspect);
        story.up(11.0, false);
        let (liveness, changes) = told(&story);
        assert_eq!((liveness.state(), liveness.since()), (State::Down, Some(At(0))));
        assert_eq!(changes.len(), 1);
        story.up(20.0, false).up(30.0, true);
        let (liveness, changes) = told(&story);
        assert_eq!(liveness.state(), State::Up);
        assert!(matches!(changes[1], LivenessChange::CameBack { since: At(0), .. }));
    }

    #[test]
    fn an_answer_that_was_stamped_before_the_failure_brings_nothing_back() {
        let mut story = Story::new();
        story.up(0.0, true).up(10.0, false).up(11.0, false).good(8.0, 0);
        assert_eq!(told(&story).0.state(), State::Down);
    }

    #[test]
    fn a_stream_that_broke_was_alive_until_its_last_token() {
        let mut story = Story::new();
        story.up(0.0, true);
        let mut request = story.request(10.0, 0);
        request.ended = Ended::Truncated;
        story.push(11.0, Fact::Request(Box::new(request))).up(12.0, false);
        assert_eq!(told(&story).0.since(), Some(At(10_908_000)));
    }

    #[test]
    fn a_refusal_with_a_4xx_is_a_sign_of_life() {
        let mut story = Story::new();
        let mut request = story.request(1.0, 0);
        (request.ended, request.http_status) = (Ended::HttpError, Some(400));
        story.push(2.0, Fact::Request(Box::new(request)));
        assert_eq!(told(&story).0.state(), State::Up);
    }

    #[test]
    fn a_counter_that_goes_back_is_a_restart_told_once() {
        let mut story = Story::new();
        for (seconds, tokens) in [(1.0, 100.0), (11.0, 900.0), (21.0, 50.0), (31.0, 80.0)] {
            story.reading(seconds, Source::Engine, "vllm:generation_tokens_total", tokens);
            story.reading(seconds, Source::Engine, "vllm:prompt_tokens_total", tokens * 3.0);
        }
        let (_, changes) = told(&story);
        assert!(
            matches!(changes[..], [LivenessChange::Restarted { since: At(11_000_000), .. }]),
            "{changes:?}"
        );
    }

    #[test]
    fn a_resumed_segment_begins_without_belief() {
        let mut story = Story::new();
        story.up(0.0, true).started(1.0, 1000.0);
        story.segment = 1;
        story.started(1.0, 2000.0);
        let (liveness, changes) = told(&story);
        assert_eq!((liveness.state(), changes.len()), (State::Suspect, 0));
    }

    #[test]
    fn entries_of_two_segments_one_between_the_other_have_a_belief_of_each() {
        let mut story = Story::new();
        story.up(1.0, true).bad(2.0, 0, Ended::Refused, "refused");
        story.segment = 1;
        story.up(1.5, true);
        story.segment = 0;
        story.up(3.0, false);
        story.segment = 1;
        story.up(3.5, true);
        let (liveness, changes) = told(&story);
        assert!(
            matches!(changes[..], [LivenessChange::WentAway { since: At(1_000_000), .. }]),
            "{changes:?}"
        );
        assert_eq!(liveness.state(), State::Up);
    }
}
