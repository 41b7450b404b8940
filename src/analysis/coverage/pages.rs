//! Records in which time the metrics show that the server's process stayed the same. Two looks at
//! one process prove that it did not restart between them: by its start time, or by counters that
//! a new process could not have reached. A page in which no counter has changed although requests were
//! answered is none of a server at work: somebody else gives it, or a cache does.

use std::collections::{BTreeMap, BTreeSet};

use super::ranges::Ranges;
use super::{READING_US, SECOND_US, SPACED_US};
use crate::fact::{Reading, Request};
use crate::series::{self, METRICS_PROCESS, Observer, SeriesKind, SeriesNumbers};
use crate::unit::At;

/// Bound on the series kept; an engine has a few dozen.
const SERIES_MAX: usize = 1_024;

/// Bound on the times between two looks that are kept: those of four days.
const SPANS_MAX: usize = 40_000;

/// Bound on the counters of a look; an engine has seven.
const COUNTERS_MAX: usize = 16;

/// Factor on the fastest growth of a counter above which a new process cannot have reached it.
const NEW_TIMES: f64 = 1.5;

/// Time after the end of a request within which it stands in the metrics, microseconds.
const COUNTED_US: u64 = SECOND_US;

/// Looks at the metrics in one segment.
#[derive(Clone, Debug, Default)]
pub(super) struct MetricsLooks {
    open: Option<Page>,
    numbers: SeriesNumbers,
    /// Series by number.
    series: Vec<LookedSeries>,
    /// Last page that was a look.
    last: Option<At>,
    /// Last page in which a counter had changed.
    moved: At,
    /// Earliest end of a request that was sent since then and got tokens.
    answered: Option<At>,
    /// Last look at each process.
    processes: BTreeMap<i64, At>,
    same: Ranges,
    /// Times between two looks at one process that has no start time.
    counted: Vec<CountedSpan>,
    progress: Ranges,
    /// Whether any page was no look.
    is_stale: bool,
}

/// Series of the metrics.
#[derive(Clone, Copy, Debug, Default)]
struct LookedSeries {
    /// Value at the last look.
    value: Option<f64>,
    /// Fastest growth of a counter, per microsecond.
    fastest: Option<f64>,
}

/// Time between two looks at one process that only its counters show to be the same.
#[derive(Clone, Debug)]
struct CountedSpan {
    from: At,
    until: At,
    /// Number and value of each counter at its end, of those that were above zero before.
    values: Vec<(usize, f64)>,
}

/// Page whose readings are being gathered.
#[derive(Clone, Debug)]
struct Page {
    at: At,
    /// Number of its process; in a journal without numbers, its start time.
    process: Option<i64>,
    has_start: bool,
    has_counters: bool,
    values: Vec<PageValue>,
}

/// Reading of a page.
#[derive(Clone, Copy, Debug)]
struct PageValue {
    /// Number of its series; `None` beyond the bound on series.
    series: Option<usize>,
    kind: SeriesKind,
    /// Least, largest and last value.
    values: [f64; 3],
}

impl MetricsLooks {
    /// Takes in a reading of the engine.
    pub(super) fn fold(&mut self, at: At, reading: &Reading) {
        let Some(series) = series::of_reading(reading) else { return };
        let is_value = matches!(series.kind, SeriesKind::Counter | SeriesKind::Gauge)
            && *series != series::HEALTH_STATUS;
        if !is_value && !series.has_observer(Observer::Metrics) {
            return;
        }
        if self.open.as_ref().is_none_or(|page| page.at != at) {
            self.close();
            self.open = Some(Page::new(at));
        }
        let Some(page) = &mut self.open else { return };
        if METRICS_PROCESS.is_of(reading) {
            page.process = Some(reading.last as i64);
        } else if series.is_start_time() {
            page.has_start = true;
            page.process = page.process.or(Some(reading.last as i64));
        } else if is_value && page.values.len() < SERIES_MAX {
            page.has_counters |= series.has_observer(Observer::Progress);
            let number = self.numbers.of(reading, SERIES_MAX);
            let values = [reading.min, reading.max, reading.last];
            page.values.push(PageValue { series: number, kind: series.kind, values });
        }
    }

    /// Takes in a request that has ended.
    pub(super) fn answered(&mut self, request: &Request) {
        if self.open.as_ref().is_some_and(|page| request.sent > page.at) {
            self.close();
        }
        let has_tokens = request.ended.is_good() && request.ttft_us.is_some();
        if has_tokens && request.sent >= self.moved {
            let done = self.answered.map_or(request.done, |first| first.min(request.done));
            self.answered = Some(done);
        }
    }

    fn is_look(&mut self, page: &Page) -> bool {
        // A server that worked has counted: gauges alone may be those of the page's own giver.
        let shows_work = |kind: SeriesKind| !page.has_counters || kind == SeriesKind::Counter;
        let moves = page.values.iter().filter(|it| shows_work(it.kind)).any(|it| {
            let before = it.series.and_then(|number| self.series.get(number)?.value);
            before.is_none_or(|before| it.differs_from(before))
        });
        let at = page.at;
        let is_stale = !moves
            && page.has_counters
            && self.answered.is_some_and(|done| done.0.saturating_add(COUNTED_US) <= at.0);
        if moves || !page.has_counters {
            (self.moved, self.answered) = (at, None);
        }
        self.is_stale |= is_stale;
        !is_stale
    }

