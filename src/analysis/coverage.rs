//! What could have been seen: for how much of the run a source that would have
//! seen an event was looking. An event that nobody could see was not observed,
//! which is something else than zero.
//!
//! Time is cut into slots of one second, a bit each: 32 KiB for three days.

use crate::fact::{Entry, Fact, LOG_LINES, Segment, Source};
use crate::incident::cause::OOM_KILLS;
use crate::incident::liveness::{STARTED, UP};
use crate::measure::Count;
use crate::unit::At;

use super::Calendar;

/// Length of a slot, microseconds.
const SLOT_US: u64 = 1_000_000;

/// A reading speaks for so many seconds before it: its cadence.
const READING_SECONDS: u64 = 10;

/// The reading of whoever asks a container's engine what became of it.
const RUNNING: &str = "running";

/// Why nothing was looked at where the server was not driven at all.
const NO_LOAD: &str = "no load began";

/// The share of the run that every needed half must have covered for a gate on events to pass.
pub const COVERED_MIN: f64 = 0.95;

/// One source, and for how much of the run it was looking.
#[derive(Clone, Debug, PartialEq)]
pub struct Half {
    /// Its name in reports.
    pub name: &'static str,
    /// The share of the run, 0 to 1.
    pub share: f64,
    /// Why it was dark, where that is known.
    pub why: String,
}

impl Half {
    /// Its name, and how dark it was: `server log not read`, `kernel 12 %`.
    pub fn in_words(&self) -> String {
        let percent = (self.share * 100.0).floor();
        match (self.share > 0.0, self.why.is_empty()) {
            (true, _) => format!("{} {percent} %", self.name),
            (false, true) => format!("{} none", self.name),
            (false, false) => format!("{} {}", self.name, self.why),
        }
    }
}

/// What could have seen one kind of event. All halves are needed.
#[derive(Clone, Debug, PartialEq)]
pub struct Covered {
    /// The events.
    pub count: Count,
    /// What is needed to see them.
    pub halves: Vec<Half>,
}

impl Covered {
    /// The share that every half covered at least.
    pub fn share(&self) -> f64 {
        self.halves.iter().map(|half| half.share).fold(1.0, f64::min)
    }

    /// Halves that were not looking for long enough.
    pub fn dark(&self) -> impl Iterator<Item = &Half> {
        self.halves.iter().filter(|half| half.share < COVERED_MIN)
    }
}

/// What could have been seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    /// By source.
    pub sources: Vec<Half>,
    /// By kind of event.
    pub counts: Vec<Covered>,
}

impl Coverage {
    /// What could have seen these events.
    pub fn of(&self, count: Count) -> Option<&Covered> {
        self.counts.iter().find(|covered| covered.count == count)
    }
}

/// Bits by segment and second.
#[derive(Clone, Debug, Default)]
struct Slots(Vec<(Segment, Vec<u64>)>);

impl Slots {
    fn set(&mut self, segment: Segment, from: At, until: At) {
        if self.0.last().is_none_or(|(last, _)| *last != segment) {
            self.0.push((segment, Vec::new()));
        }
        let Some((_, words)) = self.0.last_mut() else { return };
        for slot in from.0 / SLOT_US..=until.0.max(from.0) / SLOT_US {
            let index = (slot / 64) as usize;
            if words.len() <= index {
                words.resize(index + 1, 0);
            }
            words[index] |= 1 << (slot % 64);
        }
    }

    fn has(&self, segment: Segment, slot: u64) -> bool {
        let words = self.0.iter().find(|(of, _)| *of == segment).map(|(_, words)| words);
        words
            .and_then(|words| words.get((slot / 64) as usize))
            .is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }
}

/// The fold that sees who was looking when.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    in_flight: Slots,
    probe: Slots,
    process: Slots,
    progress: Slots,
    kernel: Slots,
    log: Slots,
    container: Slots,
    /// Nothing where no container is watched, else until when its engine was dark, if it was.
    contained: Option<At>,
    container_why: String,
    log_why: String,
    probe_why: String,
    kernel_why: String,
}

