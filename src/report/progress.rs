//! Formats the progress of a run in one line: a fold of the entries that the journal gets, so that
//! both show the same.

use std::collections::VecDeque;

use crate::analysis::CalendarFold;
use crate::escape::one_line;
use crate::fact::{Cell, Entry, Fact, PAUSE, Phase, Segment};
use crate::incident::State;
use crate::spec::Extent;
use crate::unit::{At, figures, grouped, micros, span};

use super::layout::fitted;
use super::words::counted;

/// Bound on the answers whose tokens make the shown rate.
const RECENT_MAX: usize = 32;

/// Age beyond which answers are not in the rate, microseconds.
const RECENT_US: u64 = 300_000_000;

/// Requests that failed one after the other from which on the line says how.
const FAILED_MIN: u64 = 3;

/// Longest words of a failure in the line, characters.
const FAILURE_CHARS_MAX: usize = 60;

#[derive(Clone, Debug)]
pub(crate) struct StatusLine {
    extent: Extent,
    simulated: bool,
    pass: CalendarFold,
    segment: Segment,
    phase: Option<Phase>,
    cell: Option<Cell>,
    lap: u64,
    /// Time sent, time done, tokens.
    recent: VecDeque<(At, At, u64)>,
    good: u64,
    bad: u64,
    /// Requests that failed since the last that was answered, and how the last of them did.
    failed: u64,
    failure: String,
    /// Whether lanes wait after requests that failed at once.
    paused: bool,
}

impl StatusLine {
    /// Returns the state before the first entry of a run of this extent.
    pub(crate) fn new(extent: Extent) -> StatusLine {
        StatusLine {
            extent,
            simulated: false,
            pass: CalendarFold::default(),
            segment: 0,
            phase: None,
            cell: None,
            lap: 0,
            recent: VecDeque::new(),
            good: 0,
            bad: 0,
            failed: 0,
            failure: String::new(),
            paused: false,
        }
    }