    fn look(&mut self, page: &Page) {
        let at = page.at;
        let counted = self.grow(page);
        if page.has_counters {
            let near = self.last.filter(|last| at.since(*last) <= SPACED_US).unwrap_or(at);
            self.progress.add(near.0, at.0.saturating_add(SECOND_US));
        }
        self.last = Some(at);
        // A page without start time and counters is of the process that was known before.
        let Some(number) = page.process.or(page.has_counters.then_some(0)) else { return };
        if self.processes.is_empty() {
            // The metrics were answered before the load, too.
            self.same.add(at.0.saturating_sub(READING_US), at.0);
        }
        let before = self.processes.insert(number, at);
        match before {
            Some(before) if page.has_start => self.same.add(before.0, at.0),
            Some(from) if self.counted.len() < SPANS_MAX => {
                self.counted.push(CountedSpan { from, until: at, values: counted });
            }
            _ => {}
        }
    }

    /// Takes in the values. Returns the counters that were above zero in the page before.
    fn grow(&mut self, page: &Page) -> Vec<(usize, f64)> {
        let passed_us = self.last.map_or(0, |last| page.at.since(last)) as f64;
        let mut counted = Vec::new();
        for PageValue { series, kind, values: [.., last] } in &page.values {
            let Some(number) = *series else { continue };
            if number >= self.series.len() {
                self.series.resize(number + 1, LookedSeries::default());
            }
            let known = &mut self.series[number];
            let before = known.value.replace(*last);
            let Some(before) = before.filter(|_| *kind == SeriesKind::Counter) else { continue };
            if passed_us <= 0.0 {
                continue;
            }
            let rate = (last - before) / passed_us;
            known.fastest = Some(known.fastest.map_or(rate, |fastest| fastest.max(rate)));
            if before > 0.0 && counted.len() < COUNTERS_MAX {
                counted.push((number, *last));
            }
        }
        counted
    }

    /// Whether a counter is higher than a process that began within a span could have counted, at
    /// the fastest growth of the whole run.
    fn proves(&self, span: &CountedSpan) -> bool {
        let passed_us = span.until.since(span.from) as f64;
        let fastest = |number: usize| self.series.get(number).and_then(|series| series.fastest);
        let most = |number: usize| NEW_TIMES * fastest(number).unwrap_or_default() * passed_us;
        span.values.iter().any(|(number, value)| *value > most(*number))
    }

    /// Takes in the last page.
    pub(super) fn close(&mut self) {
        let Some(page) = self.open.take() else { return };
        let is_later = self.last.is_none_or(|last| page.at > last);
        if is_later && self.is_look(&page) {
            self.look(&page);
        }
    }

    /// Returns the time in which the process is known to have stayed the same. From the last look
    /// at a process on it is not, unless a restart was seen since, at one of these times, or no
    /// other process has answered.
    pub(super) fn same(&self, restarts: &[At]) -> Vec<(u64, u64)> {
        let mut same = self.same.clone();
        for span in self.counted.iter().filter(|span| self.proves(span)) {
            same.add(span.from.0, span.until.0);
        }
        self.without_lost(&same, restarts)
    }

    /// Returns the same without what only the counters of several processes show, which are added
    /// up.
    pub(super) fn surely_same(&self, restarts: &[At]) -> Vec<(u64, u64)> {
        if self.is_one() { self.same(restarts) } else { self.without_lost(&self.same, restarts) }
    }

    /// Whether no two processes have answered.
    pub(super) fn is_one(&self) -> bool {
        self.processes.len() <= 1
    }

    /// Returns the parts of ranges in which no process was out of sight.
    fn without_lost(&self, same: &Ranges, restarts: &[At]) -> Vec<(u64, u64)> {
        let newest = self.processes.values().copied().max();
        let mut lost = Ranges::default();
        let ends: BTreeSet<At> = self.processes.values().copied().collect();
        for end in ends.into_iter().filter(|end| Some(*end) != newest) {
            let seen = restarts.iter().filter(|restart| **restart >= end).min();
            lost.add(end.0, seen.map_or(u64::MAX, |restart| restart.0));
        }
        same.all().flat_map(|(from, until)| lost.gaps(from, until)).collect()
    }

    /// Returns the time in which counters of work done were looked at.
    pub(super) fn progress(&self) -> Vec<(u64, u64)> {
        self.progress.all().collect()
    }

    /// Whether pages came in which nothing had changed although requests were answered.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale
    }
}

impl PageValue {
    fn differs_from(&self, before: f64) -> bool {
        self.values.iter().any(|now| now.to_bits() != before.to_bits())
    }
}

impl Page {
    fn new(at: At) -> Page {
        Page { at, process: None, has_start: false, has_counters: false, values: Vec::new() }
    }
}
