//! Tells the processes apart that answer for one metrics page: replicas behind one address, workers
//! of one server, or a server before and after a restart. Which of these it is, is not decided here,
//! but whether a process may have started after another: the numbers are in that order.
//!
//! A process is known by its start time. Processes without one, or with the same, are known by
//! their counters, which never fall while a process runs. A start time that moves while the
//! counters go on is that of a clock that was set.

mod notes;
mod process;
#[cfg(test)]
mod tests;

use super::page::MetricsPage;
use crate::unit::At;
use notes::MetricsNotes;
use process::{MetricsProcess, SAME_START_S};

/// Looks after which a process that did not answer is not counted any more, for each other one.
const LOOKS_MAX: u64 = 12;
/// Largest number of processes that are kept.
const PROCESSES_MAX: usize = 32;
/// Factor on the fastest growth up to which counters that go on may be those of a new process.
const NEW_TIMES: f64 = 1.5;
/// Factor on the fastest growth above which counters are not those of a new process: growth comes
/// in bursts, such as a deep prompt.
const OLD_TIMES: f64 = 10.0;
/// Longest time between two looks that both succeed, seconds.
const NEXT_LOOK_S: f64 = 7.5;
/// Largest difference of the move of a start time from the time that passed at which it moves with
/// the clock, seconds.
const SAME_PACE_S: f64 = 1.5;
/// Moves with the clock after which a start time is none.
const PACES_MAX: u64 = 2;

/// Processes in the order in which they were first read.
#[derive(Clone, Debug, Default)]
pub(super) struct MetricsProcesses {
    known: Vec<MetricsProcess>,
    /// Number of the process that was read last.
    last: i64,
    looks: u64,
    /// Smallest and largest number so far.
    numbers: Option<(i64, i64)>,
    /// How often an earlier process answered again after another one.
    returns: u64,
    /// Lower bound of the server's clock at an instant, seconds since 1970: the start time of a
    /// process that had started by then.
    clock: Option<(At, f64)>,
    /// Moves of the start time with the clock, one after the other.
    paces: u64,
    notes: MetricsNotes,
}

impl MetricsProcesses {
    /// Takes in a page, and returns the number of its process. `None` where the page has neither a
    /// start time nor a counter.
    pub(super) fn fold(&mut self, mut page: MetricsPage, at: At) -> Option<i64> {
        self.looks += 1;
        if self.paces == PACES_MAX {
            page.started = None;
        }
        let kept = LOOKS_MAX * (self.known.len().max(2) as u64 - 1);
        let (look, last) = (self.looks, self.last);
        self.known.retain(|known| look - known.look <= kept || known.number == last);
        let is_known = page.started.is_some() || !page.counters.is_empty();
        let index = if is_known {
            self.find(&page, at).or_else(|| self.find_moved(&mut page, at))
        } else {
            self.last()
        };
        self.notes.confirm(look);
        self.fold_clock(page.started, at);
        match index {
            Some(index) => self.fold_known(index, page, at),
            None => self.fold_new(page, at),
        }
        is_known.then_some(self.last)
    }

