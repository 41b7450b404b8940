//! Tells the processes apart that answer for one metrics page: replicas behind one address, workers
//! of one server, or a server before and after a restart. Which of these it is, is not decided here.
//!
//! A process is known by its start time. Processes without one, or with the same, are known by
//! their counters, which never fall while a process runs.

use std::collections::BTreeMap;

use super::page::{LabelledValues, MetricsPage};

/// Largest difference of two readings of one start time, seconds: some exporters compute it anew at
/// every look, and round it.
const SAME_START_S: f64 = 2.5;
/// Looks after which a process that did not answer is not counted any more.
const LOOKS_MAX: u64 = 12;
/// Largest number of processes that are kept.
const PROCESSES_MAX: usize = 32;
/// Factor on the largest growth of a process so far up to which a page may be its own, although it
/// fits another process better.
const GROWTH_TIMES: f64 = 3.0;

/// Processes in the order in which they were first read.
#[derive(Clone, Debug, Default)]
pub(super) struct MetricsProcesses {
    known: Vec<Process>,
    /// Number of the process that was read last.
    last: u64,
    looks: u64,
    /// Number of the newest process.
    newest: u64,
    /// Whether an earlier process answered again after another one.
    alternate: bool,
}

/// Process, as last read.
#[derive(Clone, Debug)]
struct Process {
    number: u64,
    /// Its start time, as first and as last read.
    started: Option<(f64, f64)>,
    /// Its counters; one that a page lacks keeps its value.
    counters: LabelledValues,
    gauges: LabelledValues,
    /// Largest growth of its counters from one look to the next.
    growth: Option<f64>,
    look: u64,
}

impl MetricsProcesses {
    /// Takes in a page, and returns the number of its process. `None` where the page has neither a
    /// start time nor a counter.
    pub(super) fn fold(&mut self, page: MetricsPage) -> Option<u64> {
        self.looks += 1;
        let look = self.looks;
        self.known.retain(|known| look - known.look <= LOOKS_MAX || known.number == self.last);
        let is_known = page.started.is_some() || !page.counters.is_empty();
        let index = if is_known { self.find(&page) } else { self.last() };
        if let Some(known) = index.and_then(|index| self.known.get_mut(index)) {
            self.alternate |= known.number != self.last;
            known.fold(page, look);
            self.last = known.number;
        } else {
            if self.known.len() == PROCESSES_MAX {
                self.known.remove(0);
            }
            self.newest += 1;
            self.last = self.newest;
            self.known.push(Process::new(self.newest, page, look));
        }
        is_known.then_some(self.last)
    }

    /// Returns the values of a series: of the last process, or of all where they answer in turn.
    pub(super) fn values(&self, index: usize) -> Vec<f64> {
        let counted = |known: &&Process| self.alternate || known.number == self.last;
        self.known.iter().filter(counted).flat_map(|known| known.values(index)).collect()
    }

    /// Returns the start times: of the last process, or of all where they answer in turn.
    pub(super) fn started(&self) -> Vec<f64> {
        let counted = |known: &&Process| self.alternate || known.number == self.last;
        let started = |known: &Process| known.started.map(|(first, _)| first);
        self.known.iter().filter(counted).filter_map(started).collect()
    }

    fn last(&self) -> Option<usize> {
        self.known.iter().position(|known| known.number == self.last)
    }

    /// Returns the index of the process that a page is of.
    fn find(&self, page: &MetricsPage) -> Option<usize> {
        let fits = |index: &usize| self.known[*index].fits(page);
        let last = self.last().filter(fits);
        let least = (0..self.known.len())
            .filter(fits)
            .min_by(|a, b| self.known[*a].grown(page).total_cmp(&self.known[*b].grown(page)))?;
        // A process that grew as usual is not taken for one whose counters it has just reached.
        let is_usual = |index: &usize| {
            let known = &self.known[*index];
            known.growth.is_some_and(|usual| known.grown(page) <= usual * GROWTH_TIMES)
        };
        let is_least =
            |index: &usize| self.known[*index].grown(page) <= self.known[least].grown(page);
        Some(last.filter(|index| is_usual(index) || is_least(index)).unwrap_or(least))
    }
}

impl Process {
    fn new(number: u64, page: MetricsPage, look: u64) -> Process {
        let MetricsPage { started, counters, gauges } = page;
        let started = started.map(|started| (started, started));
        Process { number, started, counters, gauges, growth: None, look }
    }

    fn fold(&mut self, page: MetricsPage, look: u64) {
        let grown = self.grown(&page);
        self.growth = Some(self.growth.map_or(grown, |growth| growth.max(grown)));
        self.look = look;
        if let Some(now) = page.started {
            self.started = Some((self.started.map_or(now, |(first, _)| first), now));
        }
        self.counters.extend(page.counters);
        self.gauges = page.gauges;
    }

    /// Whether a page may be of this process: the same start, and no engine whose counters fell.
    fn fits(&self, page: &MetricsPage) -> bool {
        let is_same = match (self.started, page.started) {
            (Some((_, known)), Some(now)) => (known - now).abs() <= SAME_START_S,
            _ => true,
        };
        is_same && !self.has_fallen(page)
    }

    /// Whether the counters of an engine fell: more than half of those with its labels that were
    /// above zero. A single one that falls is a metric that is no counter.
    fn has_fallen(&self, page: &MetricsPage) -> bool {
        let mut engines: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (key, now) in &page.counters {
            let Some(before) = self.counters.get(key).filter(|before| **before > 0.0) else {
                continue;
            };
            let (counted, fell) = engines.entry(&key.1).or_default();
            *counted += 1;
            *fell += u64::from(now < before);
        }
        engines.values().any(|(counted, fell)| fell * 2 > *counted)
    }

