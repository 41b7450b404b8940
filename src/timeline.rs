//! Provides the clock of a run. tokio's clock is read here and nowhere else, so
//! that a rehearsal can run on a paused clock. The wall clock is anchored once;
//! the run records its later drift.

#![allow(clippy::disallowed_methods)] // This is the one place where clocks are read.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::unit::{At, micros};

/// Largest delay of a timer that is none.
const PUNCTUAL: Duration = Duration::from_millis(10);
/// Bound on how often a deadline is put off.
const PUT_OFF_MAX: usize = 3;

/// Waits that follow each other. A deadline that passes between two of them, or that a wait outlived,
/// is put off too, if longhaul itself stood still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    timeline: Timeline,
    /// Last instant at which longhaul is known to have gone on.
    alive: At,
    /// Earliest deadline of the next wait.
    not_before: At,
}

impl Waits {
    /// Returns waits that begin at an instant.
    pub(crate) fn begin(timeline: Timeline, at: At) -> Waits {
        Waits { timeline, alive: at, not_before: At::ZERO }
    }

    /// Returns the result of `work`, or `None` if it is not complete by `deadline`.
    pub(crate) async fn before<T>(
        &mut self,
        deadline: At,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        self.stood_still(self.alive);
        let deadline = deadline.max(self.not_before);
        let result = self.timeline.before(deadline, work).await;
        self.stood_still(deadline);
        result
    }

    /// Puts the next deadline off by the time since an instant at which this should have gone on.
    fn stood_still(&mut self, since: At) {
        self.alive = self.timeline.now();
        let late = Duration::from_micros(self.alive.since(since));
        if late > PUNCTUAL {
            self.not_before = self.not_before.max(self.alive.after(late));
        }
    }
}

/// Clock of one segment: monotonic offsets from an anchor whose wall time is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline {
    anchor: Instant,
    wall: SystemTime,
}

impl Timeline {
    /// Anchors a timeline now, on the real wall clock.
    pub(crate) fn start() -> Timeline {
        Timeline { anchor: Instant::now(), wall: SystemTime::now() }
    }

    /// Anchors a timeline now with `wall` as its wall time, for runs in virtual time.
    pub(crate) fn start_at(wall: SystemTime) -> Timeline {
        Timeline { anchor: Instant::now(), wall }
    }

    /// Returns the present instant.
    pub(crate) fn now(&self) -> At {
        At(micros(self.anchor.elapsed()))
    }

    /// Returns the instant on this timeline for one of another; an instant before the anchor
    /// becomes the anchor.
    pub(crate) fn here(&self, theirs: &Timeline, at: At) -> At {
        let later = theirs.anchor.saturating_duration_since(self.anchor);
        let earlier = self.anchor.saturating_duration_since(theirs.anchor);
        At((at.0 + micros(later)).saturating_sub(micros(earlier)))
    }

    /// Returns the wall time of the anchor, microseconds since 1970.
    pub(crate) fn wall_us(&self) -> u64 {
        micros(self.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }

    /// Reads the wall clock, microseconds since 1970.
    pub(crate) fn wall_now_us() -> u64 {
        micros(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }

    /// Waits until an instant; returns at once if it has passed.
    pub(crate) async fn until(&self, at: At) {
        tokio::time::sleep_until(self.anchor + Duration::from_micros(at.0)).await;
    }

    /// Returns the result of `work`, or `None` if it is not complete by `deadline`. A deadline that
    /// passed while longhaul itself stood still is put off by as long: the result may be there, and
    /// not read yet.
    pub(crate) async fn before<T>(&self, deadline: At, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        let mut deadline = self.anchor + Duration::from_micros(deadline.0);
        for _ in 0..PUT_OFF_MAX {
            let began = Instant::now();
            if let Ok(result) = tokio::time::timeout_at(deadline, &mut work).await {
                return Some(result);
            }
            let late = deadline.elapsed();
            if late <= PUNCTUAL || deadline <= began {
                return None;
            }
            deadline = Instant::now() + late;
        }
        tokio::time::timeout_at(deadline, work).await.ok()
    }
}

/// Writes a wall time as `2026-05-13T03:47:42.125Z`.
pub(crate) fn wall_text(wall_us: u64) -> String {
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + Duration::from_micros(wall_us))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_passes_an_hour_unseen() {
        let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH);
        timeline.until(At(3_600_000_000)).await;
        assert_eq!(timeline.now(), At(3_600_000_000));
        assert_eq!(timeline.before(At(3_601_000_000), std::future::pending::<()>()).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_passes_in_a_standstill_is_put_off_and_one_that_has_passed_is_not() {
        let timeline = Timeline::start();
        let work = async {
            timeline.until(At(600_000)).await;
            7
        };
        let stopped = async {
            tokio::time::advance(Duration::from_millis(500)).await;
            std::future::pending::<()>().await;
        };
        tokio::select! { biased;
            found = timeline.before(At(100_000), work) => assert_eq!(found, Some(7)),
            () = stopped => {}
        }
        let now = timeline.now();
        assert_eq!(timeline.before(At(1), std::future::pending::<()>()).await, None);
        assert!(timeline.now().since(now) <= 2_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_after_a_standstill_has_a_deadline_that_has_not_passed() {
        let timeline = Timeline::start();
        let mut waits = Waits::begin(timeline, timeline.now());
        assert_eq!(waits.before(At(5_000_000), std::future::ready(1)).await, Some(1));
        tokio::time::advance(Duration::from_secs(8)).await;
        let soon = async {
            timeline.until(At(8_001_000)).await;
            2
        };
        assert_eq!(waits.before(At(5_000_000), soon).await, Some(2), "stopped between two waits");
        let mut waits = Waits::begin(timeline, timeline.now());
        let never = std::future::pending::<()>;
        assert_eq!(waits.before(At(9_000_000), never()).await, None);
        assert!(timeline.now().0 <= 9_002_000, "nothing stood still");
    }

    #[tokio::test(start_paused = true)]
    async fn an_instant_of_one_timeline_is_found_on_another() {
        let first = Timeline::start();
        first.until(At(5)).await;
        first.until(At(2_000_000)).await;
        let second = Timeline::start();
        assert_eq!(first.here(&second, At(7)), At(2_000_007));
        assert_eq!(second.here(&first, At(2_000_007)), At(7));
        assert_eq!(second.here(&first, At(7)), At::ZERO);
    }

    #[test]
    fn wall_time_is_written_in_utc() {
        assert_eq!(wall_text(1_778_644_062_716_000), "2026-05-13T03:47:42.716Z");
    }
}
