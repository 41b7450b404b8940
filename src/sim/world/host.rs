//! Simulates the machine that longhaul itself runs on: its disk under the journal, and its wall
//! clock. Its faults are longhaul's and not the server's.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use crate::fact::text::bound;
use crate::fact::{Entry, Seq};
use crate::sim::Ailment;
use crate::sim::ailment::AilmentKind;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Sink, Standstills};

pub(crate) struct SimHost {
    timeline: Timeline,
    seed: u64,
    ailments: Vec<Ailment>,
    troubles: RefCell<HostFaults>,
    standstills: Standstills,
}

/// End of a fault that does not end.
const FOR_EVER: At = At(u64::MAX);

/// Faults of the machine with their times.
#[derive(Default)]
struct HostFaults {
    /// Periods in which the disk accepts no writes.
    stalls: Vec<(At, At)>,
    /// Steps of the wall clock, microseconds.
    steps: Vec<(At, i64)>,
}

impl SimHost {
    /// Creates a machine without faults until the load begins. Uses only those of `ailments` that
    /// affect longhaul's machine.
    pub(crate) fn new(timeline: Timeline, seed: u64, ailments: Vec<Ailment>) -> SimHost {
        SimHost {
            timeline,
            seed,
            ailments,
            troubles: RefCell::default(),
            standstills: Standstills::default(),
        }
    }

    /// Returns the times in which longhaul stands still.
    pub(crate) fn standstills(&self) -> &Standstills {
        &self.standstills
    }

    /// Begins the load, planned to last `planned_us`.
    pub(crate) fn load_began(&self, planned_us: Option<u64>) {
        let began = self.timeline.now();
        let mut troubles = HostFaults::default();
        let mut standstills = Vec::new();
        for (place, ailment) in self.ailments.iter().enumerate() {
            let moments = ailment.moments(began, planned_us, self.seed, place);
            match ailment.kind {
                AilmentKind::SlowDisk { lasts_us } => {
                    let end =
                        |from: At| lasts_us.map_or(FOR_EVER, |us| At(from.0.saturating_add(us)));
                    troubles.stalls.extend(moments.into_iter().map(|from| (from, end(from))));
                }
                AilmentKind::WallClockStep { by_us } => {
                    troubles.steps.extend(moments.into_iter().map(|at| (at, by_us)));
                }
                AilmentKind::LonghaulStops { lasts_us } => {
                    let span = |from: At| (from, At(from.0.saturating_add(lasts_us)));
                    standstills.extend(moments.into_iter().map(span));
                }
                _ => {}
            }
        }
        self.standstills.set(standstills);
        *self.troubles.borrow_mut() = troubles;
    }

    /// Returns the wall time, microseconds since 1970.
    pub(crate) fn wall_us(&self, now: At) -> u64 {
        let troubles = self.troubles.borrow();
        let steps = troubles.steps.iter().filter(|(due, _)| *due <= now).map(|(_, by_us)| by_us);
        let stepped = steps.fold(0i64, |sum, by_us| sum.saturating_add(*by_us));
        (self.timeline.wall_us() + now.0).saturating_add_signed(stepped)
    }

    /// Returns the end of the current disk stall, if there is one.
    fn stalled(&self, now: At) -> Option<At> {
        let troubles = self.troubles.borrow();
        let open = |(from, until): &&(At, At)| *from <= now && now < *until;
        troubles.stalls.iter().find(open).map(|(_, until)| *until)
    }
}

/// A pending write.
enum Job {
    Entry(Arc<Entry>),
    Evidence(Seq, Vec<u8>),
    Log(Vec<u8>),
    Sync,
}

/// Journal on the simulated disk. Writes during a stall are queued up to a limit.
pub(crate) struct Disk<S: Sink> {
    sink: S,
    host: Rc<SimHost>,
    waiting: VecDeque<Job>,
    waiting_max: usize,
    failed: Option<String>,
}

impl<S: Sink> Disk<S> {
    /// Creates the journal; at most `waiting_max` writes may be queued.
    pub(crate) fn new(sink: S, host: Rc<SimHost>, waiting_max: usize) -> Disk<S> {
        Disk { sink, host, waiting: VecDeque::new(), waiting_max, failed: None }
    }

    fn give(&mut self, job: Job) -> Result<(), String> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let given = if self.host.stalled(self.host.timeline.now()).is_none() {
            self.catch_up().and_then(|()| write(&mut self.sink, job))
        } else if self.waiting.len() < self.waiting_max {
            self.waiting.push_back(job);
            Ok(())
        } else {
            Err(format!("the disk is too slow: {} rows wait to be written", self.waiting_max))
        };
        if let Err(words) = &given {
            self.failed = Some(words.clone());
        }
        given
    }

    fn catch_up(&mut self) -> Result<(), String> {
        while let Some(job) = self.waiting.pop_front() {
            write(&mut self.sink, job)?;
        }
        Ok(())
    }
}

fn write<S: Sink>(sink: &mut S, job: Job) -> Result<(), String> {
    match job {
        Job::Entry(entry) => sink.append(Arc::unwrap_or_clone(entry)).map(drop),
        Job::Evidence(seq, frames) => sink.evidence(seq, &frames),
        Job::Log(bytes) => sink.log(&bytes),
        Job::Sync => sink.sync(),
    }
}

