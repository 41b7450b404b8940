//! What an entry shows of an incident: marks, the gravest first.

use std::collections::BTreeMap;

use super::WORDS_CHARS_MAX;
use crate::engine::signature::{self, Meaning};
use crate::escape::one_line;
use crate::fact::{
    Ended, Entry, Fact, MissedReason, Reading, Request, Said, Seq, Source, Stage, TargetFact,
    TargetWord,
};
use crate::incident::liveness::{Sign, sign};
use crate::series::{CGROUP_OOM_KILLS, OOM_KILLS, UP};
use crate::unit::At;

/// What engines and drivers say in an answer when memory is out, in lower case.
const OOM_WORDS: [&str; 5] = [
    "cuda out of memory",
    "cuda error: out of memory",
    "outofmemoryerror",
    "cudaerrormemoryallocation",
    "cublas_status_alloc_failed",
];

/// What engines say in an answer when they are dead, in lower case.
const DEAD_WORDS: [&str; 2] = ["enginecore encountered an issue", "enginedeaderror"];

/// Whether a text says that memory ran out.
fn says_oom(text: &str) -> bool {
    let text = text.to_lowercase();
    OOM_WORDS.iter().any(|words| text.contains(words))
}

/// What was shown. In the order in which words and evidence are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Mark {
    /// Its box booted anew.
    Rebooted,
    /// longhaul ordered it while the server was well.
    Ordered,
    /// Somebody sent it a signal, froze it, or asked it to end, through its container engine.
    Operated,
    /// A line of the kernel: the box ran out of memory and it killed.
    KernelOomLine,
    /// At its cgroup's limit the kernel killed: a line, a counter, or its container engine.
    CgroupOom,
    /// The kernel's count of kills rose.
    KernelKill,
    /// A program that guards memory killed.
    UserspaceKill,
    /// Its log says that memory ran out in driver or engine.
    DriverOom,
    /// An answer says so.
    AnsweredOom,
    /// The GPU failed.
    GpuFault,
    /// Its log says that the engine is dead.
    EngineDead,
    /// Its log says that it was asked to end.
    Asked,
    Hung,
    /// An answer says that the engine is dead.
    AnsweredDead,
    /// Its process ended.
    Exited,
    /// A connection broke, or was refused.
    Broke,
    /// Nobody took the connection: not even its box answered.
    NoHost,
    /// There was no way to it.
    Unreachable,
    /// It gave no answer.
    Silent,
    /// It was another process than before.
    Restarted,
    /// Its health probes found nobody.
    Away,
    /// A process was there again.
    Started,
    /// It answered again.
    Back,
    /// longhaul ordered it while something was wrong with it already.
    Cured,
}

impl Mark {
    /// Whether it is an incident by itself.
    pub(super) fn is_alone(self) -> bool {
        matches!(
            self,
            Mark::KernelOomLine
                | Mark::CgroupOom
                | Mark::KernelKill
                | Mark::DriverOom
                | Mark::AnsweredOom
                | Mark::EngineDead
        )
    }

    /// Whether somebody asked for what follows.
    pub(super) fn is_asked(self) -> bool {
        matches!(self, Mark::Ordered | Mark::Operated | Mark::Asked)
    }

    /// Whether it shows that something is wrong already.
    pub(super) fn is_bad(self) -> bool {
        !self.is_asked() && !matches!(self, Mark::Started | Mark::Back | Mark::Cured)
    }

    /// Whether a process ended with it.
    pub(super) fn is_death(self) -> bool {
        matches!(self, Mark::Exited | Mark::Rebooted | Mark::Restarted | Mark::Ordered)
    }
}

/// A mark, and the entry that shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ShownMark {
    pub mark: Mark,
    pub seq: Seq,
    pub at: At,
    /// In whose words, where there are some.
    pub words: Option<String>,
}

impl ShownMark {
    /// What an entry shows without words.
    pub(super) fn plain(mark: Mark, entry: &Entry) -> ShownMark {
        ShownMark { mark, seq: entry.seq, at: entry.at, words: None }
    }

    /// What an entry shows, in words.
    pub(super) fn told(mark: Mark, entry: &Entry, words: &str) -> ShownMark {
        let words = (!words.is_empty()).then(|| one_line(words, WORDS_CHARS_MAX));
        ShownMark { words, ..ShownMark::plain(mark, entry) }
    }
}

/// Counters of kills, by name and instance: when they were read, and what they said.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters(BTreeMap<(String, String), (At, f64)>);

