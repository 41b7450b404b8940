//! Holds what a process was last read to have, and compares a page with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::observe::engine::page::{LabelledValues, MetricsPage};
use crate::unit::At;

/// Largest difference of two readings of one start time, seconds: some exporters compute it anew at
/// every look, and round it.
pub(super) const SAME_START_S: f64 = 2.5;
/// Shortest time over which counters are said to grow, seconds: they grow in steps, such as a
/// prompt at once.
const GROWTH_S_MIN: f64 = 5.0;
/// Factor on the fastest growth of a process so far up to which a page may be its own.
const GROWTH_TIMES: f64 = 3.0;
/// The same for a process of which only the first page was read, on the growth of the one before.
const GROWTH_BEFORE_TIMES: f64 = 1.5;
/// Looks without an engine that the page had, after which it counts as missing.
const MISSING_LOOKS: u64 = 3;

/// Process, as last read.
#[derive(Clone, Debug)]
pub(super) struct MetricsProcess {
    /// Number in the order of start, as far as that is known.
    pub number: i64,
    /// Its start time, as first and as last read.
    pub started: Option<(f64, f64)>,
    /// Time of the last reading.
    pub at: At,
    /// Time of the last reading in which a counter had changed: a page may come from a cache.
    pub changed: At,
    /// Look of the last reading, among those of all processes.
    pub look: u64,
    /// Its counters; one that a page lacks keeps its value.
    counters: LabelledValues,
    gauges: LabelledValues,
    /// Number of its readings.
    reads: u64,
    /// Reading that last had an engine, by the engine's labels.
    engines: BTreeMap<String, u64>,
    /// Fastest growth of its counters so far, per second.
    growth: Option<f64>,
    /// Fastest growth of the process before it.
    growth_before: Option<f64>,
}

/// Engines of a page, by what became of their counters since the process was last read.
#[derive(Debug, Default)]
struct Compared<'a> {
    /// Engines of which no counter fell, and one is above zero.
    went_on: BTreeSet<&'a str>,
    /// Engines of which more than half of the counters fell.
    fell: BTreeSet<&'a str>,
    /// Whether any counter fell.
    has_fallen: bool,
}

impl MetricsProcess {
    /// Creates a process from the page that first showed it, and the process that was read before.
    pub(super) fn new(
        number: i64,
        (page, at, look): (MetricsPage, At, u64),
        before: Option<&MetricsProcess>,
    ) -> MetricsProcess {
        let started = page.started.map(|started| (started, started));
        let mut process = MetricsProcess {
            number,
            started,
            at,
            changed: at,
            look,
            counters: LabelledValues::new(),
            gauges: LabelledValues::new(),
            reads: 0,
            engines: BTreeMap::new(),
            growth: None,
            growth_before: before.and_then(|before| before.growth),
        };
        process.set(page, at, look);
        process
    }

    /// Takes in a page of the process.
    pub(super) fn fold(&mut self, page: MetricsPage, at: At, look: u64) {
        let grown = self.grown(&page);
        if grown > 0.0 && self.reloaded(&page).is_empty() {
            let rate = grown / self.seconds_until(at);
            self.growth = Some(self.growth.map_or(rate, |growth| growth.max(rate)));
        }
        if let Some(now) = page.started {
            self.started = Some((self.started.map_or(now, |(first, _)| first), now));
        }
        self.set(page, at, look);
    }

    fn set(&mut self, page: MetricsPage, at: At, look: u64) {
        (self.at, self.look) = (at, look);
        let is_same = |(key, now): (&(usize, String), &f64)| self.counters.get(key) == Some(now);
        if !page.counters.iter().all(is_same) {
            self.changed = at;
        }
        self.reads += 1;
        for (_, labels) in page.counters.keys().chain(&page.not_finite) {
            self.engines.insert(labels.clone(), self.reads);
        }
        self.counters.extend(page.counters);
        self.gauges = page.gauges;
    }

    /// Whether a page may be of this process: the same start, or the same engines where one of them
    /// has no start time, and no engine that began anew.
    pub(super) fn fits(&self, page: &MetricsPage) -> bool {
        let is_same = match self.moved(page) {
            Some(moved) => moved.abs() <= SAME_START_S,
            None => self.has_engine_of(page),
        };
        is_same && self.compare(page).fell.len() == self.reloaded(page).len()
    }

    /// Returns by how much the start time moved since it was last read, seconds; `None` where the
    /// page or the process has none.
    pub(super) fn moved(&self, page: &MetricsPage) -> Option<f64> {
        let (_, known) = self.started?;
        page.started.map(|now| now - known)
    }

