//! Computes coverage: the share of the run in which a source that can observe an event was reading.
//! An event that no source could observe is "not observed", which is different from zero.
//!
//! Time is counted in whole seconds.

mod seconds;

use std::collections::BTreeMap;

use crate::fact::{Entry, Fact, Missed, Reading, Segment};
use crate::measure::Count;
use crate::series::{self, NEEDS, Observer};
use crate::unit::At;

use super::Calendar;
use super::calendar::SegmentSpan;
use seconds::Seconds;

/// Microseconds of a second.
const SECOND_US: u64 = 1_000_000;

/// Seconds before a reading that it covers: its cadence.
const READING_SECONDS: u64 = 10;

/// Reason given where the server received no load at all.
const NO_LOAD: &str = "no load began";

/// Share of the run that every needed source must cover for a gate on events to pass.
pub(crate) const COVERED_MIN: f64 = 0.95;

/// Source, with the share of the run in which it was reading.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceCoverage {
    /// Name in reports.
    pub name: &'static str,
    /// Share of the run, 0 to 1.
    pub share: f64,
    /// Reason why the source was not reading, where that is known.
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
    looked: BTreeMap<(Observer, Segment), Seconds>,
    /// Seconds in which a log was said not to be read, whatever a reading near them covers.
    blind: BTreeMap<(Observer, Segment), Seconds>,
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
                self.set(Observer::Requests, entry.segment, request.sent, request.done);
            }
            Fact::Reading(reading) => self.fold_reading(entry, reading),
            Fact::Missed(missed) => self.fold_missed(entry, missed),
            _ => {}
        }
    }

    fn set(&mut self, observer: Observer, segment: Segment, from: At, until: At) {
        let (from, until) = (from.0 / SECOND_US, until.0.max(from.0) / SECOND_US);
        self.looked.entry((observer, segment)).or_default().add(from, until + 1);
    }

    fn fold_reading(&mut self, entry: &Entry, reading: &Reading) {
        // A reading covers its interval, and the second in which the run is closed.
        let before = At(entry.at.0.saturating_sub(READING_SECONDS * SECOND_US));
        let after = At(entry.at.0.saturating_add(SECOND_US));
        let shows = series::of_reading(reading).map_or(&[][..], |series| series.shows);
        for observer in shows {
            let (from, until) = match observer {
                // A log is followed until a failure is reported, so it counts for one more interval.
                Observer::ServerLog => {
                    (before, At(entry.at.0.saturating_add(READING_SECONDS * SECOND_US)))
                }
                Observer::Container => {
                    let unseen = *self.contained.get_or_insert_default();
                    (before.max(unseen).min(after), after)
                }
                _ => (before, after),
            };
            self.set(*observer, entry.segment, from, until);
        }
    }

    fn fold_missed(&mut self, entry: &Entry, missed: &Missed) {
        let Some(observer) = Observer::missed(missed) else { return };
        self.why.insert(observer, missed.why.clone());
        let until = entry.at.0 / SECOND_US;
        match observer {
            Observer::Container => self.contained = Some(entry.at),
            Observer::ServerLog => {
                let blind = self.blind.entry((observer, entry.segment)).or_default();
                blind.add(until.saturating_sub(READING_SECONDS), until);
            }
            _ => {}
        }
    }

    /// Returns the coverage of the time that the calendar gives.
    pub(crate) fn finish(&self, calendar: &Calendar) -> Coverage {
        let mut names = vec![
            Observer::Requests,
            Observer::Probes,
            Observer::Metrics,
            Observer::ServerLog,
            Observer::Kernel,
        ];
        names.extend(self.contained.map(|_| Observer::Container));
        let source = |observer: Observer| self.source(calendar, observer.word(), &[observer]);
        let mut counts: Vec<CountCoverage> = Vec::new();
        for need in NEEDS {
            let source = self.source(calendar, need.name, need.any);
            match counts.last_mut().filter(|last| last.count == need.count) {
                Some(last) => last.sources.push(source),
                None => counts.push(CountCoverage { count: need.count, sources: vec![source] }),
            }
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
    /// Outages are left out: they are observed themselves, and no other event can happen to a
    /// server that is down.
    fn share(&self, calendar: &Calendar, any: &[Observer]) -> f64 {
        let (mut seen, mut all) = (0u64, 0u64);
        for SegmentSpan { segment, end, .. } in &calendar.segments {
            let Some(began) = calendar.load_began(*segment) else { continue };
            let (mut outages, mut looked) = (Seconds::default(), Seconds::default());
            for (_, from, until) in calendar.outages().filter(|(of, ..)| of == segment) {
                outages.add(from.0 / SECOND_US, until.0.max(from.0) / SECOND_US + 1);
            }
            for (from, until) in any.iter().flat_map(|it| self.seen((*it, *segment))) {
                looked.add(from, until);
            }
            // The last second is incomplete, so no observation is required in it.
            for (from, until) in outages.gaps(began.0 / SECOND_US, end.0 / SECOND_US) {
                all += until - from;
                seen += looked.count(from, until);
            }
        }
        if all == 0 { 0.0 } else { seen as f64 / all as f64 }
    }

    /// Returns the seconds in which an observer was reading.
    fn seen(&self, of: (Observer, Segment)) -> Vec<(u64, u64)> {
        let looked = self.looked.get(&of).into_iter().flat_map(Seconds::ranges);
        match self.blind.get(&of) {
            Some(blind) => looked.flat_map(|(from, until)| blind.gaps(from, until)).collect(),
            None => looked.collect(),
        }
    }

    /// Returns why these were not reading. Observers that use the engine's endpoint share its
    /// reason.
    fn why(&self, any: &[Observer]) -> String {
        let Some(last) = any.last() else { return String::new() };
        let (told, else_told) = match last {
            Observer::Requests => return String::new(),
            Observer::Probes | Observer::Metrics => (Observer::Probes, ""),
            Observer::Progress => (Observer::Probes, "not watched"),
            Observer::ServerLog | Observer::Kernel => (*last, "not read"),
            Observer::Container => (*last, ""),
        };
        self.why.get(&told).cloned().unwrap_or_else(|| else_told.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::CalendarFold;
    use crate::fact::{MissedReason, Source};
    use crate::incident::fixture::Story;
    use crate::series::{LOG_LINES, OOM_KILLS};

    fn coverage(story: &Story) -> Coverage {
        let (mut pass, mut watch) = (CalendarFold::new(), CoverageFold::default());
        for entry in &story.entries {
            pass.fold(entry);
            watch.fold(entry);
        }
        watch.finish(&pass.finish())
    }

    fn share_of(coverage: &Coverage, count: Count) -> f64 {
        coverage.of(count).unwrap().share()
    }

    #[test]
    fn probes_every_ten_seconds_cover_crashes_but_not_restarts() {
        let mut story = Story::soaking();
        (0..=10).for_each(|index| {
            story.up(f64::from(index) * 10.0, true);
        });
        let coverage = coverage(&story);
        assert!((share_of(&coverage, Count::Crashes) - 1.0).abs() < 1e-9);
        assert!(share_of(&coverage, Count::Restarts) < 0.1);
        assert!(share_of(&coverage, Count::Ooms).abs() < 1e-9);
    }

    #[test]
    fn an_engine_that_was_away_saw_less_of_its_container() {
        let mut story = Story::soaking();
        let missed = |why: &str| {
            let (source, reason) = (Source::Container, MissedReason::Unreadable);
            Fact::Missed(Missed::once(
                source,
                series::MissedPart::State.word(),
                reason,
                why.to_owned(),
            ))
        };
        for second in 1..=10 {
            story.reading(f64::from(second * 10), Source::Container, "cgroup_oom_kills", 0.0);
        }
        for second in [10, 20, 30] {
            story.reading(f64::from(second), Source::Container, "running", 1.0);
        }
        story.push(38.0, missed("no daemon")).push(68.0, missed("no daemon"));
        for second in [73, 83, 93, 100] {
            story.reading(f64::from(second), Source::Container, "running", 1.0);
        }
        story.up(101.0, true);
        let coverage = coverage(&story);
        let source = coverage.sources.iter().find(|source| source.name == "container").unwrap();
        assert!(source.share > 0.55 && source.share < 0.70, "{source:?}");
        assert_eq!(source.why, "no daemon");
    }

    #[test]
    fn a_log_that_was_not_read_for_an_interval_is_not_covered_by_those_beside_it() {
        let log = |gap: &[u32]| {
            let mut story = Story::soaking();
            for second in (10..=100).step_by(10) {
                let at = f64::from(second);
                if gap.contains(&second) {
                    let why = "no such file".to_owned();
                    let reason = MissedReason::Unreadable;
                    let missed = Missed::once(Source::Process, LOG_LINES, reason, why);
                    story.push(at, Fact::Missed(missed));
                } else {
                    story.reading(at, Source::Process, LOG_LINES, 0.0);
                }
            }
            story.up(100.0, true);
            let coverage = coverage(&story);
            coverage.sources.into_iter().find(|source| source.name == "server log").unwrap()
        };
        let quiet = log(&[]);
        assert!((quiet.share - 1.0).abs() < 1e-9, "a quiet log is read: {quiet:?}");
        let source = log(&[40]);
        assert!((source.share - 0.9).abs() < 1e-9 && source.why == "no such file", "{source:?}");
        let gone = log(&[20, 70, 80, 90, 100]);
        assert!((gone.share - 0.5).abs() < 1e-9, "{gone:?}");
    }

    #[test]
    fn a_stamp_beyond_all_years_is_counted_like_any_other() {
        let mut story = Story::soaking();
        story.up(10.0, true).up(9e12, true);
        let coverage = coverage(&story);
        assert!(share_of(&coverage, Count::Crashes) < 1e-6);
    }

    #[test]
    fn where_no_load_began_it_is_not_said_that_nobody_looked() {
        let mut story = Story::new();
        story.opened().reading(10.0, Source::Process, LOG_LINES, 3.0).up(20.0, true);
        let coverage = coverage(&story);
        assert!(coverage.sources.iter().all(|source| source.why == NO_LOAD), "{coverage:?}");
    }

    #[test]
    fn requests_in_flight_cover_restarts_as_long_as_they_fly() {
        let mut story = Story::soaking();
        let mut request = story.request(0.0, 0);
        request.done = Story::at(50.0);
        story.push(50.0, Fact::Request(Box::new(request))).up(100.0, true);
        let share = share_of(&coverage(&story), Count::Restarts);
        assert!((share - 0.51).abs() < 0.011, "{share}");
    }

    #[test]
    fn the_kernels_log_is_not_the_servers() {
        let mut story = Story::soaking();
        (1..=10).for_each(|index| {
            story.reading(f64::from(index) * 10.0, Source::Kernel, LOG_LINES, 3.0);
        });
        let coverage = coverage(&story);
        let unseen = coverage.of(Count::Ooms).unwrap().unseen().next().unwrap();
        assert_eq!(unseen.in_words(), "server log not read");
    }

    #[test]
    fn the_kernel_of_a_server_that_is_elsewhere_is_dark_and_says_where_it_is() {
        let mut story = Story::soaking();
        let why = "is on another machine: spark".to_owned();
        let missed = Missed::once(Source::Kernel, "kernel", MissedReason::Unreadable, why);
        story.push(50.0, Fact::Missed(missed)).up(100.0, true);
        let coverage = coverage(&story);
        let words: Vec<String> =
            coverage.of(Count::Ooms).unwrap().unseen().map(SourceCoverage::in_words).collect();
        assert_eq!(words, ["server log not read", "kernel is on another machine: spark"]);
    }

    #[test]
    fn ooms_need_both_halves_and_the_dark_one_is_named() {
        let mut story = Story::soaking();
        (1..=10).for_each(|index| {
            story.reading(f64::from(index) * 10.0, Source::Kernel, OOM_KILLS.name, 0.0);
        });
        let coverage = coverage(&story);
        let unseen: Vec<&str> =
            coverage.of(Count::Ooms).unwrap().unseen().map(|source| source.name).collect();
        assert_eq!(unseen, ["server log"]);
    }
}