impl Watch {
    /// Takes an entry.
    pub fn take(&mut self, entry: &Entry) {
        // A reading speaks for its interval, and for the second in which the run is closed.
        let before = At(entry.at.0.saturating_sub(READING_SECONDS * SLOT_US));
        let after = At(entry.at.0 + SLOT_US);
        match &entry.fact {
            Fact::Request(request) => {
                self.in_flight.set(entry.segment, request.sent, request.done);
            }
            Fact::Reading(reading) if reading.source == Source::Engine => {
                self.probe.set(entry.segment, before, after);
                if reading.name != UP
                    && (reading.name.ends_with(STARTED) || reading.name.ends_with("_total"))
                {
                    self.process.set(entry.segment, before, after);
                }
                if reading.name.ends_with("_total") {
                    self.progress.set(entry.segment, before, after);
                }
            }
            Fact::Reading(reading)
                if reading.source == Source::Kernel && reading.name == OOM_KILLS =>
            {
                self.kernel.set(entry.segment, before, after);
            }
            // The kernel's log is counted too, and is not the server's.
            Fact::Reading(reading)
                if reading.source != Source::Kernel && reading.name == LOG_LINES =>
            {
                // Whoever follows a log goes on following it until it says otherwise.
                let after = At(entry.at.0 + READING_SECONDS * SLOT_US);
                self.log.set(entry.segment, before, after);
            }
            // Its cgroup is read by others, who need no engine.
            Fact::Reading(reading)
                if reading.source == Source::Container && reading.name == RUNNING =>
            {
                let dark = self.contained.unwrap_or_default();
                self.container.set(entry.segment, before.max(dark).min(after), after);
                self.contained = Some(dark);
            }
            Fact::Missed(missed)
                if matches!(missed.source, Source::Process | Source::Container)
                    && missed.what.contains("log") =>
            {
                self.log_why.clone_from(&missed.why);
            }
            Fact::Missed(missed)
                if missed.source == Source::Container
                    && matches!(missed.what.as_str(), "events" | "state") =>
            {
                self.container_why.clone_from(&missed.why);
                self.contained = Some(entry.at);
            }
            Fact::Missed(missed) if missed.source == Source::Engine => {
                self.probe_why.clone_from(&missed.why);
            }
            Fact::Missed(missed) if missed.source == Source::Kernel => {
                self.kernel_why.clone_from(&missed.why);
            }
            _ => {}
        }
    }

    /// What could have been seen, of the time that the calendar gives.
    pub fn finish(&self, calendar: &Calendar) -> Coverage {
        let began = calendar.load_began_at_all();
        let half = |name, any: &[&Slots], why: &str| {
            let share = share(calendar, any);
            let why = match share < COVERED_MIN {
                true if began => why.to_owned(),
                true => NO_LOAD.to_owned(),
                false => String::new(),
            };
            Half { name, share, why }
        };
        let (requests, probes) = (&self.in_flight, &self.probe);
        let seen_away = || half("probes or requests", &[requests, probes], &self.probe_why);
        let seen_anew = half("metrics or requests", &[requests, &self.process], &self.probe_why);
        let log_why = if self.log_why.is_empty() { "not read" } else { &self.log_why };
        let log = || half("server log", &[&self.log], log_why);
        let kernel_why = if self.kernel_why.is_empty() { "not read" } else { &self.kernel_why };
        let kernel = || half("kernel", &[&self.kernel], kernel_why);
        let progress_why = if self.probe_why.is_empty() { "not watched" } else { &self.probe_why };
        let progress = half("engine progress", &[&self.progress], progress_why);
        let mut sources = vec![
            half("requests", &[requests], ""),
            half("probes", &[probes], &self.probe_why),
            half("metrics", &[&self.process], &self.probe_why),
            log(),
            kernel(),
        ];
        if self.contained.is_some() {
            sources.push(half("container", &[&self.container], &self.container_why));
        }
        Coverage {
            sources,
            counts: vec![
                Covered { count: Count::Crashes, halves: vec![seen_away()] },
                Covered { count: Count::Ooms, halves: vec![log(), kernel()] },
                Covered { count: Count::Restarts, halves: vec![seen_anew] },
                Covered { count: Count::Hangs, halves: vec![progress] },
                Covered { count: Count::Outages, halves: vec![seen_away()] },
            ],
        }
    }
}

