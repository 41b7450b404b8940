//! Decides when and why a run ends, and what it still waits for.

use super::{Conductor, Order, PROBE_LIMIT_US, RunState};
use crate::fact::{Closed, ClosedBecause, Fact, Phase, PhaseBegan};
use crate::spec::Extent;
use crate::unit::{At, micros, span};

/// Longest wait for requests in flight after an interrupt, microseconds: Ctrl-C should not wait
/// for a prefill of minutes.
const DRAIN_US_MAX: u64 = 60_000_000;
/// Time that the run stays open after the last reading was ordered, microseconds, for the sensors'
/// results.
const SETTLE_US: u64 = 1_000_000;

/// Longest wait after the last reading for what a probe shows of a server that it left suspect,
/// microseconds: the probe's own limits.
const SUSPECT_US: u64 = 2 * PROBE_LIMIT_US;

/// Reason for the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub because: ClosedBecause,
    pub note: String,
    /// Whether connections in flight are closed at once.
    pub at_once: bool,
}

/// State of the drain: nothing new is sent, requests in flight may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draining {
    from: At,
    /// Whether the connections in flight were closed.
    cut: bool,
    /// Instant at which the last readings were ordered; nothing was in flight then.
    looked: Option<At>,
}

impl Draining {
    /// Returns a drain that begins at this instant.
    pub(super) fn new(from: At) -> Draining {
        Draining { from, cut: false, looked: None }
    }
}

impl Ending {
    /// Returns an ending that waits for the requests in flight.
    pub(super) fn new(because: ClosedBecause, note: impl Into<String>) -> Ending {
        Ending { because, note: note.into(), at_once: false }
    }
}

impl Conductor {
    pub(super) fn stop(&mut self, because: ClosedBecause, note: String) {
        self.stop.get_or_insert(Ending::new(because, note));
    }

    /// Makes the ending close the connections in flight at once.
    pub(super) fn hang_up(&mut self) {
        if let Some(ending) = &mut self.stop {
            ending.at_once = true;
        }
        if let RunState::Drain(draining) = &mut self.doing {
            draining.cut = false;
        }
    }

    /// Records that the connections in flight were closed.
    pub(super) fn was_cut(&mut self) {
        if let RunState::Drain(draining) = &mut self.doing {
            draining.cut = true;
        }
    }

    /// Records that the last readings were ordered.
    pub(super) fn looked(&mut self, at: At) {
        if let RunState::Drain(draining) = &mut self.doing {
            draining.looked = Some(at);
        } else if let Some(ending) = self.ending(at) {
            // Before the load there is no phase to drain.
            self.doing = RunState::Drain(Draining { looked: Some(at), ..Draining::new(at) });
            self.stop = Some(ending);
        }
    }

    /// Returns why the run ends, if it ends at this instant.
    pub(super) fn ending(&self, now: At) -> Option<Ending> {
        let done = || self.laps_done(now).map(|note| Ending::new(ClosedBecause::Done, note));
        self.stop.clone().or_else(|| self.limit(now)).or_else(done)
    }

    /// Returns the ending where the duration is over, an outage is too long, requests fail for as long, or all outages
    /// together took too much time.
    fn limit(&self, now: At) -> Option<Ending> {
        let away_us = self.clock.away_us(now);
        let failing_us = self.server.failing_us(now);
        let longest_us = micros(self.plan.limits.away);
        let too_long = away_us.max(failing_us) > longest_us;
        let out_of_time = match self.plan.extent {
            Extent::Duration(duration) => {
                self.clock.spent_us(now) > micros(duration) / 4 * 5
                    && self.clock.away_all_us(now) > micros(duration) / 4
            }
            Extent::Laps(_) => false,
        };
        let ending = if self.is_past(now) {
            Ending::new(ClosedBecause::Done, "the duration is over")
        } else if too_long {
            let note = if away_us > longest_us {
                format!("away for {}", span(away_us as f64 / 1e6))
            } else {
                format!("no request was answered for {}", span(failing_us as f64 / 1e6))
            };
            Ending::new(ClosedBecause::Away, note)
        } else if out_of_time {
            let note = "a quarter of the duration was added, and outages took more";
            Ending::new(ClosedBecause::OutOfTime, note)
        } else {
            return None;
        };
        Some(Ending { at_once: too_long || out_of_time && away_us > 0, ..ending })
    }

    /// Returns the next order until the run is closed.
    pub(super) fn wind_down(&self, now: At, ending: Ending) -> Option<Order> {
        let Ending { because, note, at_once } = ending;
        let draining = match &self.doing {
            RunState::Closed => return None,
            RunState::Before => return Some(Order::LastLook),
            RunState::Load(_) | RunState::Drill(_) => {
                let because = because.plain().to_owned();
                return Some(Order::Record(Fact::Phase(PhaseBegan {
                    phase: Phase::Drain,
                    because,
                })));
            }
            RunState::Drain(draining) => draining,
        };
        if self.lanes.has_in_flight() {
            // After a finished plan, a request may still take as long as its time limits allow.
            let patience_us = match because {
                ClosedBecause::Done => {
                    micros(self.plan.limits.longest_answer(self.plan.output_max()))
                }
                _ => DRAIN_US_MAX,
            };
            let late = now.since(draining.from) > patience_us;
            let word = if at_once { because.plain() } else { "drain" };
            return (!draining.cut && (at_once || late)).then_some(Order::Cut(word));
        }
        let Some(looked) = draining.looked else { return Some(Order::LastLook) };
        let waits = because != ClosedBecause::InterruptedTwice && self.clock.has_begun();
        let is_suspect = waits && !at_once && self.server.is_suspect();
        if is_suspect && self.server.is_probe_due(now) {
            return Some(Order::Probe);
        }
        let wait_us = if is_suspect { SUSPECT_US } else { SETTLE_US };
        if waits && now.since(looked) < wait_us {
            return None;
        }
        if let Some(batch) = self.policy.finished_batch(&self.lanes) {
            return Some(Order::Record(Fact::Batch(batch)));
        }
        Some(Order::Record(Fact::Closed(Closed { because, note })))
    }
}
