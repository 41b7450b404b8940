//! Looks at what a sensor sees, again and again, folds what it saw over ten
//! seconds, and says when it could not look. What may be a sign of death is
//! told at once, and so is a line of a log. Around an incident rows are a second
//! each: those of the minute before it are handed over when it is known.

mod fold;
mod ring;

use std::time::Duration;

use tokio::sync::mpsc;

use fold::IntervalFold;
use ring::{AROUND_US, Ring, SECOND_US};

use super::Heard;
use crate::bell::Bell;
use crate::fact::{Fact, Missed, MissedReason};
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Look, Sensor};

/// The interval of a row.
const FOLD_US: u64 = 10_000_000;
/// A look that takes longer is a miss: bounds a sensor that blocks for minutes.
const LOOK: Duration = Duration::from_secs(10);
/// The same for the look at the end, for which the run waits.
const LAST_LOOK: Duration = Duration::from_millis(800);

/// What the run rings for all who look.
#[derive(Clone)]
pub(super) struct Bells {
    /// It drains: a last look.
    pub draining: Bell<bool>,
    /// Something befell the server, at this instant.
    pub alarm: Bell<Option<At>>,
}

/// The run no longer listens.
struct Gone;

/// Looks until the run drains; then once more, so that nothing up to its end is missing.
pub(super) async fn watch(
    sensor: Box<dyn Sensor>,
    timeline: Timeline,
    facts: mpsc::Sender<Heard>,
    bells: Bells,
) {
    let due = timeline.now();
    let ring = Ring::new(sensor.source());
    let mut watching = Watching {
        fold: IntervalFold::new(sensor.source()),
        sensor,
        timeline,
        facts,
        ring,
        missed: None,
        due,
        told: None,
        seen: due,
        alarmed: None,
    };
    // It ends with the run, whose facts nobody takes any more.
    let _ = watching.go_on(&bells).await;
}

struct Watching {
    sensor: Box<dyn Sensor>,
    timeline: Timeline,
    facts: mpsc::Sender<Heard>,
    fold: IntervalFold,
    ring: Ring,
    missed: Option<Missed>,
    due: At,
    /// The first look is told at once: it covers the time before the first whole interval.
    told: Option<At>,
    /// When something was seen last: a look that got no answer is no sign of life.
    seen: At,
    /// The newest incident that was heard of.
    alarmed: Option<At>,
}

impl Watching {
    async fn go_on(&mut self, bells: &Bells) -> Result<(), Gone> {
        loop {
            let alarmed = self.alarmed;
            let last = tokio::select! { biased;
                () = self.timeline.until(self.due) => false,
                _ = bells.draining.until(|draining| *draining) => true,
                alarm = bells.alarm.until(|alarm| *alarm > alarmed) => {
                    self.alarmed = alarm;
                    for (at, reading) in self.ring.hand_over() {
                        self.tell(at, Fact::Reading(reading)).await?;
                    }
                    continue;
                }
            };
            let limit = if last { LAST_LOOK } else { LOOK };
            let deadline = self.timeline.now().after(limit);
            let looked = self.timeline.before(deadline, self.sensor.look()).await;
            let now = self.timeline.now();
            let due = self.due;
            self.due = next(due, now, self.sensor.cadence_us());
            let urgent = match looked {
                Some(Ok(look)) => self.handle(look, due, now).await?,
                Some(Err(why)) => self.miss(MissedReason::Unreadable, why),
                None => self.miss(MissedReason::NoAnswer, "no answer in time".to_owned()),
            };
            if urgent || last || self.is_full(now) {
                self.close(now).await?;
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Takes what was seen; true if something of it may be a sign of death.
    async fn handle(&mut self, look: Look, due: At, now: At) -> Result<bool, Gone> {
        self.seen = look.at.unwrap_or(now);
        for (at, said) in look.said {
            self.tell(at, Fact::Said(said)).await?;
        }
        // Only sensors that read every second keep single seconds; rows of slower ones hold all.
        if self.is_fine(now) {
            self.ring.clear();
        } else if self.sensor.cadence_us() <= SECOND_US {
            self.ring.push(self.seen, &look.samples, (due, self.due));
        }
        Ok(self.fold.fold(look.samples))
    }

    /// Adds to the misses of this interval; never urgent.
    fn miss(&mut self, reason: MissedReason, why: String) -> bool {
        let times = self.missed.as_ref().map_or(0, |missed| missed.times) + 1;
        let missed = Missed::once(self.sensor.source(), self.sensor.what(), reason, why);
        self.missed = Some(Missed { times, ..missed });
        false
    }

    /// Whether an incident is so near that every second is told.
    fn is_fine(&self, now: At) -> bool {
        self.alarmed.is_some_and(|alarmed| now.since(alarmed) <= AROUND_US)
    }

    /// Whether the next look would come too late for this interval.
    fn is_full(&self, now: At) -> bool {
        // Misses say the same each time: a row an interval is enough.
        let fine = self.is_fine(now) && self.missed.is_none();
        let fold_us = if fine { SECOND_US } else { FOLD_US };
        self.told.is_none_or(|told| self.due.since(told) > fold_us)
    }

    async fn close(&mut self, now: At) -> Result<(), Gone> {
        self.told = Some(now);
        for reading in self.fold.close() {
            self.tell(self.seen, Fact::Reading(reading)).await?;
        }
        match self.missed.take() {
            Some(missed) => self.tell(now, Fact::Missed(missed)).await,
            None => Ok(()),
        }
    }

    async fn tell(&self, at: At, fact: Fact) -> Result<(), Gone> {
        self.facts.send(Heard::Fact(at, fact)).await.map_err(|_| Gone)
    }
}

/// The next look: on the sensor's own grid, without catching up on looks that were missed.
fn next(due: At, now: At, cadence_us: u64) -> At {
    let behind = now.since(due) / cadence_us.max(1);
    At(due.0 + (behind + 1) * cadence_us.max(1))
}

#[cfg(test)]
mod tests;