/// The share of the time since the load began in which any of these was looking. Outages
/// are left out: they are seen, and nothing further can befall a server that is not there.
fn share(calendar: &Calendar, any: &[&Slots]) -> f64 {
    let (mut seen, mut all) = (0u64, 0u64);
    for span in &calendar.segments {
        let Some(began) = calendar.load_began(span.segment) else { continue };
        // The last second is not whole, so nothing has to be seen in it.
        let outages: Vec<(u64, u64)> = calendar
            .outages()
            .filter(|(segment, ..)| *segment == span.segment)
            .map(|(_, from, until)| (from.0 / SLOT_US, until.0 / SLOT_US))
            .collect();
        for slot in began.0 / SLOT_US..span.end.0 / SLOT_US {
            if outages.iter().any(|(from, until)| (*from..=*until).contains(&slot)) {
                continue;
            }
            all += 1;
            seen += u64::from(any.iter().any(|slots| slots.has(span.segment, slot)));
        }
    }
    if all == 0 { 0.0 } else { seen as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Pass1;
    use crate::fact::Missed;
    use crate::incident::story::Story;

    fn coverage(story: &Story) -> Coverage {
        let (mut pass, mut watch) = (Pass1::new(), Watch::default());
        for entry in &story.entries {
            pass.take(entry);
            watch.take(entry);
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
            let (source, what) = (Source::Container, "state".to_owned());
            Fact::Missed(Missed { source, what, why: why.to_owned(), times: 1 })
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
        let half = coverage.sources.iter().find(|half| half.name == "container").unwrap();
        assert!(half.share > 0.55 && half.share < 0.70, "{half:?}");
        assert_eq!(half.why, "no daemon");
    }

    #[test]
    fn where_no_load_began_it_is_not_said_that_nobody_looked() {
        let mut story = Story::new();
        story.opened().reading(10.0, Source::Process, LOG_LINES, 3.0).up(20.0, true);
        let coverage = coverage(&story);
        assert!(coverage.sources.iter().all(|half| half.why == NO_LOAD), "{coverage:?}");
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
        let dark = coverage.of(Count::Ooms).unwrap().dark().next().unwrap();
        assert_eq!(dark.in_words(), "server log not read");
    }

    #[test]
    fn the_kernel_of_a_server_that_is_elsewhere_is_dark_and_says_where_it_is() {
        let mut story = Story::soaking();
        let why = "is on another machine: spark".to_owned();
        let (source, what) = (Source::Kernel, "kernel".to_owned());
        story.push(50.0, Fact::Missed(Missed { source, what, why, times: 1 })).up(100.0, true);
        let coverage = coverage(&story);
        let words: Vec<String> =
            coverage.of(Count::Ooms).unwrap().dark().map(Half::in_words).collect();
        assert_eq!(words, ["server log not read", "kernel is on another machine: spark"]);
    }

    #[test]
    fn ooms_need_both_halves_and_the_dark_one_is_named() {
        let mut story = Story::soaking();
        (1..=10).for_each(|index| {
            story.reading(f64::from(index) * 10.0, Source::Kernel, OOM_KILLS, 0.0);
        });
        let coverage = coverage(&story);
        let dark: Vec<&str> =
            coverage.of(Count::Ooms).unwrap().dark().map(|half| half.name).collect();
        assert_eq!(dark, ["server log"]);
    }
}