    /// Returns by how much the counters of a page are above those of the process, all together.
    fn grown(&self, page: &MetricsPage) -> f64 {
        let above = |(key, now): (&(usize, String), &f64)| Some(now - self.counters.get(key)?);
        page.counters.iter().filter_map(above).sum::<f64>().abs()
    }

    fn values(&self, index: usize) -> impl Iterator<Item = f64> {
        let of = move |values: &LabelledValues| -> Vec<f64> {
            let at = |key: &(usize, String)| key.0 == index;
            values.iter().filter(|(key, _)| at(key)).map(|(_, value)| *value).collect()
        };
        of(&self.counters).into_iter().chain(of(&self.gauges))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Page of engines with two counters each, `None` for a page without a start time.
    fn page(started: Option<f64>, engines: &[(&str, f64)]) -> MetricsPage {
        let mut page = MetricsPage { started, ..MetricsPage::default() };
        for (labels, tokens) in engines {
            page.counters.insert((0, (*labels).to_owned()), *tokens);
            page.counters.insert((1, (*labels).to_owned()), tokens * 3.0);
        }
        page
    }

    /// Start time and engines of a page.
    type Told<'a> = (Option<f64>, &'a [(&'a str, f64)]);

    fn numbers(pages: &[Told<'_>]) -> (Vec<u64>, MetricsProcesses) {
        let mut processes = MetricsProcesses::default();
        let take = |(started, engines): &Told<'_>| processes.fold(page(*started, engines)).unwrap();
        (pages.iter().map(take).collect(), processes)
    }

    const START: Option<f64> = Some(1_790_000_000.0);

    #[test]
    fn a_start_time_that_jitters_is_one_process() {
        let jitter = |s: f64| Some(1_790_000_000.0 + s);
        let (numbers, processes) = numbers(&[
            (jitter(0.0), &[("", 1.0)]),
            (jitter(0.9), &[("", 2.0)]),
            (jitter(2.0), &[("", 3.0)]),
            (jitter(0.1), &[("", 4.0)]),
        ]);
        assert_eq!(numbers, [1, 1, 1, 1]);
        assert_eq!(processes.started(), [1_790_000_000.0], "told as first read");
    }

    #[test]
    fn a_series_that_a_page_lacks_keeps_its_value() {
        let both: &[(&str, f64)] = &[("a", 10.0), ("b", 500.0)];
        let (numbers, processes) =
            numbers(&[(START, both), (START, &[("a", 12.0)]), (START, &[("a", 14.0)])]);
        assert_eq!(numbers, [1, 1, 1]);
        assert_eq!(processes.values(0), [14.0, 500.0]);
    }

    #[test]
    fn replicas_that_answer_in_turn_are_counted_together() {
        let other = START.map(|start| start + 37.0);
        let (numbers, processes) = numbers(&[
            (START, &[("", 10.0)]),
            (other, &[("", 3.0)]),
            (START, &[("", 20.0)]),
            (other, &[("", 6.0)]),
        ]);
        assert_eq!(numbers, [1, 2, 1, 2]);
        assert_eq!(processes.values(0), [20.0, 6.0]);
    }

    #[test]
    fn replicas_without_a_start_time_are_known_by_their_counters() {
        let (numbers, _) = numbers(&[
            (None, &[("", 1000.0)]),
            (None, &[("", 300.0)]),
            (None, &[("", 1010.0)]),
            (None, &[("", 310.0)]),
            (None, &[("", 1020.0)]),
        ]);
        assert_eq!(numbers, [1, 2, 1, 2, 1]);
    }

    #[test]
    fn a_restart_without_a_start_time_is_another_process_also_when_it_has_caught_up() {
        let tokens = [100.0, 150.0, 5.0, 40.0, 80.0, 120.0, 160.0, 200.0];
        let mut processes = MetricsProcesses::default();
        let numbers = tokens.map(|tokens| processes.fold(page(None, &[("", tokens)])).unwrap());
        assert_eq!(numbers, [1, 1, 2, 2, 2, 2, 2, 2]);
        assert_eq!(processes.values(0), [200.0]);
    }

    #[test]
    fn one_engine_of_several_that_begins_anew_is_another_process() {
        let (numbers, _) = numbers(&[
            (START, &[("0", 500.0), ("1", 500.0)]),
            (START, &[("0", 9000.0), ("1", 3.0)]),
            (START, &[("0", 9100.0), ("1", 30.0)]),
        ]);
        assert_eq!(numbers, [1, 2, 2], "though the sum rose");
    }

    #[test]
    fn a_single_metric_that_falls_is_no_other_process() {
        let mut processes = MetricsProcesses::default();
        for preemptions in [5.0, 4.0, 5.0, 4.0] {
            let mut page = page(START, &[("", 100.0)]);
            page.counters.insert((2, String::new()), preemptions);
            assert_eq!(processes.fold(page), Some(1));
        }
    }

    #[test]
    fn a_page_without_any_counter_has_no_process_of_its_own() {
        let mut processes = MetricsProcesses::default();
        assert_eq!(processes.fold(MetricsPage::default()), None);
        assert_eq!(processes.fold(page(START, &[])), Some(1));
        assert_eq!(processes.fold(MetricsPage::default()), None);
    }
}