impl Counters {
    /// Whether the counter rose.
    fn rose(&mut self, at: At, reading: &Reading) -> bool {
        let key = (reading.name.clone(), reading.instance.clone());
        let before = self.0.get(&key).copied();
        if before.is_some_and(|(seen, _)| at < seen) {
            return false;
        }
        self.0.insert(key, (at, reading.last));
        // A first reading of a counter is its base, unless it rose within the interval.
        let base = before.map_or(reading.min, |(_, value)| value);
        reading.last > base
    }
}

/// What an entry shows by itself.
pub(super) fn of(entry: &Entry, counters: &mut Counters) -> Option<ShownMark> {
    match &entry.fact {
        Fact::Said(said) => of_line(entry, said),
        Fact::Request(request) if request.ended.is_bad() && says_oom(&request.error) => {
            Some(ShownMark::told(Mark::AnsweredOom, entry, &request.error))
        }
        Fact::Reading(reading) => {
            let (mark, words) = if OOM_KILLS.is_of(reading) {
                (Mark::KernelKill, "the kernel's OOM killer ended a process")
            } else if CGROUP_OOM_KILLS.is_of(reading) {
                (Mark::CgroupOom, "the kernel killed at the limit of its cgroup")
            } else {
                return None;
            };
            counters.rose(entry.at, reading).then(|| ShownMark::told(mark, entry, words))
        }
        Fact::Target(target) => of_target(entry, target),
        _ => None,
    }
}

fn of_line(entry: &Entry, said: &Said) -> Option<ShownMark> {
    let meaning = signature::named(&said.signature).map(|signature| signature.meaning);
    let mark = match meaning {
        Some(Meaning::KernelOom) => Mark::KernelOomLine,
        Some(Meaning::CgroupOom) => Mark::CgroupOom,
        Some(Meaning::UserspaceKill) => Mark::UserspaceKill,
        Some(Meaning::DriverOom) => Mark::DriverOom,
        Some(Meaning::GpuFault) => Mark::GpuFault,
        Some(Meaning::EngineDead) => Mark::EngineDead,
        Some(Meaning::Asked) => Mark::Asked,
        // A journal of another version, whose names this one does not know.
        None if says_oom(&said.line) => Mark::DriverOom,
        _ => return None,
    };
    Some(ShownMark::told(mark, entry, signature::message(&said.line)))
}

fn of_target(entry: &Entry, target: &TargetFact) -> Option<ShownMark> {
    let oom_killed = target.exit.is_some_and(|exit| exit.oom_killed == Some(true));
    let mark = match target.word {
        TargetWord::OutOfMemory => Mark::CgroupOom,
        TargetWord::Exited if oom_killed => Mark::CgroupOom,
        TargetWord::Signalled if target.action.is_none() && ends_or_freezes(target) => {
            Mark::Operated
        }
        TargetWord::Paused if target.action.is_none() => Mark::Operated,
        _ => return None,
    };
    Some(ShownMark::told(mark, entry, &target.evidence))
}

/// Whether a signal ends a process or freezes it: SIGINT, SIGQUIT, SIGKILL, SIGTERM, SIGSTOP,
/// SIGTSTP. Others ask for a log to be opened anew, or for nothing.
fn ends_or_freezes(target: &TargetFact) -> bool {
    let signal = target.exit.and_then(|exit| exit.signal);
    signal.is_none_or(|signal| matches!(signal, 2 | 3 | 9 | 15 | 19 | 20))
}

/// What a bad sign shows, where an entry is one.
pub(super) fn doubt(entry: &Entry) -> Option<ShownMark> {
    match &entry.fact {
        Fact::Request(request) if sign(request) == Sign::Bad => {
            Some(ShownMark::told(of_request(request), entry, &ended(request)))
        }
        Fact::Reading(reading) if UP.is_of(reading) && reading.last < 0.5 => {
            Some(ShownMark::plain(Mark::Silent, entry))
        }
        Fact::Missed(missed) if missed.source == Source::Engine => {
            let mark = match missed.reason() {
                MissedReason::Refused => Mark::Broke,
                MissedReason::NoAnswer | MissedReason::Unreadable | MissedReason::TooFast => {
                    Mark::Silent
                }
            };
            Some(ShownMark::plain(mark, entry))
        }
        _ => None,
    }
}

fn of_request(request: &Request) -> Mark {
    let error = request.error.to_lowercase();
    match request.ended {
        Ended::TimedOut if request.stage == Stage::Connect => Mark::NoHost,
        Ended::TimedOut | Ended::Stalled | Ended::Malformed => Mark::Silent,
        Ended::Unreachable => Mark::Unreachable,
        _ if DEAD_WORDS.iter().any(|words| error.contains(words)) => Mark::AnsweredDead,
        _ => Mark::Broke,
    }
}

fn ended(request: &Request) -> String {
    format!("request {}: {}", request.ended.word(), request.error)
}