    /// Folds an entry.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        self.pass.fold(entry);
        if entry.segment != self.segment {
            self.segment = entry.segment;
            self.recent.clear();
        }
        match &entry.fact {
            Fact::Opened(opened) => self.simulated = opened.simulated,
            Fact::Action(action) if action.what == PAUSE => self.paused = true,
            Fact::Phase(began) => self.phase = Some(began.phase),
            Fact::Request(request) => {
                self.cell = Some(request.cell);
                self.lap = request.lap;
                self.paused &= !request.ended.is_good();
                self.good += u64::from(request.ended.is_good());
                self.bad += u64::from(request.ended.is_bad());
                if request.ended.is_good() {
                    self.failed = 0;
                } else if request.ended.is_bad() {
                    self.failed += 1;
                    self.failure = one_line(&request.failure(), FAILURE_CHARS_MAX);
                }
                if self.recent.len() == RECENT_MAX {
                    self.recent.pop_front();
                }
                let tokens = request.output_tokens.unwrap_or(0);
                self.recent.push_back((request.sent, request.done, tokens));
            }
            _ => {}
        }
    }

    /// Returns the line, at most `width` columns.
    pub(crate) fn line(&self, now: At, width: usize) -> String {
        let mut parts = vec![self.place()];
        // The most important parts come first: a narrow terminal cuts the end.
        let bad = match self.bad {
            0 => "no errors".to_owned(),
            bad => counted(bad, "error", "errors"),
        };
        parts.push(format!("{} ok, {bad}", grouped(self.good as f64)));
        parts.push(self.server(now));
        if self.failed >= FAILED_MIN {
            parts.push(format!("the last {} failed: {}", self.failed, self.failure));
        } else if self.paused && self.state() != State::Down {
            parts.push("requests fail at once, lanes wait".to_owned());
        }
        parts.extend(self.time(now));
        parts.extend(self.rate(now).map(|rate| format!("{} tok/s", figures(rate))));
        let label = if self.simulated { "SIMULATED " } else { "" };
        fitted(&one_line(&format!("{label}{}", parts.join(" · ")), usize::MAX), width)
    }

    fn place(&self) -> String {
        let phase = self.phase.map_or("starting", Phase::word);
        let lap = match (self.extent, self.phase) {
            (Extent::Laps(laps), Some(phase)) if phase.is_steady() => {
                format!(" lap {} of {laps}", (self.lap + 1).min(laps))
            }
            _ => String::new(),
        };
        let cell =
            self.cell.map_or(String::new(), |cell| format!(" d{} {}", cell.depth, cell.load));
        format!("{phase}{lap}{cell}")
    }

    /// Returns the time under load, and the rest of it.
    fn time(&self, now: At) -> Option<String> {
        self.phase?;
        let calendar = self.pass.finish();
        let mut spent_us = calendar.spent_us(|phase| phase != Phase::Drain);
        if self.state() != State::Down && self.phase != Some(Phase::Drain) {
            spent_us += now.since(calendar.end(self.segment));
        }
        let spent = span(spent_us as f64 / 1e6);
        Some(match self.extent {
            Extent::Duration(duration) if self.phase != Some(Phase::Drain) => {
                let left_us = micros(duration).saturating_sub(spent_us);
                format!("{spent}, {} left", span(left_us as f64 / 1e6))
            }
            _ => spent,
        })
    }

    /// Returns output tokens per second of the latest answers, prefill included.
    fn rate(&self, now: At) -> Option<f64> {
        let recent = || self.recent.iter().filter(|(_, done, _)| now.since(*done) <= RECENT_US);
        let sent = recent().map(|(sent, ..)| *sent).min()?;
        let tokens: u64 = recent().map(|(.., tokens)| tokens).sum();
        let span_us = now.since(sent);
        (span_us > 0 && tokens > 0).then(|| tokens as f64 / (span_us as f64 / 1e6))
    }

    fn state(&self) -> State {
        self.pass.liveness().state()
    }

    fn server(&self, now: At) -> String {
        let liveness = self.pass.liveness();
        match (liveness.state(), liveness.since()) {
            (State::Up, _) => "server up".to_owned(),
            (State::Suspect, None) => "server not seen yet".to_owned(),
            (state, since) => {
                let since = since.map_or(0.0, |since| now.since(since) as f64 / 1e6);
                format!("server {} for {}", state.word(), span(since))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::fact::{Action, Ended};
    use crate::incident::fixture::Story;
    use std::time::Duration;

    fn progress(story: &Story) -> StatusLine {
        let mut progress = StatusLine::new(Extent::Duration(Duration::from_secs(60)));
        story.entries.iter().for_each(|entry| progress.fold(entry));
        progress
    }

    #[test]
    fn the_line_says_where_the_run_is() {
        let mut story = Story::soaking();
        story.goods(10.0, 5, 4096);
        assert_snapshot!(progress(&story).line(Story::at(20.0), 120), @"SIMULATED soak d4096 c1 · 6 ok, no errors · server up · 20.0 s, 40.0 s left · 42.7 tok/s");
    }

    #[test]
    fn lanes_that_wait_are_told_until_a_request_is_answered() {
        let mut story = Story::soaking();
        let action = Action { id: 1, what: PAUSE.to_owned(), note: "why".to_owned() };
        story.push(20.0, Fact::Action(action));
        assert_snapshot!(progress(&story).line(Story::at(21.0), 200), @"SIMULATED soak d0 c1 · 1 ok, no errors · server up · requests fail at once, lanes wait · 21.0 s, 39.0 s left · 6.74 tok/s");
        story.good(22.0, 0);
        assert_snapshot!(progress(&story).line(Story::at(23.0), 200), @"SIMULATED soak d0 c1 · 2 ok, no errors · server up · 23.0 s, 37.0 s left · 12.2 tok/s");
    }

    #[test]
    fn requests_that_all_fail_are_told_with_how_they_fail() {
        let mut story = Story::soaking();
        for nth in 0..3 {
            story.bad(20.0 + f64::from(nth), 0, Ended::HttpError, "busy");
        }
        assert_snapshot!(progress(&story).line(Story::at(25.0), 200), @"SIMULATED soak d0 c1 · 1 ok, 3 errors · server suspect for 22.0 s · the last 3 failed: http error 500 busy · 25.0 s, 35.0 s left · 5.57 tok/s");
        story.good(26.0, 0);
        assert_snapshot!(progress(&story).line(Story::at(28.0), 200), @"SIMULATED soak d0 c1 · 2 ok, 3 errors · server up · 28.0 s, 32.0 s left · 9.85 tok/s");
    }

    #[test]
    fn time_without_the_server_does_not_pass() {
        let mut story = Story::soaking();
        story.good(19.0, 0).bad(21.0, 0, Ended::Refused, "refused").up(22.0, false);
        assert_snapshot!(progress(&story).line(Story::at(50.0), 200), @"SIMULATED soak d0 c1 · 2 ok, 1 error · server down for 30.0 s · 20.0 s, 40.0 s left · 5.33 tok/s");
    }

    #[test]
    fn lanes_that_wait_are_not_told_of_a_server_that_is_down() {
        let mut story = Story::soaking();
        let action = Action { id: 1, what: PAUSE.to_owned(), note: "why".to_owned() };
        story.push(20.0, Fact::Action(action));
        story.bad(21.0, 0, Ended::Refused, "refused").up(22.0, false);
        assert_snapshot!(progress(&story).line(Story::at(50.0), 200), @"SIMULATED soak d0 c1 · 1 ok, 1 error · server down for 47.0 s · 3.00 s, 57.0 s left · 2.67 tok/s");
    }

    #[test]
    fn the_line_is_no_longer_than_asked() {
        let mut story = Story::soaking();
        story.goods(10.0, 5, 4096);
        assert_eq!(progress(&story).line(Story::at(20.0), 40).chars().count(), 40);
    }
}
