//! Decides whether the server's process was replaced, from the number of the process that answered
//! for the metrics.
//!
//! A new process is the old one after a restart, or one more replica behind the same address. Which
//! of them it is shows when an earlier process answers again, or none does for a while. After a bad
//! sign in between it is a restart at once. A process with a smaller number than all before it was
//! running before: without a bad sign it is no restart.

use std::collections::BTreeMap;

use crate::fact::Reading;
use crate::series::{self, METRICS_PROCESS, SeriesKind};
use crate::unit::At;

/// Time without an answer of an earlier process after which it counts as replaced, microseconds,
/// for each other process: twelve looks, so that it is rare that replicas chosen at random are
/// taken for a restart.
const REPLACED_US: u64 = 60_000_000;

/// Time between the last look at the earlier process and the first at a new one, microseconds, in
/// which no server ends and is back: then only the new one's staying shows a restart, and a run that
/// ends shows none.
const AT_ONCE_US: u64 = 1_000_000;

/// Bound on the processes kept; behind one address there are a few replicas.
const PROCESSES_MAX: usize = 256;

/// Bound on the series kept; an engine has a few dozen.
const SERIES_MAX: usize = 1_024;

/// Processes that answered for the metrics.
#[derive(Clone, Debug, Default)]
pub(super) struct Processes {
    /// Time at which each was last read, by number; without those that were replaced.
    seen: BTreeMap<i64, At>,
    /// Processes that may have replaced an earlier one, with the time at which each was first read.
    new: BTreeMap<i64, At>,
    /// Whether the load ended, so that nothing is waited for any more.
    ended: bool,
    /// Series of a journal without numbers of processes.
    series: BTreeMap<(String, String), (At, f64)>,
}

/// Restart.
pub(super) struct Replaced {
    /// Last time at which the earlier process was read.
    pub since: At,
    /// First time at which the new one was.
    pub until: At,
    pub evidence: String,
}

impl Replaced {
    fn new(since: At, until: At) -> Replaced {
        Replaced { since, until, evidence: "its metrics are those of a new process".to_owned() }
    }
}

impl Processes {
    /// Takes in a reading of the engine, with the newest bad sign of the server. Returns the
    /// restart that it shows.
    pub(super) fn fold(&mut self, at: At, reading: &Reading, bad: Option<At>) -> Option<Replaced> {
        if !METRICS_PROCESS.is_of(reading) {
            return self.fold_series(at, reading);
        }
        let number = reading.last as i64;
        if !self.seen.contains_key(&number) && self.seen.len() >= PROCESSES_MAX {
            return None;
        }
        let earlier =
            self.seen.values().copied().max().filter(|_| !self.seen.contains_key(&number));
        let may_be_younger = self.seen.range(..number).next().is_some();
        if let Some(last) = earlier {
            if may_be_younger {
                self.new.insert(number, at);
            } else if bad.is_some_and(|bad| bad > last) {
                self.seen = BTreeMap::from([(number, at)]);
                self.new.clear();
                return Some(Replaced::new(last, at));
            }
        }
        let seen = self.seen.entry(number).or_insert(at);
        *seen = at.max(*seen);
        let wait_us = REPLACED_US * (self.seen.len().max(2) as u64 - 1);
        self.replaced(|first, last| {
            at.since(first) >= wait_us || last < first && bad.is_some_and(|bad| bad > last)
        })
    }

    /// Returns the first time at which a process was read that may have replaced an earlier one.
    pub(super) fn renewed(&self) -> Option<At> {
        self.new.values().copied().min()
    }

    /// Takes in that the load ends. A new process after which no earlier one answered counts as a
    /// restart.
    pub(super) fn end(&mut self) -> Option<Replaced> {
        self.ended = true;
        self.replaced(|_, _| false)
    }

    /// Returns the first restart for which it is time. `is_time` is given the time at which a new
    /// process was first read, and the last time at which an earlier one was.
    fn replaced(&mut self, is_time: impl Fn(At, At) -> bool) -> Option<Replaced> {
        for (number, first) in self.new.clone() {
            let before = || self.seen.range(..number);
            let gone: Vec<i64> =
                before().filter(|(_, seen)| **seen < first).map(|(number, _)| *number).collect();
            let Some(last) = before().map(|(_, seen)| *seen).max() else { continue };
            if gone.is_empty() {
                self.new.remove(&number);
            } else if self.ended && first.since(last) > AT_ONCE_US || is_time(first, last) {
                let since = gone.iter().filter_map(|number| self.seen.remove(number)).max()?;
                self.new.remove(&number);
                return Some(Replaced::new(since, first));
            }
        }
        None
    }

    /// Takes in a reading of a journal that does not number the processes: a start time that
    /// changed or a counter that fell shows a restart.
    fn fold_series(&mut self, at: At, reading: &Reading) -> Option<Replaced> {
        if !self.seen.is_empty() || !reading.last.is_finite() {
            return None;
        }
        let started = match series::of_reading(reading)?.kind {
            SeriesKind::Life => true,
            SeriesKind::Counter => false,
            SeriesKind::Gauge | SeriesKind::Increment => return None,
        };
        let key = (reading.instance.clone(), reading.name.clone());
        let before = self.series.get(&key).copied();
        if before.is_some_and(|(seen, _)| at < seen) {
            return None; // An earlier second, handed over late.
        }
        if before.is_some() || self.series.len() < SERIES_MAX {
            self.series.insert(key.clone(), (at, reading.last));
        }
        let (since, value) = before?;
        let evidence = if started && (reading.last - value).abs() > 0.5 {
            format!("{} changed", reading.name)
        } else if !started && reading.last.min(reading.min) < value {
            format!("{} went back", reading.name)
        } else {
            return None;
        };
        // Clearing all series counts one restart, however many series show it.
        self.series.clear();
        self.series.insert(key, (at, reading.last));
        Some(Replaced { since, until: at, evidence })
    }
}
