//! Computes coverage: the share of the run in which a source that can observe an event was reading.
//! An event that no source could observe is "not observed", which is different from zero.
//!
//! Coverage is a share of time, not a number of looks. A request in flight covers all of its time. A
//! look at the endpoint shows an instant, so that an outage between two looks is not seen, and the
//! coverage says how long one may have been. Two looks at one process show that it did not restart
//! between them.

mod looks;
mod pages;
mod ranges;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::fact::{Entry, Fact, Missed, Reading, Segment, Source};
use crate::measure::Count;
use crate::series::{self, LOG_DROPPED, NEEDS, Observer, UP};
use crate::unit::At;

use super::Calendar;
use super::calendar::SegmentSpan;
use looks::Looks;
use pages::MetricsLooks;
use ranges::Ranges;
pub(crate) use requests::HeldWait;
use requests::{FirstTokenWaits, observed, recoveries};

/// Microseconds of a second.
const SECOND_US: u64 = 1_000_000;

/// Time before a reading that it covers, microseconds: its cadence.
const READING_US: u64 = 10 * SECOND_US;

/// Longest time between two looks at the endpoint that counts as looked at, microseconds: the
/// cadence of a reading, and its delay.
const SPACED_US: u64 = READING_US + SECOND_US;

/// Time within which no server ends and is back, microseconds.
const BACK_US: u64 = 100_000;

/// Reason given where the server received no load at all.
const NO_LOAD: &str = "no load began";

/// Reason given where metrics did not change although requests were answered.
const STALE: &str = "answered, and no counter in it changed while tokens came";

/// Share of the run that every needed source must cover for a gate on events to pass.
pub(crate) const COVERED_MIN: f64 = 0.95;

/// Source, with the share of the run in which it was reading.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceCoverage {
    /// Name in reports.
    pub name: &'static str,
    /// Share of the run, 0 to 1.
    pub share: f64,
    /// Reason why the source was not reading, if known.
    pub why: String,
}

impl SourceCoverage {
    /// Formats the name and the gap: `server log not read`, `kernel 12 %`.
    pub(crate) fn in_words(&self) -> String {
        let percent = (self.share * 100.0).floor();
        match (self.share > 0.0, self.why.is_empty()) {
            (true, _) => format!("{} {percent} %", self.name),
            (false, true) => format!("{} none", self.name),
            (false, false) => format!("{} {}", self.name, self.why),
        }
    }
}

/// Coverage of one kind of event. All of its sources are needed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CountCoverage {
    pub count: Count,
    /// Sources that are needed to observe the events.
    pub sources: Vec<SourceCoverage>,
    /// Seconds that an outage may have lasted without being observed; `None` for other events, and
    /// where requests were in flight all the time.
    pub hidden_s: Option<f64>,
    /// Wait that may hide a crash or a restart; `None` for other events.
    pub held: Option<HeldWait>,
}

impl CountCoverage {
    /// Returns the share that every source covered at least.
    pub(crate) fn share(&self) -> f64 {
        self.sources.iter().map(|source| source.share).fold(1.0, f64::min)
    }

    /// Returns the sources that covered less than [`COVERED_MIN`].
    pub(crate) fn unseen(&self) -> impl Iterator<Item = &SourceCoverage> {
        self.sources.iter().filter(|source| source.share < COVERED_MIN)
    }

    /// Formats why the events may have happened unobserved.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let unseen = self.unseen().map(SourceCoverage::in_words);
        unseen.chain(self.held.iter().map(HeldWait::in_words)).collect()
    }
}

/// Coverage of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Coverage {
    pub sources: Vec<SourceCoverage>,
    /// Coverage by kind of event.
    pub counts: Vec<CountCoverage>,
}

impl Coverage {
    /// Returns the coverage of a kind of event.
    pub(crate) fn of(&self, count: Count) -> Option<&CountCoverage> {
        self.counts.iter().find(|covered| covered.count == count)
    }
}

