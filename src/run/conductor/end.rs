//! How a run ends: when, why, and what is still waited for.

use super::round::Running;
use super::{Conductor, Order};
use crate::fact::{Closed, ClosedBecause, Fact, Phase, PhaseBegan};
use crate::spec::Extent;
use crate::unit::{At, micros, span};

/// How long requests in flight may take to end after an interrupt; bounds a Ctrl-C that
/// would otherwise wait for a prefill of minutes.
const DRAIN_US_MAX: u64 = 60_000_000;
/// How long the run stays open after the last request: the sensors look once more.
const SETTLE_US: u64 = 1_000_000;
impl Conductor {
    /// Ends the run when the server was away too long or outages took too much of it.
    pub(super) fn notice_limits(&mut self, now: At) {
        if self.stopping.is_some() {
            return; // It ends already, and the drain has a limit of its own.
        }
        let away_us = self.clock.away_us(now);
        if self.is_past(now) {
            self.stop(ClosedBecause::Done, "the duration is over".to_owned());
        }
        if away_us > micros(self.plan.limits.away) {
            self.stop(ClosedBecause::Away, format!("away for {}", span(away_us as f64 / 1e6)));
            self.cut = true;
        }
        if let Extent::Duration(duration) = self.plan.extent
            && self.clock.spent_us(now) > micros(duration) / 4 * 5
            && self.clock.away_all_us(now) > micros(duration) / 4
        {
            self.stop(
                ClosedBecause::OutOfTime,
                "a quarter of the duration was added, and outages took more".to_owned(),
            );
            self.cut |= away_us > 0;
        }
    }

    /// What is to be done until the run is closed.
    pub(super) fn wind_down(
        &mut self,
        now: At,
        because: ClosedBecause,
        note: String,
    ) -> Option<Order> {
        let out = self.running.as_ref().is_some_and(Running::is_out);
        if out && self.cut {
            self.cut = false;
            return Some(Order::Cut(why(because)));
        }
        if self.phase.is_some_and(|phase| phase != Phase::Drain) {
            return Some(Order::Record(Fact::Phase(PhaseBegan {
                phase: Phase::Drain,
                because: why(because).to_owned(),
            })));
        }
        if out {
            // After the plan, a request may still use the time that it has for its first token.
            let patience_us = match because {
                ClosedBecause::Done => {
                    micros(self.plan.limits.first_token + self.plan.limits.stall)
                }
                _ => DRAIN_US_MAX,
            };
            if self.drain_from.is_some_and(|from| now.since(from) > patience_us) {
                self.drain_from = None;
                return Some(Order::Cut("drain"));
            }
            return None;
        }
        let Some(idle_from) = self.idle_from else {
            self.idle_from = Some(now);
            return Some(Order::LastLook);
        };
        let at_once = because == ClosedBecause::InterruptedTwice || self.phase.is_none();
        if now.since(idle_from) < SETTLE_US && !at_once {
            return None;
        }
        if let Some(running) = self.running.take()
            && running.sent_any()
        {
            return Some(Order::Record(Fact::Batch(running.batch())));
        }
        Some(Order::Record(Fact::Closed(Closed { because, note })))
    }
}

fn why(because: ClosedBecause) -> &'static str {
    match because {
        ClosedBecause::Done => "the plan is carried out",
        ClosedBecause::Interrupted | ClosedBecause::InterruptedTwice => "interrupted",
        ClosedBecause::StopOnFail => "a gate is broken",
        ClosedBecause::Away => "the server is away",
        ClosedBecause::Gone => "the server is gone",
        ClosedBecause::OutOfTime => "outages used up the time",
        ClosedBecause::NeverAnswered | ClosedBecause::NeverReady => "the server never answered",
        ClosedBecause::Fault => "longhaul failed",
    }
}
