//! Decides whether the server is up: live, only from the entries so far, so that a reader of the
//! journal gets the same result.
//!
//! - A request that broke (refused, reset, error frame, 5xx, cut short, out of
//!   time) or a failed `up` reading makes the server *suspect*.
//! - A failed `up` reading of a suspect server makes it *down*: it takes two
//!   signs of which one is a health probe. One failed request is no outage.
//! - `up` = 1, or any proper answer, makes it *up*.
//! - Requests that fail one after the other make it *down*, whatever its health probe says, until a
//!   request is answered.
//! - While requests are served, a busy health probe, one without an answer and
//!   a list without the model say nothing. The run writes down whether they are,
//!   with the probe.
//! - A server that no longer lists its model is up again when it does.
//! - A metrics page whose counters stand still brings back no server whose health answered that it
//!   is not up.
//!
//! Stamps may arrive out of order, so a sign that is older than the newest
//! opposite sign changes nothing.

mod failures;
mod pages;
mod processes;

use failures::{Failures, NotServing};
use pages::MetricsPages;
use processes::{Processes, Replaced};

use super::segments::BySegment;
use crate::escape::one_line;
use crate::fact::{Ended, Entry, Fact, MissedReason, Phase, Reading, Request, Source};
use crate::series::{HEALTH_STATUS, MODEL_LISTED, SERVING, TOKEN_ANSWERED, UP};
use crate::unit::At;
use crate::words::words;

/// Bound on the characters of a change's evidence.
const EVIDENCE_CHARS_MAX: usize = 160;

/// Refusals in a row, without a whole answer between them, from which on a refusal is a bad sign.
const REFUSALS_MAX: u32 = 3;

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
        /// First reading of the new one.
        until: At,
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
pub(crate) struct Liveness(BySegment<SegmentLiveness>);

/// State of one segment.
#[derive(Clone, Debug, Default)]
struct SegmentLiveness {
    state: State,
    /// Newest good sign.
    good: Option<At>,
    /// Newest token of a request.
    token: Option<At>,
    /// Newest bad sign.
    bad: Option<At>,
    /// First bad sign after the newest good one.
    doubt: Option<(At, String)>,
    /// Time at which the server went down, while it is down.
    away: Option<At>,
    /// Last look that found the server busy or silent, or request that failed, and whether
    /// requests were being served then.
    served: Option<(At, bool)>,
    /// Whether the server no longer lists the model that is asked for.
    unlisted: bool,
    /// Time of the last health page that answered that the server is not up.
    status: Option<At>,
    /// Time of the first health page that answered so since the last good sign.
    unwell: Option<At>,
    pages: MetricsPages,
    /// Requests in a row that were refused.
    refusals: u32,
    failures: Failures,
    processes: Processes,
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

    /// Whether requests failed one after the other, so that only an answered request shows that the
    /// server is up.
    pub(crate) fn is_failing(&self) -> bool {
        self.0.last().failures.is_decided()
    }

    /// Returns since when requests fail one after the other, whatever was answered to probes.
    pub(crate) fn failing_since(&self) -> Option<At> {
        self.0.last().failures.since()
    }

    /// Whether an answered health probe alone does not show that the server is up.
    pub(crate) fn outweighs_probes(&self) -> bool {
        self.0.last().outweighs_probes()
    }

    /// Returns the first time at which a process was read that may have replaced an earlier one, as
    /// long as that is not decided.
    pub(crate) fn renewed(&self) -> Option<At> {
        self.0.last().processes.renewed()
    }

    /// Returns the time of the newest token of a request.
    pub(crate) fn token(&self) -> Option<At> {
        self.0.last().token
    }

    /// Folds an entry and returns the change it makes.
    pub(crate) fn fold(&mut self, entry: &Entry) -> Option<LivenessChange> {
        self.0.of(entry.segment).fold(entry)
    }
}

impl SegmentLiveness {
    fn went(&self) -> Option<At> {
        let (at, _) = self.doubt.as_ref()?;
        Some(self.good.map_or(*at, |good| good.min(*at)))
    }

    fn fold(&mut self, entry: &Entry) -> Option<LivenessChange> {
        let at = entry.at;
        match &entry.fact {
            Fact::Request(request) => self.fold_request(request),
            Fact::Reading(reading) if SERVING.is_of(reading) => {
                self.served = Some((at, is_true(reading)));
                None
            }
            Fact::Reading(reading) if reading.source == Source::Engine => {
                self.fold_reading(at, reading)
            }
            // Journals of earlier versions do not say whether requests were being served.
            Fact::Missed(missed)
                if missed.source == Source::Engine
                    && missed.reason() == MissedReason::NoAnswer
                    && self.served == Some((at, false)) =>
            {
                self.look_failed(at, "a health probe got no answer")
            }
            Fact::Phase(began) if began.phase == Phase::Drain => {
                self.processes.end().map(restarted)
            }
            _ => None,
        }
    }

    fn outweighs_probes(&self) -> bool {
        self.unlisted || self.failures.is_decided()
    }