impl<S: Sink> Sink for Disk<S> {
    /// An entry that is queued is truncated to its bounds at once, but its secrets are removed only
    /// when it is written. That is safe: the server of a rehearsal is longhaul's own and has none.
    fn append(&mut self, mut entry: Entry) -> Result<Arc<Entry>, String> {
        if self.failed.is_some() || self.host.stalled(self.host.timeline.now()).is_some() {
            bound(&mut entry.fact);
            let entry = Arc::new(entry);
            self.give(Job::Entry(entry.clone()))?;
            return Ok(entry);
        }
        let written = self.catch_up().and_then(|()| self.sink.append(entry));
        self.failed = written.as_ref().err().cloned();
        written
    }

    fn evidence(&mut self, seq: Seq, frames: &[u8]) -> Result<(), String> {
        self.give(Job::Evidence(seq, frames.to_vec()))
    }

    fn log(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.give(Job::Log(bytes.to_vec()))
    }

    fn sync(&mut self) -> Result<(), String> {
        self.give(Job::Sync)
    }

    fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    fn written(&self) -> u64 {
        self.sink.written()
    }

    async fn close(&mut self) -> Result<(), String> {
        let timeline = self.host.timeline;
        while self.failed.is_none()
            && let Some(until) = self.host.stalled(timeline.now())
        {
            if until == FOR_EVER {
                let rows = self.waiting.len();
                self.failed = Some(format!("the disk took nothing more; rows lost: {rows}"));
            } else {
                timeline.until(until).await;
            }
        }
        if self.failed.is_none() {
            self.failed = self.catch_up().err();
        }
        let closed = self.sink.close().await;
        self.failed.take().map_or(closed, Err)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use insta::assert_snapshot;

    use super::*;
    use crate::fact::{Clock, Fact};

    /// A sink that records the numbers of its entries.
    #[derive(Default)]
    struct Kept {
        seqs: Vec<Seq>,
        closed: bool,
    }

    impl Sink for Kept {
        fn append(&mut self, entry: Entry) -> Result<Arc<Entry>, String> {
            self.seqs.push(entry.seq);
            Ok(Arc::new(entry))
        }

        fn evidence(&mut self, seq: Seq, _: &[u8]) -> Result<(), String> {
            self.seqs.push(1000 + seq);
            Ok(())
        }

        fn log(&mut self, _: &[u8]) -> Result<(), String> {
            Ok(())
        }

        fn sync(&mut self) -> Result<(), String> {
            Ok(())
        }

        fn waiting(&self) -> u64 {
            0
        }

        fn written(&self) -> u64 {
            self.seqs.len() as u64
        }

        async fn close(&mut self) -> Result<(), String> {
            self.closed = true;
            Ok(())
        }
    }

    fn host(ailments: &[&str]) -> (Timeline, Rc<SimHost>) {
        let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH);
        let ailments = ailments.iter().map(|text| Ailment::parse(text).expect(text)).collect();
        let host = Rc::new(SimHost::new(timeline, 1, ailments));
        host.load_began(None);
        (timeline, host)
    }

    fn entry(seq: Seq) -> Entry {
        let fact = Fact::Clock(Clock { wall_us: 0, drift_us: 0 });
        Entry { segment: 0, seq, at: At::ZERO, fact }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_the_disk_is_written_in_its_order_when_it_takes_something_again() {
        let (timeline, host) = host(&["slow_disk=10s@5s"]);
        let mut disk = Disk::new(Kept::default(), host, 8);
        disk.append(entry(0)).unwrap();
        timeline.until(At(6_000_000)).await;
        disk.append(entry(1)).unwrap();
        disk.evidence(1, b"frames").unwrap();
        assert_eq!((disk.waiting(), disk.sink.seqs.as_slice()), (2, [0].as_slice()));
        timeline.until(At(15_000_000)).await;
        disk.append(entry(2)).unwrap();
        assert_eq!((disk.waiting(), disk.sink.seqs.as_slice()), (0, [0, 1, 1001, 2].as_slice()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_run_waits_for_a_disk_that_comes_back_and_not_for_one_that_does_not() {
        let (timeline, host) = host(&["slow_disk=10s@0s"]);
        let mut disk = Disk::new(Kept::default(), host, 8);
        disk.append(entry(0)).unwrap();
        disk.close().await.unwrap();
        assert!(timeline.now() >= At(10_000_000) && disk.sink.closed);
        assert_eq!(disk.sink.seqs, [0]);
        let (_, gone) = self::host(&["slow_disk@0s"]);
        let mut disk = Disk::new(Kept::default(), gone, 8);
        disk.append(entry(0)).unwrap();
        assert_snapshot!(disk.close().await.unwrap_err(), @"the disk took nothing more; rows lost: 1");
        assert!(disk.sink.seqs.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_is_an_error_that_stays() {
        let (timeline, host) = host(&["slow_disk=10s@0s"]);
        let mut disk = Disk::new(Kept::default(), host, 2);
        disk.append(entry(0)).unwrap();
        disk.append(entry(1)).unwrap();
        let words = disk.append(entry(2)).unwrap_err();
        assert_snapshot!(words, @"the disk is too slow: 2 rows wait to be written");
        timeline.until(At(20_000_000)).await;
        assert_eq!(disk.append(entry(3)), Err(words), "a row is lost: nothing may follow it");
    }

    #[tokio::test(start_paused = true)]
    async fn steps_of_the_wall_clock_add_up_and_time_goes_on_between_them() {
        let (_, host) = host(&["wall_clock_step=1h@10s", "wall_clock_step=-30m@20s"]);
        let seconds = [5, 15, 25].map(|second| host.wall_us(At(second * 1_000_000)) / 1_000_000);
        assert_eq!(seconds, [5, 3_615, 1_825]);
    }
}
