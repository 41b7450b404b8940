//! Reads a sensor at its cadence, folds ten seconds into a row, and records
//! when a reading failed. Signs of a crash and log lines are recorded at once.
//! Around an incident there is a row every second; those of the minute before
//! it are written when the incident is detected.

mod fold;
mod ring;

use std::time::Duration;

use tokio::sync::mpsc;

use fold::IntervalFold;
use ring::{AROUND_US, Ring, SECOND_US};

use super::TaskMessage;
use crate::fact::{Fact, Missed, MissedReason, Source};
use crate::shared_value::SharedValue;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Observation, Sensor};

/// Interval of a row, microseconds.
const FOLD_US: u64 = 10_000_000;
/// Timeout of a reading; bounds a sensor that blocks for minutes.
const LOOK: Duration = Duration::from_secs(10);
/// Timeout of the last reading, for which the run waits.
const LAST_LOOK: Duration = Duration::from_millis(800);

/// Control from the run to the tasks that read sensors.
#[derive(Clone, Default)]
pub(super) struct SensorControl {
    /// Set when the run drains: each sensor is read once more.
    pub draining: SharedValue<bool>,
    /// Instant of the latest incident.
    pub alarm: SharedValue<Option<At>>,
    /// Instant at which the engine was last to be read at once.
    pub engine: SharedValue<Option<At>>,
}

/// Error of a task whose run has ended.
struct RunEnded;

/// Reads a sensor until the run drains, then once more, so that the readings reach to its end.
pub(super) async fn watch(
    sensor: Box<dyn Sensor>,
    timeline: Timeline,
    facts: mpsc::Sender<TaskMessage>,
    control: SensorControl,
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
        reported: None,
        seen: due,
        alarmed: None,
        asked: None,
    };
    // It ends with the run, when facts are no longer received.
    let _ = watching.go_on(&control).await;
}

struct Watching {
    sensor: Box<dyn Sensor>,
    timeline: Timeline,
    facts: mpsc::Sender<TaskMessage>,
    fold: IntervalFold,
    ring: Ring,
    missed: Option<Missed>,
    due: At,
    /// Instant of the last row. The first reading is written at once: it covers the time before
    /// the first whole interval.
    reported: Option<At>,
    /// Instant of the last successful reading.
    seen: At,
    /// Instant of the latest incident that was taken in.
    alarmed: Option<At>,
    /// Instant of the latest call to read at once that was taken in.
    asked: Option<At>,
}

impl Watching {
    async fn go_on(&mut self, control: &SensorControl) -> Result<(), RunEnded> {
        loop {
            let (alarmed, asked) = (self.alarmed, self.asked);
            let is_engine = self.sensor.source() == Source::Engine;
            let (mut last, mut is_early) = (false, false);
            tokio::select! { biased;
                () = self.timeline.until(self.due) => {}
                _ = control.draining.until(|draining| *draining) => last = true,
                asked = control.engine.until(|at| *at > asked), if is_engine => {
                    (self.asked, is_early) = (asked, true);
                }
                alarm = control.alarm.until(|alarm| *alarm > alarmed) => {
                    self.alarmed = alarm;
                    for (at, reading) in self.ring.hand_over() {
                        self.tell(at, Fact::Reading(reading)).await?;
                    }
                    continue;
                }
            }
            let looked = look(&mut *self.sensor, self.timeline, control, last).await;
            // A reading that the end of the run cut short is the last.
            last |= looked.is_none() && control.draining.get();
            let now = self.timeline.now();
            let due = self.due;
            if !is_early {
                self.due = next(due, now, self.sensor.cadence_us());
            }
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

    /// Records a reading. Returns whether it may be a sign of a crash.
    async fn handle(&mut self, look: Observation, due: At, now: At) -> Result<bool, RunEnded> {
        self.seen = look.at.unwrap_or(now);
        for (at, said) in look.said {
            self.tell(at, Fact::Said(said)).await?;
        }
        for seen in look.seen {
            self.tell(self.seen, Fact::Seen(seen)).await?;
        }
        // Only sensors that are read every second keep single seconds; the rows of slower ones
        // hold every reading anyway.
        if self.needs_second_rows(now) {
            self.ring.clear();
        } else if self.sensor.cadence_us() <= SECOND_US {
            self.ring.push(self.seen, &look.samples, (due, self.due));
        }
        Ok(self.fold.fold(look.samples))
    }

    /// Counts a failed reading in this interval; never urgent.
    fn miss(&mut self, reason: MissedReason, why: String) -> bool {
        let times = self.missed.as_ref().map_or(0, |missed| missed.times) + 1;
        let missed = Missed::once(self.sensor.source(), self.sensor.what(), reason, why);
        self.missed = Some(Missed { times, ..missed });
        false
    }

    /// Whether an incident is so recent that every second is written.
    fn needs_second_rows(&self, now: At) -> bool {
        self.alarmed.is_some_and(|alarmed| now.since(alarmed) <= AROUND_US)
    }

    /// Whether the next reading would come too late for this interval.
    fn is_full(&self, now: At) -> bool {
        // Failed readings repeat the same text, so one row per interval is enough.
        let fine = self.needs_second_rows(now) && self.missed.is_none();
        let fold_us = if fine { SECOND_US } else { FOLD_US };
        self.reported.is_none_or(|reported| self.due.since(reported) > fold_us)
    }

    async fn close(&mut self, now: At) -> Result<(), RunEnded> {
        self.reported = Some(now);
        for reading in self.fold.close() {
            self.tell(self.seen, Fact::Reading(reading)).await?;
        }
        match self.missed.take() {
            Some(missed) => self.tell(now, Fact::Missed(missed)).await,
            None => Ok(()),
        }
    }

    async fn tell(&self, at: At, fact: Fact) -> Result<(), RunEnded> {
        self.facts.send(TaskMessage::Fact(at, fact)).await.map_err(|_| RunEnded)
    }
}

/// Takes a reading; `None` where it took too long. While the run drains, it has less time.
async fn look(
    sensor: &mut dyn Sensor,
    timeline: Timeline,
    control: &SensorControl,
    last: bool,
) -> Option<Result<Observation, String>> {
    let deadline = timeline.now().after(if last { LAST_LOOK } else { LOOK });
    let end = async {
        control.draining.until(|draining| *draining).await;
        timeline.until(timeline.now().after(LAST_LOOK)).await;
    };
    tokio::select! { biased;
        looked = timeline.before(deadline, sensor.look()) => looked,
        () = end => None,
    }
}

/// Returns the time of the next reading on the sensor's fixed grid; missed readings are not made
/// up.
fn next(due: At, now: At, cadence_us: u64) -> At {
    let behind = now.since(due) / cadence_us.max(1);
    At(due.0 + (behind + 1) * cadence_us.max(1))
}

#[cfg(test)]
mod tests;