    /// Returns the new notes for the report.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        self.notes.drain()
    }

    /// Returns the values of a series: of the last process, or of all where they answer in turn.
    pub(super) fn values(&self, index: usize) -> Vec<f64> {
        self.counted().flat_map(|known| known.values(index)).collect()
    }

    /// Returns the start times: of the last process, or of all where they answer in turn.
    pub(super) fn started(&self) -> Vec<f64> {
        self.counted().filter_map(|known| known.started.map(|(first, _)| first)).collect()
    }

    fn counted(&self) -> impl Iterator<Item = &MetricsProcess> {
        self.known.iter().filter(|known| self.returns > 0 || known.number == self.last)
    }

    fn last(&self) -> Option<usize> {
        self.known.iter().position(|known| known.number == self.last)
    }

    fn fold_known(&mut self, index: usize, page: MetricsPage, at: At) {
        let known = &mut self.known[index];
        if known.number != self.last {
            self.returns += 1;
            self.notes.in_turn(self.returns);
        }
        self.notes.reloaded(&known.reloaded(&page));
        known.fold(page, at, self.looks);
        self.notes.missing(&known.missing());
        self.last = known.number;
    }

    fn fold_new(&mut self, page: MetricsPage, at: At) {
        let is_younger = self.is_younger(&page, at);
        let number = self.number(is_younger);
        if !is_younger {
            self.notes.another(self.looks);
        }
        let before = self.last().map(|index| &self.known[index]);
        self.keep(MetricsProcess::new(number, (page, at, self.looks), before));
        self.last = number;
    }

    /// Returns the index of the process that a page is of.
    fn find(&self, page: &MetricsPage, at: At) -> Option<usize> {
        let fits = |index: &usize| self.known[*index].fits(page);
        let last = self.last().filter(fits);
        let least = (0..self.known.len())
            .filter(fits)
            .min_by(|a, b| self.known[*a].grown(page).total_cmp(&self.known[*b].grown(page)))?;
        // A process that grew as usual is not taken for one whose counters it has just reached.
        let is_usual = |index: &usize| self.known[*index].is_usual(page, at);
        let is_least =
            |index: &usize| self.known[*index].grown(page) <= self.known[least].grown(page);
        Some(last.filter(|index| is_usual(index) || is_least(index)).unwrap_or(least))
    }

    /// Returns the index of the last process if a page with another start time is of it: its
    /// counters go on, and a new process cannot have reached them.
    fn find_moved(&mut self, page: &mut MetricsPage, at: At) -> Option<usize> {
        let index = self.last()?;
        let last = &self.known[index];
        let moved = last.moved(page)?;
        let passed = at.since(last.at) as f64 / 1e6;
        let keeps_pace = (moved - passed).abs() <= SAME_PACE_S && !last.has_fallen(page);
        let times = last.times_counted(page, last.changed, at);
        let unchanged = at.since(last.changed) as f64 / 1e6;
        let is_new = times.map_or(unchanged > NEXT_LOOK_S, |times| times <= NEW_TIMES);
        let may_be_new = is_new && self.has_started_since(page.started?);
        if !keeps_pace && (may_be_new || !last.goes_on(page, at)) {
            return None;
        }
        if let Some((_, clock)) = &mut self.clock {
            *clock += moved;
        }
        self.paces = if keeps_pace { self.paces + 1 } else { 0 };
        if self.paces == PACES_MAX {
            page.started = None;
            let last = self.last;
            self.known.retain(|known| known.number == last);
            self.known.iter_mut().for_each(|known| known.started = None);
            self.notes.start_is_now();
            return self.last();
        }
        // Should a page with the earlier start time come again, there are two processes.
        let mut earlier = self.known[index].clone();
        earlier.number = self.number(false);
        self.keep(earlier);
        self.notes.clock_set(self.looks, moved);
        self.last()
    }

    /// Returns the number of a further process.
    fn number(&mut self, is_younger: bool) -> i64 {
        let (smallest, largest) = self.numbers.unwrap_or((1, 0));
        let number = if is_younger { largest + 1 } else { smallest - 1 };
        self.numbers = Some((smallest.min(number), largest.max(number)));
        number
    }

    fn keep(&mut self, process: MetricsProcess) {
        if self.known.len() == PROCESSES_MAX {
            let last = self.last;
            let oldest = self.known.iter().position(|known| known.number != last);
            oldest.map(|index| self.known.remove(index));
        }
        self.known.push(process);
    }

    /// Whether the process of a page may have started after the known ones were last read: by its
    /// start time, or else by how much it has counted.
    fn is_younger(&self, page: &MetricsPage, at: At) -> bool {
        let Some(last) = self.last().map(|index| &self.known[index]) else { return true };
        match (last.moved(page), page.started) {
            (Some(moved), Some(started)) if moved.abs() > SAME_START_S => {
                self.has_started_since(started)
            }
            _ => {
                let times = last.times_counted(page, self.oldest_reading(), at);
                times.is_none_or(|times| times <= OLD_TIMES)
            }
        }
    }

    /// Whether a start time may be later than the last readings of the known processes.
    fn has_started_since(&self, started: f64) -> bool {
        let Some((at, clock)) = self.clock else { return true };
        let passed = (self.oldest_reading().0 as f64 - at.0 as f64) / 1e6;
        started + SAME_START_S >= clock + passed
    }

    fn oldest_reading(&self) -> At {
        self.known.iter().map(|known| known.at).min().unwrap_or(At::ZERO)
    }

    fn fold_clock(&mut self, started: Option<f64>, at: At) {
        let Some(started) = started else { return };
        let bound = self.clock.map(|(since, clock)| clock + at.since(since) as f64 / 1e6);
        if bound.is_none_or(|bound| bound < started) {
            self.clock = Some((at, started));
        }
    }
}
