//! What an incident was, with hindsight: joins signs that belong together, so
//! that one death counts once however many requests, probes and counters tell
//! of it.
//!
//! Over HTTP alone a crash and an operator's stop look alike: connections that
//! break or are refused, and a process that is younger than before. Both are
//! called a crash here; who stopped the server himself knows better.

use std::collections::BTreeMap;

use super::liveness::{Sign, UP, sign};
use super::{Change, Incident, Kind, Liveness};
use crate::escape::one_line;
use crate::fact::{Ended, Entry, Fact, Reading, Said, Segment, Seq, Source};
use crate::unit::At;

/// The kernel's count of processes that its OOM killer ended.
pub const OOM_KILLS: &str = "oom_kills";

/// Signs of running out of memory and of dying belong together within this time: a
/// kernel line is late, and a server takes longer than this to come up again.
const NEAR_US: u64 = 60_000_000;

/// Bounds an incident's evidence; what is beyond shows the same.
const EVIDENCE_MAX: usize = 8;

/// Bounds an incident's words.
const WORDS_CHARS_MAX: usize = 160;

/// What engines, drivers and kernels say when memory is out, in lower case.
const OOM_WORDS: [&str; 7] = [
    "cuda out of memory",
    "cuda error: out of memory",
    "outofmemoryerror",
    "cudaerrormemoryallocation",
    "cublas_status_alloc_failed",
    "oom-kill:",
    "out of memory: killed process",
];

/// Whether a text says that memory ran out.
pub fn says_oom(text: &str) -> bool {
    let text = text.to_lowercase();
    OOM_WORDS.iter().any(|words| text.contains(words))
}

/// The fold with hindsight. Incidents are few: telling two apart takes two
/// readings or probes at least.
#[derive(Clone, Debug, Default)]
pub struct Causes {
    liveness: Liveness,
    incidents: Vec<Incident>,
    /// Bad signs since the last good one, and whether they show a connection that broke.
    doubts: Vec<(Seq, bool)>,
    /// Whether the last incident is an outage that has not ended.
    open: bool,
    kills: BTreeMap<String, (At, f64)>,
}

impl Causes {
    /// Before anything happened.
    pub fn new() -> Causes {
        Causes::default()
    }

    /// The live fold inside.
    pub fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// What befell the server so far, in order.
    pub fn incidents(&self) -> &[Incident] {
        &self.incidents
    }

    /// Takes an entry.
    pub fn take(&mut self, entry: &Entry) {
        if let Fact::Opened(_) = entry.fact {
            self.doubts.clear();
            self.kills.clear();
            self.open = false;
        }
        let change = self.liveness.take(entry);
        self.note_doubt(entry);
        match change {
            Some(Change::WentAway { since, evidence }) => self.went_away(entry, since, &evidence),
            Some(Change::CameBack { .. }) => self.came_back(entry),
            Some(Change::Restarted { since, evidence }) => self.restarted(entry, since, &evidence),
            None => {}
        }
        if self.liveness.state() == super::State::Up {
            self.doubts.clear();
        }
        if let Some(words) = self.memory_words(entry) {
            self.ran_out(entry, &words);
        }
    }

    /// Keeps a bad sign; while the server is down it goes straight to the outage.
    fn note_doubt(&mut self, entry: &Entry) {
        let Some(broke) = doubt(entry) else { return };
        if self.open {
            self.show(entry.seq);
            if let Some(incident) = self.incidents.last_mut().filter(|_| broke) {
                incident.add(Kind::Crash);
            }
        } else if self.doubts.len() < EVIDENCE_MAX {
            self.doubts.push((entry.seq, broke));
        }
    }

    fn went_away(&mut self, entry: &Entry, since: At, words: &str) {
        let doubts = std::mem::take(&mut self.doubts);
        let joins =
            self.near(entry.segment, since, entry.at).is_some_and(|last| !last.is(Kind::Outage));
        if !joins {
            self.begin(entry.segment, since, words);
        }
        let Some(incident) = self.incidents.last_mut() else { return };
        incident.from = incident.from.min(since);
        incident.until = None;
        incident.add(Kind::Outage);
        if doubts.iter().any(|(_, broke)| *broke) {
            incident.add(Kind::Crash);
        }
        self.open = true;
        for (seq, _) in doubts {
            self.show(seq);
        }
    }