    fn fold_request(&mut self, request: &Request) -> Option<LivenessChange> {
        let last_token = request.last_us.or(request.ttft_us);
        if let Some(offset_us) = last_token {
            // The server was up when it sent its last token, however the request ended.
            let at = At(request.sent.0.saturating_add(offset_us)).min(request.done);
            self.good = self.good.max(Some(at));
            self.token = self.token.max(Some(at));
        }
        let serving = self.served == Some((request.done, true));
        if let Some(found) = self.failures.fold(request, self.good, serving) {
            return self.not_serving(request, &found);
        }
        let what = || format!("request {}: {}", request.ended.word(), request.error);
        match sign(request) {
            Sign::Good if request.ended == Ended::HttpError && self.refused(request) => {
                self.doubted(request.done, &what());
                None
            }
            Sign::Good => {
                if request.ended != Ended::HttpError {
                    (self.refusals, self.unlisted) = (0, false);
                } else if self.failures.is_decided() {
                    return None;
                }
                self.came(request.done, &format!("a request {}", request.ended.word()))
            }
            Sign::Bad => {
                self.doubted(request.done, &what());
                None
            }
            Sign::None => None,
        }
    }

    /// Counts a refusal, and returns whether there were so many that something must be wrong: the
    /// server may be another one. "Too many requests" is the word of one that is there.
    fn refused(&mut self, request: &Request) -> bool {
        self.refusals = self.refusals.saturating_add(u32::from(request.http_status != Some(429)));
        self.refusals >= REFUSALS_MAX
    }

    fn fold_reading(&mut self, at: At, reading: &Reading) -> Option<LivenessChange> {
        if UP.is_of(reading) {
            return match is_true(reading) {
                true if self.outweighs_probes() => None,
                true if self.pages.is_read(at) && !self.may_be_well() => None,
                true => self.came(at, "its health probe was answered"),
                false if self.served == Some((at, true)) => None,
                false => {
                    let is_answered = self.status == Some(at);
                    self.unwell = self.unwell.or(Some(at)).filter(|_| is_answered);
                    self.look_failed(at, "a health probe failed")
                }
            };
        }
        if HEALTH_STATUS.is_of(reading) {
            self.status = Some(at);
            return None;
        }
        if MODEL_LISTED.is_of(reading) {
            self.unlisted = !is_true(reading) && self.served != Some((at, true));
            let words = "it no longer lists its model";
            return if self.unlisted { self.look_failed(at, words) } else { None };
        }
        if TOKEN_ANSWERED.is_of(reading) {
            if is_true(reading) {
                self.failures.probe_answered(at);
            }
            return None;
        }
        self.pages.fold(at, reading);
        self.processes.fold(at, reading, self.bad).map(restarted)
    }

    /// Whether a metrics page shows that the server is up: its health does not say the opposite, or
    /// its counters have moved since.
    fn may_be_well(&self) -> bool {
        self.unwell.is_none_or(|since| self.pages.move_since(since))
    }

    /// Takes in that requests failed one after the other.
    fn not_serving(&mut self, request: &Request, found: &NotServing) -> Option<LivenessChange> {
        let (ended, error) = (request.ended.word(), &request.error);
        let words = format!(
            "{} requests in a row failed although its health probe was answered: {ended}: {error}",
            found.requests
        );
        self.doubted(request.done, &words);
        self.went_down(found.since, &words)
    }

    /// Takes in a look that found the server not up.
    fn look_failed(&mut self, at: At, words: &str) -> Option<LivenessChange> {
        let was = self.state;
        if !self.doubted(at, words) || was != State::Suspect {
            return None;
        }
        let since = self.went().unwrap_or(at);
        let first = self.doubt.as_ref().map_or("", |(_, words)| words.as_str());
        let words = format!("{first}; then {words}");
        self.went_down(since, &words)
    }

    fn went_down(&mut self, since: At, words: &str) -> Option<LivenessChange> {
        if self.state == State::Down {
            return None;
        }
        let evidence = one_line(words, 2 * EVIDENCE_CHARS_MAX);
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
        (self.doubt, self.unwell) = (None, None);
        let was = std::mem::replace(&mut self.state, State::Up);
        let since = self.away.take().unwrap_or(at);
        (was == State::Down).then(|| LivenessChange::CameBack { since, evidence: words.to_owned() })
    }
}

fn is_true(reading: &Reading) -> bool {
    reading.last >= 0.5
}

fn restarted(replaced: Replaced) -> LivenessChange {
    let Replaced { since, until, evidence } = replaced;
    let evidence = one_line(&evidence, EVIDENCE_CHARS_MAX);
    LivenessChange::Restarted { since, until, evidence }
}

/// Whether a request failed in a way that shows a server that does not serve, if others after it do
/// the same.
pub(crate) fn is_failure(request: &Request) -> bool {
    failures::is_failure(request)
}

/// Returns the sign of liveness that the ending of a request gives.
pub(crate) fn sign(request: &Request) -> Sign {
    match request.ended {
        // 200 and no record at all: something answers, and it is no such server.
        Ended::Empty if request.first_byte_us.is_none() => Sign::Bad,
        Ended::Completed | Ended::Short | Ended::NoUsage | Ended::Empty => Sign::Good,
        // The path was there before the load: 404 comes from another server, or of another model.
        Ended::HttpError if request.http_status == Some(404) => Sign::Bad,
        Ended::HttpError if request.http_status.is_some_and(|status| status < 500) => Sign::Good,
        Ended::Abandoned | Ended::Cut => Sign::None,
        Ended::HttpError
        | Ended::Unreachable
        | Ended::Refused
        | Ended::Reset
        | Ended::TimedOut
        | Ended::Stalled
        | Ended::Endless
        | Ended::ErrorFrame
        | Ended::Aborted
        | Ended::Truncated
        | Ended::Malformed => Sign::Bad,
    }
}

#[cfg(test)]
mod tests;