    /// Whether the counters of a page go on from those of the process.
    pub(super) fn goes_on(&self, page: &MetricsPage, at: At) -> bool {
        let compared = self.compare(page);
        let is_likely = self.growth.is_none() || self.is_usual(page, at);
        !compared.has_fallen && !compared.went_on.is_empty() && is_likely
    }

    /// Whether any counter is lower than it was.
    pub(super) fn has_fallen(&self, page: &MetricsPage) -> bool {
        self.compare(page).has_fallen
    }

    /// Whether a page grew as that of this process usually does.
    pub(super) fn is_usual(&self, page: &MetricsPage, at: At) -> bool {
        let own = self.growth.map(|rate| rate * GROWTH_TIMES);
        let most = own.or(self.growth_before.map(|rate| rate * GROWTH_BEFORE_TIMES));
        most.is_some_and(|most| self.grown(page) <= most * self.seconds_until(at))
    }

    /// Returns how many times as much a page has counted, or its engines that began anew, as this
    /// process would have since an instant at its fastest. `None` where no growth is known yet.
    pub(super) fn times_counted(&self, page: &MetricsPage, since: At, at: At) -> Option<f64> {
        let fell = self.compare(page).fell;
        let is_new = |labels: &str| fell.is_empty() || fell.contains(labels);
        let of_new = page.counters.iter().filter(|((_, labels), _)| is_new(labels));
        let counted: f64 = of_new.map(|(_, value)| value).sum();
        let seconds = (at.since(since) as f64 / 1e6).max(GROWTH_S_MIN);
        self.growth.map(|rate| counted / (rate * seconds))
    }

    /// Returns the engines that the last page lacked and that began anew, while the process or
    /// another engine of it went on.
    pub(super) fn reloaded(&self, page: &MetricsPage) -> Vec<String> {
        let compared = self.compare(page);
        let same_start = self.moved(page).is_some_and(|moved| moved.abs() <= SAME_START_S);
        if !same_start && compared.went_on.is_empty() {
            return Vec::new();
        }
        let was_missing = |labels: &&&str| self.engines.get(**labels) < Some(&self.reads);
        compared.fell.iter().filter(was_missing).map(|labels| (*labels).to_owned()).collect()
    }

    /// Returns the engines of which the counters have just become missing, while others go on.
    pub(super) fn missing(&self) -> Vec<&str> {
        let is_missing = |read: u64| read + MISSING_LOOKS == self.reads;
        let others = self.engines.values().any(|read| *read == self.reads);
        let of_page = self.engines.iter().filter(|(_, read)| others && is_missing(**read));
        of_page.map(|(labels, _)| labels.as_str()).collect()
    }

    fn has_engine_of(&self, page: &MetricsPage) -> bool {
        let engines = page.engines();
        engines.is_empty()
            || self.engines.is_empty()
            || engines.iter().any(|labels| self.engines.contains_key(*labels))
    }

    /// Compares the counters by engine. A single one that falls is a metric that is no counter.
    fn compare<'a>(&self, page: &'a MetricsPage) -> Compared<'a> {
        let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (key, now) in &page.counters {
            let Some(before) = self.counters.get(key).filter(|before| **before > 0.0) else {
                continue;
            };
            let (counted, fell) = counts.entry(&key.1).or_default();
            *counted += 1;
            *fell += u64::from(now < before);
        }
        let mut compared = Compared::default();
        for (labels, (counted, fell)) in counts {
            compared.has_fallen |= fell > 0;
            if fell * 2 > counted {
                compared.fell.insert(labels);
            } else {
                compared.went_on.insert(labels);
            }
        }
        compared
    }

    /// Returns by how much the counters of a page are above those of the process, all together.
    pub(super) fn grown(&self, page: &MetricsPage) -> f64 {
        let above = |(key, now): (&(usize, String), &f64)| Some(now - self.counters.get(key)?);
        page.counters.iter().filter_map(above).sum::<f64>().abs()
    }

    /// Returns the values of a series, by engine.
    pub(super) fn values(&self, index: usize) -> impl Iterator<Item = f64> {
        let of = move |values: &LabelledValues| -> Vec<f64> {
            let at = |key: &(usize, String)| key.0 == index;
            values.iter().filter(|(key, _)| at(key)).map(|(_, value)| *value).collect()
        };
        of(&self.counters).into_iter().chain(of(&self.gauges))
    }

    /// Returns the time since the last reading.
    fn seconds_until(&self, at: At) -> f64 {
        (at.since(self.at) as f64 / 1e6).max(GROWTH_S_MIN)
    }
}