    fn came_back(&mut self, entry: &Entry) {
        if std::mem::take(&mut self.open) {
            self.show(entry.seq);
            if let Some(incident) = self.incidents.last_mut() {
                incident.until = Some(entry.at);
                if incident.is(Kind::Crash) {
                    incident.add(Kind::Restart); // What died and answers again came up again.
                }
            }
        }
    }

    fn restarted(&mut self, entry: &Entry, since: At, words: &str) {
        // The process before was last read before that outage ended: it is the same death.
        let same = self.incidents.last().is_some_and(|last| {
            last.segment == entry.segment && last.until.is_none_or(|until| since < until)
        });
        if !same {
            self.begin(entry.segment, since, words);
            if let Some(incident) = self.incidents.last_mut() {
                incident.until = Some(entry.at);
            }
        }
        if let Some(incident) = self.incidents.last_mut() {
            incident.add(Kind::Restart);
            incident.add(Kind::Crash);
        }
        self.show(entry.seq);
    }

    fn ran_out(&mut self, entry: &Entry, words: &str) {
        if self.near(entry.segment, entry.at, entry.at).is_none() {
            self.begin(entry.segment, entry.at, words);
        }
        let open = self.open;
        if let Some(incident) = self.incidents.last_mut() {
            if !incident.is(Kind::OutOfMemory) {
                incident.words = one_line(words, WORDS_CHARS_MAX);
            }
            incident.add(Kind::OutOfMemory);
            if !open {
                incident.until = incident.until.max(Some(entry.at));
            }
        }
        self.show(entry.seq);
    }

    /// The last incident, where something between these instants may belong to it.
    fn near(&self, segment: Segment, from: At, until: At) -> Option<&Incident> {
        self.incidents.last().filter(|last| {
            let end = last.until.map_or(u64::MAX, |until| until.0.saturating_add(NEAR_US));
            last.segment == segment
                && from.0 <= end
                && last.from.0 <= until.0.saturating_add(NEAR_US)
        })
    }

    fn begin(&mut self, segment: Segment, from: At, words: &str) {
        self.open = false;
        self.incidents.push(Incident {
            kinds: Vec::new(),
            segment,
            from,
            until: None,
            evidence: Vec::new(),
            words: one_line(words, WORDS_CHARS_MAX),
        });
    }

    /// Adds an entry to the evidence of the last incident.
    fn show(&mut self, seq: Seq) {
        if let Some(incident) = self.incidents.last_mut()
            && incident.evidence.len() < EVIDENCE_MAX
            && !incident.evidence.contains(&seq)
        {
            incident.evidence.push(seq);
        }
    }

    /// What an entry says of memory that ran out.
    fn memory_words(&mut self, entry: &Entry) -> Option<String> {
        match &entry.fact {
            Fact::Request(request) if request.ended.is_bad() && says_oom(&request.error) => {
                Some(request.error.clone())
            }
            Fact::Said(Said { line, .. }) if says_oom(line) => Some(line.clone()),
            Fact::Reading(reading)
                if reading.source == Source::Kernel && reading.name == OOM_KILLS =>
            {
                self.new_kills(entry.at, reading)
            }
            _ => None,
        }
    }

    fn new_kills(&mut self, at: At, reading: &Reading) -> Option<String> {
        let before = self.kills.get(&reading.instance).copied();
        if before.is_some_and(|(seen, _)| at < seen) {
            return None;
        }
        self.kills.insert(reading.instance.clone(), (at, reading.last));
        // A first reading of a counter is its base, unless it rose within the interval.
        let base = before.map_or(reading.min, |(_, value)| value);
        (reading.last > base).then(|| "the kernel's OOM killer ended a process".to_owned())
    }
}