/// Fold that records which observer was reading at what time.
#[derive(Clone, Debug, Default)]
pub(crate) struct CoverageFold {
    looked: BTreeMap<(Observer, Segment), Ranges>,
    /// Time for which a `missed` row says that the log was not read. It overrides readings nearby.
    blind: BTreeMap<(Observer, Segment), Ranges>,
    /// Looks at the endpoint.
    looks: BTreeMap<Segment, Looks>,
    /// Metrics that were read.
    pages: BTreeMap<Segment, MetricsLooks>,
    /// Waits of requests for their first token.
    waits: BTreeMap<Segment, FirstTokenWaits>,
    /// Last reading of the server's process.
    process: BTreeMap<Segment, At>,
    /// Last reading that said that the server's log had been read since the reading before it.
    log_read: BTreeMap<Segment, At>,
    /// Reason why an observer was last not reading.
    why: BTreeMap<Observer, String>,
    /// End of the last period in which the container engine could not be read, zero where it always
    /// could; `None` where no container is watched.
    contained: Option<At>,
}

impl CoverageFold {
    /// Folds an entry.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Request(request) => {
                if let Some((from, until)) = observed(request) {
                    self.set(Observer::Requests, entry.segment, from, until);
                }
                self.waits.entry(entry.segment).or_default().fold(entry, request);
                if let Some(pages) = self.pages.get_mut(&entry.segment) {
                    pages.answered(request);
                }
            }
            Fact::Reading(reading) if reading.source == Source::Engine => {
                if UP.is_of(reading) {
                    self.looks.entry(entry.segment).or_default().fold(entry.at, reading.n);
                } else {
                    self.pages.entry(entry.segment).or_default().fold(entry.at, reading);
                }
            }
            Fact::Reading(reading) => self.fold_reading(entry, reading),
            Fact::Missed(missed) => self.fold_missed(entry, missed),
            _ => {}
        }
    }

    fn set(&mut self, observer: Observer, segment: Segment, from: At, until: At) {
        let ranges = self.looked.entry((observer, segment)).or_default();
        ranges.add(from.0, until.0.max(from.0));
    }

    fn fold_reading(&mut self, entry: &Entry, reading: &Reading) {
        if reading.name == LOG_DROPPED && reading.last > 0.0 {
            let why = format!("without {} bytes of long lines", reading.last);
            self.not_read(Observer::ServerLog, entry, why, At::ZERO);
        }
        // A reading covers its interval, and the second in which the run is closed.
        let before = At(entry.at.0.saturating_sub(READING_US));
        let after = At(entry.at.0.saturating_add(SECOND_US));
        let shows = series::of_reading(reading).map_or(&[][..], |series| series.shows);
        for observer in shows {
            let (from, until) = match observer {
                // A log is followed until a failure is reported, so it counts for one more interval.
                Observer::ServerLog => {
                    self.log_read.insert(entry.segment, entry.at);
                    (before, At(entry.at.0.saturating_add(READING_US)))
                }
                Observer::Container => {
                    let unseen = *self.contained.get_or_insert_default();
                    (before.max(unseen).min(after), after)
                }
                // Whoever watches a process learns that it ended, however late.
                Observer::Process => {
                    let last = self.process.insert(entry.segment, entry.at);
                    (last.unwrap_or(before).min(after), after)
                }
                _ => (before, after),
            };
            self.set(*observer, entry.segment, from, until);
        }
    }

    fn fold_missed(&mut self, entry: &Entry, missed: &Missed) {
        let Some(observer) = Observer::missed(missed) else { return };
        match observer {
            Observer::ServerLog => {
                // The first failure of an interval is reported at once, right after a reading.
                let read = self.log_read.get(&entry.segment).copied().unwrap_or(At::ZERO);
                self.not_read(observer, entry, missed.why.clone(), read);
            }
            _ => {
                self.why.insert(observer, missed.why.clone());
            }
        }
        if observer == Observer::Container {
            self.contained = Some(entry.at);
        }
    }

    /// Marks the interval before an entry, as far as it is after `read`, as one in which a log was
    /// not read.
    fn not_read(&mut self, observer: Observer, entry: &Entry, why: String, read: At) {
        self.why.insert(observer, why);
        let from = read.0.max(entry.at.0.saturating_sub(READING_US)).min(entry.at.0);
        let blind = self.blind.entry((observer, entry.segment)).or_default();
        blind.add(from, entry.at.0);
    }

    /// Returns the coverage of the time that the calendar gives.
    pub(crate) fn finish(mut self, calendar: &Calendar) -> Coverage {
        self.pages.values_mut().for_each(MetricsLooks::close);
        let mut names = vec![
            Observer::Requests,
            Observer::Probes,
            Observer::Metrics,
            Observer::ServerLog,
            Observer::Kernel,
        ];
        names.extend(self.contained.map(|_| Observer::Container));
        names.extend((!self.process.is_empty()).then_some(Observer::Process));
        let source = |observer: Observer| self.source(calendar, observer.word(), &[observer]);
        let mut counts: Vec<CountCoverage> = Vec::new();
        for need in NEEDS {
            let source = self.source(calendar, need.name, need.any);
            if let Some(last) = counts.last_mut().filter(|last| last.count == need.count) {
                last.sources.push(source);
                continue;
            }
            let is_outage = need.count == Count::Outages;
            let hidden_s = is_outage.then(|| self.hidden_s(calendar)).flatten();
            let needs_same = need.any.contains(&Observer::Metrics);
            let held = needs_same.then(|| self.held(calendar)).flatten();
            counts.push(CountCoverage { count: need.count, sources: vec![source], hidden_s, held });
        }
        Coverage { sources: names.into_iter().map(source).collect(), counts }
    }

    fn source(&self, calendar: &Calendar, name: &'static str, any: &[Observer]) -> SourceCoverage {
        let share = self.share(calendar, any);
        let why = match share < COVERED_MIN {
            true if calendar.load_began_at_all() => self.why(any),
            true => NO_LOAD.to_owned(),
            false => String::new(),
        };
        SourceCoverage { name, share, why }
    }

    /// Returns the share of the time since the load began in which any of these was reading.
    fn share(&self, calendar: &Calendar, any: &[Observer]) -> f64 {
        let (mut seen, mut all) = (0u64, 0u64);
        for (segment, spans) in required(calendar) {
            let mut looked = Ranges::default();
            for (from, until) in any.iter().flat_map(|it| self.seen(calendar, *it, segment)) {
                looked.add(from, until);
            }
            // Looks at the endpoint that follow each other soon show what is between them.
            let spaced_us = if any.contains(&Observer::Probes) { SPACED_US } else { BACK_US };
            let last = spans.last().copied();
            for (from, until) in spans {
                all += until - from;
                let is_unseen = |(begin, end): &(u64, u64)| {
                    let ends = (from, until) == last.unwrap_or_default() && *end == until;
                    let gap_us = end - begin;
                    // After the last look nobody knows.
                    gap_us > spaced_us
                        || gap_us > BACK_US && ends && !looked.begin_in(*end, begin + spaced_us)
                };
                let gaps = looked.gaps(from, until).into_iter().filter(is_unseen);
                let unseen: u64 = gaps.map(|(begin, end)| end - begin).sum();
                seen += if looked.is_empty() { 0 } else { until - from - unseen };
            }
        }
        if all == 0 { 0.0 } else { seen as f64 / all as f64 }
    }

    /// Returns the longest time in which neither a request was in flight nor a look at the endpoint
    /// was taken, in seconds.
    fn hidden_s(&self, calendar: &Calendar) -> Option<f64> {
        let mut longest_us = 0;
        for (segment, spans) in required(calendar) {
            let mut sights = Ranges::default();
            for observer in [Observer::Requests, Observer::Probes] {
                for (from, until) in self.seen(calendar, observer, segment) {
                    sights.add(from, until);
                }
            }
            let gaps = spans.into_iter().flat_map(|(from, until)| sights.gaps(from, until));
            longest_us = gaps.map(|(from, until)| until - from).fold(longest_us, u64::max);
        }
        (longest_us > BACK_US).then_some(longest_us as f64 / 1e6)
    }

    /// Returns the longest wait for a first token in which a restart may have been hidden.
    fn held(&self, calendar: &Calendar) -> Option<HeldWait> {
        let unread = MetricsLooks::default();
        let held = self.waits.iter().filter_map(|(segment, waits)| {
            let pages = self.pages.get(segment).unwrap_or(&unread);
            let mut known = pages.surely_same(&calendar.new_processes(*segment));
            known.extend(observed_incidents(calendar, *segment).all());
            known.extend(recoveries(calendar, *segment));
            for observer in [Observer::Process, Observer::Container] {
                known.extend(self.seen(calendar, observer, *segment));
            }
            waits.held(&known, pages.is_one())
        });
        held.max_by(|one, other| one.silent_s.total_cmp(&other.silent_s))
    }

    /// Returns the ranges in which an observer was reading; of looks at the endpoint, the instants.
    fn seen(&self, calendar: &Calendar, of: Observer, segment: Segment) -> Vec<(u64, u64)> {
        let looked = || self.looked.get(&(of, segment));
        let pages = self.pages.get(&segment);
        match of {
            Observer::Probes => {
                self.looks.get(&segment).map(|it| it.instants().all().collect()).unwrap_or_default()
            }
            Observer::Metrics => {
                pages.map(|it| it.same(&calendar.new_processes(segment))).unwrap_or_default()
            }
            Observer::Progress => pages.map(MetricsLooks::progress).unwrap_or_default(),
            Observer::Requests
            | Observer::ServerLog
            | Observer::Kernel
            | Observer::Container
            | Observer::Process => {
                let looked = looked().into_iter().flat_map(Ranges::all);
                match self.blind.get(&(of, segment)) {
                    Some(blind) => {
                        looked.flat_map(|(from, until)| blind.gaps(from, until)).collect()
                    }
                    None => looked.collect(),
                }
            }
        }
    }

    /// Returns why these were not reading. Observers that use the engine's endpoint share its
    /// reason.
    fn why(&self, any: &[Observer]) -> String {
        let Some(last) = any.last() else { return String::new() };
        let is_stale = self.pages.values().any(MetricsLooks::is_stale);
        if is_stale && matches!(last, Observer::Metrics | Observer::Progress) {
            return STALE.to_owned();
        }
        let (reported, else_told) = match last {
            Observer::Requests => return String::new(),
            Observer::Probes | Observer::Metrics => (Observer::Probes, ""),
            Observer::Progress => (Observer::Probes, "not watched"),
            Observer::ServerLog | Observer::Kernel => (*last, "not read"),
            Observer::Container | Observer::Process => (*last, ""),
        };
        self.why.get(&reported).cloned().unwrap_or_else(|| else_told.to_owned())
    }
}

/// Returns the time since the load began in each segment. What happened to the server is left out:
/// it was observed, and no other event can happen to a server that is down.
fn required(calendar: &Calendar) -> Vec<(Segment, Vec<(u64, u64)>)> {
    let mut required = Vec::new();
    for SegmentSpan { segment, end, .. } in &calendar.segments {
        let Some(began) = calendar.load_began(*segment) else { continue };
        let observed = observed_incidents(calendar, *segment);
        // At the end of a run nothing is sent any more, so no observation is required.
        let before = || At(end.0.saturating_sub(SECOND_US));
        let end = calendar.drain_began(*segment).unwrap_or_else(before).0;
        required.push((*segment, observed.gaps(began.0, end)));
    }
    required
}

/// Returns the time of the incidents of a segment.
fn observed_incidents(calendar: &Calendar, segment: Segment) -> Ranges {
    let mut observed = Ranges::default();
    for incident in calendar.incidents.iter().filter(|it| it.segment == segment) {
        let until = incident.until.unwrap_or_else(|| calendar.end(segment));
        observed.add(incident.from.0, until.0.max(incident.from.0));
    }
    observed
}
