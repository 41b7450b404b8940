use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::SystemTime;

use tokio::task::LocalSet;

use super::*;
use crate::fact::{Severity, SignatureMatch, Source};
use crate::series::MEM_FREE;
use crate::world::{LocalFuture, Sample};

const SECOND: u64 = 1_000_000;

/// Sensor that counts its readings and returns the given log lines.
struct Counting {
    source: Source,
    cadence_us: u64,
    looks: u64,
    said: Rc<RefCell<VecDeque<SignatureMatch>>>,
}

impl Sensor for Counting {
    fn source(&self) -> Source {
        self.source
    }

    fn what(&self) -> &'static str {
        "looks"
    }

    fn cadence_us(&self) -> u64 {
        self.cadence_us
    }

    fn look(&mut self) -> LocalFuture<'_, Result<Observation, String>> {
        self.looks += 1;
        let said = self.said.borrow_mut().drain(..).map(|said| (At(7), said)).collect();
        let samples = vec![Sample::one(&MEM_FREE, self.looks as f64)];
        Box::pin(std::future::ready(Ok(Observation { samples, said, ..Observation::default() })))
    }
}

/// Reads a sensor for so many seconds, with an alarm at one of them, and returns all rows.
async fn watched(cadence_us: u64, alarm_s: u64, until_s: u64) -> Vec<(At, u64)> {
    let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH);
    let (facts, mut heard) = mpsc::channel(4_096);
    let control = SensorControl::default();
    let said = Rc::default();
    let local = LocalSet::new();
    let sensor = Box::new(Counting { source: Source::Host, cadence_us, looks: 0, said });
    local.spawn_local(watch(sensor, timeline, facts, control.clone()));
    local
        .run_until(async {
            timeline.until(At(alarm_s * SECOND + SECOND / 2)).await;
            control.alarm.set(Some(timeline.now()));
            timeline.until(At(until_s * SECOND + SECOND / 2)).await;
        })
        .await;
    let mut rows = Vec::new();
    while let Ok(TaskMessage::Fact(at, Fact::Reading(reading))) = heard.try_recv() {
        rows.push((at, reading.n));
    }
    rows
}

#[test]
fn missed_looks_are_not_made_up_for() {
    assert_eq!(next(At(0), At(10), 100), At(100));
    assert_eq!(next(At(0), At(950), 100), At(1000));
}

#[tokio::test(start_paused = true)]
async fn around_an_incident_every_second_has_a_row_and_the_minute_before_is_handed_over() {
    let rows = watched(SECOND, 100, 200).await;
    let seconds = |from: usize, until: usize| -> Vec<usize> {
        let inside = |second: &usize| (from..until).contains(second);
        let single = rows.iter().filter(|(_, n)| *n == 1);
        single.map(|(at, _)| (at.0 / SECOND) as usize).filter(inside).collect()
    };
    assert_eq!(seconds(1, 40), Vec::<usize>::new());
    assert_eq!(seconds(42, 100), (42..100).collect::<Vec<_>>());
    assert_eq!(seconds(102, 160), (102..160).collect::<Vec<_>>());
    assert_eq!(seconds(163, 200), Vec::<usize>::new());
    let late = rows.iter().skip(1).position(|(_, n)| *n == 1).unwrap() + 1;
    assert!(rows[late - 1].0 >= At(100 * SECOND), "with the stamps that they had: {rows:?}");
    assert!(rows[late].0 < At(42 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_slow_sensor_hands_nothing_over_and_each_of_its_looks_is_a_row() {
    let rows = watched(5 * SECOND, 42, 100).await;
    let ns: Vec<u64> = rows.iter().map(|(_, n)| *n).collect();
    let fine = ns.iter().filter(|n| **n == 1).count();
    assert!((11..=14).contains(&fine), "{ns:?}");
    assert!(rows.is_sorted_by_key(|(at, _)| *at));
}

#[tokio::test(start_paused = true)]
async fn a_line_of_a_log_is_told_at_once_with_its_own_stamp() {
    let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH);
    let (facts, mut heard) = mpsc::channel(16);
    let control = SensorControl::default();
    let line = SignatureMatch {
        source: Source::Kernel,
        signature: "x".into(),
        severity: Severity::Info,
        line: "y".into(),
        whose: None,
    };
    let said = Rc::new(RefCell::new(VecDeque::new()));
    let sensor = Box::new(Counting {
        source: Source::Host,
        cadence_us: SECOND,
        looks: 0,
        said: said.clone(),
    });
    let local = LocalSet::new();
    local.spawn_local(watch(sensor, timeline, facts, control));
    local.run_until(timeline.until(At(SECOND / 2))).await;
    assert!(matches!(heard.try_recv(), Ok(TaskMessage::Fact(_, Fact::Reading(_)))));
    said.borrow_mut().push_back(line.clone());
    local.run_until(timeline.until(At(SECOND + SECOND / 2))).await;
    let Ok(TaskMessage::Fact(at, fact)) = heard.try_recv() else { panic!("nothing was told") };
    assert_eq!((at, fact), (At(7), Fact::Said(line)));
}

/// Sensor whose readings never end.
struct Hanging;

impl Sensor for Hanging {
    fn source(&self) -> Source {
        Source::Engine
    }

    fn what(&self) -> &'static str {
        "/health"
    }

    fn cadence_us(&self) -> u64 {
        5 * SECOND
    }

    fn look(&mut self) -> LocalFuture<'_, Result<Observation, String>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_the_end_of_the_run_cuts_short_is_a_miss() {
    let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH);
    let (facts, mut heard) = mpsc::channel(16);
    let control = SensorControl::default();
    let local = LocalSet::new();
    local.spawn_local(watch(Box::new(Hanging), timeline, facts, control.clone()));
    local
        .run_until(async {
            timeline.until(At(2 * SECOND)).await;
            control.draining.set(true);
            timeline.until(At(3 * SECOND)).await;
        })
        .await;
    let Ok(TaskMessage::Fact(at, Fact::Missed(missed))) = heard.try_recv() else {
        panic!("nothing was missed")
    };
    assert_eq!((at, missed.reason()), (At(2_800_000), MissedReason::NoAnswer));
}

#[tokio::test(start_paused = true)]
async fn a_call_has_the_engine_read_at_once_beside_its_grid() {
    let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH);
    let (facts, mut heard) = mpsc::channel(16);
    let control = SensorControl::default();
    let local = LocalSet::new();
    let (cadence_us, said) = (5 * SECOND, Rc::default());
    let sensor = Counting { source: Source::Engine, cadence_us, looks: 0, said };
    local.spawn_local(watch(Box::new(sensor), timeline, facts, control.clone()));
    local
        .run_until(async {
            timeline.until(At(7 * SECOND)).await;
            control.engine.set(Some(timeline.now()));
            timeline.until(At(12 * SECOND)).await;
        })
        .await;
    let mut rows = Vec::new();
    while let Ok(TaskMessage::Fact(at, Fact::Reading(reading))) = heard.try_recv() {
        rows.push((at.0 / SECOND, reading.n));
    }
    assert_eq!(rows, [(0, 1), (10, 3)], "read at 0, 5, 7 and 10 s");
}