/// Whether an entry is a bad sign, and whether it shows a connection that broke.
fn doubt(entry: &Entry) -> Option<bool> {
    match &entry.fact {
        Fact::Request(request) if sign(request) == Sign::Bad => Some(!matches!(
            request.ended,
            Ended::TimedOut | Ended::Stalled | Ended::Unreachable | Ended::Malformed
        )),
        Fact::Reading(reading)
            if reading.source == Source::Engine && reading.name == UP && reading.last < 0.5 =>
        {
            Some(false)
        }
        Fact::Missed(missed)
            if missed.source == Source::Engine && missed.why.to_lowercase().contains("refused") =>
        {
            Some(true)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::story::Story;

    fn incidents(story: &Story) -> Vec<Incident> {
        let mut causes = Causes::new();
        story.entries.iter().for_each(|entry| causes.take(entry));
        causes.incidents().to_vec()
    }

    fn crash() -> Story {
        let mut story = Story::new();
        story.up(0.0, true).started(0.5, 1000.0).good(9.0, 0);
        story.bad(12.0, 0, Ended::Reset, "connection reset").bad(
            12.1,
            0,
            Ended::Refused,
            "refused",
        );
        story.up(13.0, false).up(15.0, false).bad(15.5, 0, Ended::Refused, "refused");
        story.up(70.0, true);
        story
    }

    #[test]
    fn a_crash_counts_once_however_many_tell_of_it() {
        let mut story = crash();
        story.started(71.0, 1060.0).reading(71.1, Source::Engine, "vllm:prompt_tokens_total", 5.0);
        let incidents = incidents(&story);
        assert_eq!(incidents.len(), 1, "{incidents:#?}");
        let incident = &incidents[0];
        assert_eq!(incident.kinds, [Kind::Crash, Kind::Restart, Kind::Outage]);
        assert_eq!((incident.from, incident.until), (At(10_000_000), Some(At(70_000_000))));
        assert!(incident.words.contains("reset"), "{}", incident.words);
        assert!(incident.evidence.len() >= 4);
    }

    #[test]
    fn two_crashes_are_two() {
        let mut story = crash();
        story.bad(80.0, 0, Ended::Refused, "refused").up(81.0, false).up(200.0, true);
        assert_eq!(incidents(&story).len(), 2);
    }

    #[test]
    fn a_server_that_only_times_out_had_an_outage_not_a_crash() {
        let mut story = Story::new();
        story.up(0.0, true).bad(5.0, 0, Ended::TimedOut, "").up(6.0, false).up(30.0, true);
        assert_eq!(incidents(&story)[0].kinds, [Kind::Outage]);
    }

    #[test]
    fn a_changed_start_time_without_an_outage_is_a_restart_and_a_crash() {
        let mut story = Story::new();
        story.up(0.0, true).started(1.0, 1000.0).started(11.0, 1005.0).started(21.0, 1005.0);
        let incidents = incidents(&story);
        assert_eq!(incidents.len(), 1);
        assert_eq!(incidents[0].kinds, [Kind::Crash, Kind::Restart]);
    }

    #[test]
    fn two_restarts_in_a_row_are_two() {
        let mut story = Story::new();
        story.started(1.0, 1000.0).started(11.0, 1005.0).started(21.0, 1015.0);
        assert_eq!(incidents(&story).len(), 2);
    }

    #[test]
    fn cuda_out_of_memory_and_the_death_after_it_are_one_incident() {
        let mut story = Story::new();
        story.up(0.0, true).good(3.0, 0);
        story.bad(5.0, 0, Ended::ErrorFrame, "CUDA out of memory. Tried to allocate 2.00 GiB");
        story.bad(5.1, 0, Ended::ErrorFrame, "CUDA out of memory. Tried to allocate 2.00 GiB");
        story.up(6.0, false).up(90.0, true);
        let incidents = incidents(&story);
        assert_eq!(incidents.len(), 1, "{incidents:#?}");
        assert!(incidents[0].is(Kind::OutOfMemory) && incidents[0].is(Kind::Crash));
        assert_eq!(incidents[0].until, Some(At(90_000_000)));
    }

    #[test]
    fn a_kernel_counter_that_rises_is_an_oom_and_its_base_is_not() {
        let mut story = Story::new();
        story.reading(1.0, Source::Kernel, OOM_KILLS, 3.0);
        assert!(incidents(&story).is_empty());
        story.reading(11.0, Source::Kernel, OOM_KILLS, 4.0);
        assert_eq!(incidents(&story)[0].kinds, [Kind::OutOfMemory]);
    }
}
