//! Decides how long a lane of a closed loop waits after requests that failed at once, which
//! otherwise would be sent as fast as the server refuses them.

use crate::fact::{Ended, Request};
use crate::unit::{At, span};

/// First and longest wait, microseconds.
const WAIT_US: (u64, u64) = (250_000, 5_000_000);

/// Longest wait that a server may ask for, microseconds.
const ASKED_US_MAX: u64 = 30_000_000;

/// Time within which a request fails at once, microseconds.
const AT_ONCE_US: u64 = 500_000;

/// Number of failures in a row, and length of a wait in microseconds, from which on pauses are
/// reported. A single failure is reported as a failure only.
const REPORTED_FROM: (u32, u64) = (2, 1_000_000);

/// Pause of a lane.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pause {
    /// Failures at once since the last answer.
    failures: u32,
    wait_us: u64,
    until: At,
}

impl Pause {
    /// Records that a request of the lane ended. Returns whether it makes the lane wait.
    pub(super) fn ended(&mut self, request: &Request) -> bool {
        if request.ended.is_good() || request.ended == Ended::NoUsage {
            *self = Pause::default();
        }
        let is_refused = fails_at_once(request);
        if is_refused {
            self.failures = self.failures.saturating_add(1);
            let doublings = (self.failures - 1).min(WAIT_US.1.ilog2());
            let own_us = (WAIT_US.0 << doublings).min(WAIT_US.1);
            let asked_us = request.retry_after_us.unwrap_or(0).min(ASKED_US_MAX);
            self.wait_us = own_us.max(asked_us);
            self.until = At(request.done.0.saturating_add(self.wait_us));
        }
        is_refused
    }

    /// Returns the instant until which the lane waits.
    pub(super) fn until(&self) -> At {
        self.until
    }

    /// Whether the lane waits since its last answer.
    pub(super) fn goes_on(&self) -> bool {
        self.failures > 0
    }

    /// Whether the pause is to be reported.
    pub(super) fn is_told(&self) -> bool {
        self.failures >= REPORTED_FROM.0 || self.wait_us >= REPORTED_FROM.1
    }
}

/// Describes the pauses after a failed request.
pub(super) fn words(request: &Request) -> String {
    let (first, longest) = (span(WAIT_US.0 as f64 / 1e6), span(WAIT_US.1 as f64 / 1e6));
    let asked = match request.retry_after_us {
        Some(us) if us > ASKED_US_MAX => {
            let (asked, most) = (span(us as f64 / 1e6), span(ASKED_US_MAX as f64 / 1e6));
            format!(", or {most} of the {asked} that the server asks for,")
        }
        Some(us) => format!(", or the {} that the server asks for,", span(us as f64 / 1e6)),
        None => String::new(),
    };
    let failure = request.failure();
    format!("lanes wait {first} to {longest}{asked} after requests that fail at once: {failure}")
}

/// Whether a request failed at once, could not be sent at all, or with a wait that the server asks for.
fn fails_at_once(request: &Request) -> bool {
    let at_once = request.done.since(request.sent) < AT_ONCE_US;
    let is_bad = request.ended.is_bad() && request.ended != Ended::NoUsage;
    (is_bad || request.is_unsent()) && (at_once || request.retry_after_us.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Class, Phase, Stage};

    fn request(ended: Ended, sent: u64, lasted_us: u64) -> Request {
        let cell = "d0/c1/p8/o2".parse().unwrap();
        let (sent, done) = (At(sent), At(sent + lasted_us));
        Request {
            done,
            ended,
            stage: Stage::Headers,
            ..Request::unanswered(Phase::Soak, "ladder", Class::Cold, cell, sent)
        }
    }

    fn wait_us(pause: &mut Pause, request: &Request) -> u64 {
        assert!(pause.ended(request));
        pause.until().since(request.done)
    }

    #[test]
    fn the_wait_doubles_up_to_its_bound_and_an_answer_resets_it() {
        let mut pause = Pause::default();
        let waits: Vec<u64> = (0..40)
            .map(|_| wait_us(&mut pause, &request(Ended::HttpError, 7, 1_000)) / 1000)
            .collect();
        assert_eq!(waits[..6], [250, 500, 1_000, 2_000, 4_000, 5_000]);
        assert!(waits[6..].iter().all(|wait| *wait == 5_000), "{waits:?}");
        assert!(!pause.ended(&request(Ended::Short, 9, 1_000)) && !pause.goes_on());
        assert_eq!(wait_us(&mut pause, &request(Ended::Reset, 7, 1_000)), 250_000);
    }

    #[test]
    fn a_request_that_this_machine_could_not_send_makes_its_lane_wait_too() {
        let unsent = Request { stage: Stage::Connect, ..request(Ended::Cut, 7, 10) };
        let mut pause = Pause::default();
        assert_eq!(wait_us(&mut pause, &unsent), 250_000);
        assert_eq!(wait_us(&mut pause, &unsent), 500_000);
    }

    #[test]
    fn what_the_server_asks_for_is_kept_within_a_bound() {
        for (asked_us, kept_us) in
            [(0, 250_000), (2_000_000, 2_000_000), (3_600_000_000, 30_000_000)]
        {
            let refused =
                Request { retry_after_us: Some(asked_us), ..request(Ended::HttpError, 7, 900_000) };
            assert_eq!(wait_us(&mut Pause::default(), &refused), kept_us);
        }
    }

    #[test]
    fn a_failure_that_took_its_time_and_what_longhaul_ended_itself_are_no_reason_to_wait() {
        for (ended, lasted_us) in [
            (Ended::TimedOut, 20_000_000),
            (Ended::HttpError, 600_000),
            (Ended::Cut, 10),
            (Ended::Abandoned, 10),
            (Ended::NoUsage, 10),
        ] {
            let mut pause = Pause::default();
            assert!(!pause.ended(&request(ended, 0, lasted_us)) && !pause.goes_on(), "{ended:?}");
        }
    }

    #[test]
    fn the_words_say_why_and_how_long() {
        let refused = Request {
            http_status: Some(429),
            error: "slow down".to_owned(),
            retry_after_us: Some(60_000_000),
            ..request(Ended::HttpError, 0, 10)
        };
        assert_eq!(
            words(&refused),
            "lanes wait 250 ms to 5.00 s, or 30.0 s of the 1 m 00 s that the server asks for, after requests that fail at once: http error 429 slow down"
        );
    }
}
