//! Reads the marks of an incident from entries, the gravest first.

use std::collections::BTreeMap;

use super::WORDS_CHARS_MAX;
use crate::engine::signature::{self, Meaning};
use crate::escape::one_line;
use crate::fact::{
    Ended, Entry, Fact, MissedReason, Reading, Request, Seq, SignatureMatch, Source, Stage,
    TargetFact, TargetWord, Whose,
};
use crate::incident::liveness::{Sign, sign};
use crate::series::{CGROUP_OOM_KILLS, OOM_KILLS, UP};
use crate::unit::At;

/// Messages of engines and drivers in an answer when memory is out, in lower case.
const OOM_WORDS: [&str; 5] = [
    "cuda out of memory",
    "cuda error: out of memory",
    "outofmemoryerror",
    "cudaerrormemoryallocation",
    "cublas_status_alloc_failed",
];

/// Messages of engines in an answer when the engine is dead, in lower case.
const DEAD_WORDS: [&str; 2] = ["enginecore encountered an issue", "enginedeaderror"];

/// Whether a text reports that memory ran out.
fn says_oom(text: &str) -> bool {
    let text = text.to_lowercase();
    OOM_WORDS.iter().any(|words| text.contains(words))
}

/// Mark of an incident, in the order in which descriptions and evidence are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Mark {
    /// The machine rebooted.
    Rebooted,
    /// longhaul ordered it while the server was healthy.
    OrderedByLonghaul,
    /// An operator signalled, froze or stopped it through the container engine.
    OperatorAction,
    /// A kernel line: the machine ran out of memory and the kernel killed a process.
    KernelOomLine,
    /// The kernel killed at the cgroup's limit: a line, a counter, or the container engine.
    CgroupOom,
    /// The kernel's count of OOM kills rose.
    KernelKill,
    /// A program that guards memory killed a process.
    UserspaceKill,
    /// The server log reports that memory ran out in driver or engine.
    DriverOom,
    /// An answer reports that memory ran out.
    AnsweredOom,
    /// The GPU failed.
    GpuFault,
    /// The server log reports that the engine is dead.
    EngineDead,
    /// The server log reports a request to shut down.
    ShutdownRequested,
    Hung,
    /// An answer reports that the engine is dead.
    AnsweredDead,
    /// The server's process ended.
    Exited,
    /// A connection broke, or was refused.
    Broke,
    /// No host answered the connection attempt.
    NoHost,
    /// The network had no route to the server.
    Unreachable,
    /// A request got no answer.
    Silent,
    /// The server's process is another one than before.
    Restarted,
    /// Health probes failed.
    Away,
    /// A new process started.
    Started,
    /// The server answered again.
    Back,
    /// longhaul ordered it during an incident, to repair the server.
    RepairOrdered,
    /// A process was killed to free memory that is none of the server's.
    OthersKilled,
}

impl Mark {
    /// Whether the mark begins an incident by itself, if it is about the server.
    fn is_alone(self) -> bool {
        matches!(
            self,
            Mark::KernelOomLine
                | Mark::CgroupOom
                | Mark::DriverOom
                | Mark::AnsweredOom
                | Mark::EngineDead
        )
    }

    /// Whether the mark is an order or a request to end the server.
    pub(super) fn is_asked(self) -> bool {
        matches!(self, Mark::OrderedByLonghaul | Mark::OperatorAction | Mark::ShutdownRequested)
    }

    /// Whether the mark shows that something is wrong already.
    pub(super) fn is_bad(self) -> bool {
        let is_none =
            matches!(self, Mark::Started | Mark::Back | Mark::RepairOrdered | Mark::OthersKilled);
        !self.is_asked() && !is_none
    }

    /// Whether a process ended with the mark.
    pub(super) fn is_death(self) -> bool {
        matches!(self, Mark::Exited | Mark::Rebooted | Mark::Restarted | Mark::OrderedByLonghaul)
    }
}

/// Mark with the entry that shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ShownMark {
    pub mark: Mark,
    pub seq: Seq,
    pub at: At,
    /// Text of the source, where there is one.
    pub words: Option<String>,
    /// Server or process that it is about, as far as it is known.
    pub about: About,
}

/// Knowledge of whom a mark is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Server,
    /// A count rose: of the machine, or of the server's cgroup.
    Counted,
    /// Some process of the server's machine.
    Somebody,
}

impl ShownMark {
    /// Returns a mark without a text.
    pub(super) fn plain(mark: Mark, entry: &Entry) -> ShownMark {
        ShownMark { mark, seq: entry.seq, at: entry.at, words: None, about: About::Server }
    }

    /// Returns a mark with a text.
    pub(super) fn reported(mark: Mark, entry: &Entry, words: &str) -> ShownMark {
        let words = (!words.is_empty()).then(|| one_line(words, WORDS_CHARS_MAX));
        ShownMark { words, ..ShownMark::plain(mark, entry) }
    }

    /// Whether the mark begins an incident by itself. One that may be about any process of the
    /// machine explains an incident only.
    pub(super) fn is_alone(&self) -> bool {
        self.mark.is_alone() && self.about != About::Somebody
    }
}

/// Counters of kills by name and instance: time and value of the last reading.
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

/// Returns the mark that an entry shows by itself.
pub(super) fn of(entry: &Entry, counters: &mut Counters) -> Option<ShownMark> {
    match &entry.fact {
        Fact::Said(said) => of_line(entry, said),
        Fact::Request(request) if request.ended.is_bad() && says_oom(&request.error) => {
            Some(ShownMark::reported(Mark::AnsweredOom, entry, &request.error))
        }
        Fact::Reading(reading) => {
            let (mark, words) = if OOM_KILLS.is_of(reading) {
                (Mark::KernelKill, "the kernel's OOM killer ended a process")
            } else if CGROUP_OOM_KILLS.is_of(reading) {
                (Mark::CgroupOom, "the kernel killed at the limit of its cgroup")
            } else {
                return None;
            };
            let shown = || ShownMark::reported(mark, entry, words);
            let rose = counters.rose(entry.at, reading);
            rose.then(|| ShownMark { about: About::Counted, ..shown() })
        }
        Fact::Target(target) => of_target(entry, target),
        _ => None,
    }
}

fn of_line(entry: &Entry, said: &SignatureMatch) -> Option<ShownMark> {
    let meaning = signature::named(&said.signature).map(|signature| signature.meaning);
    let mark = match meaning {
        Some(Meaning::KernelOom) => Mark::KernelOomLine,
        Some(Meaning::CgroupOom) => Mark::CgroupOom,
        Some(Meaning::UserspaceKill) => Mark::UserspaceKill,
        Some(Meaning::DriverOom) => Mark::DriverOom,
        Some(Meaning::GpuFault) => Mark::GpuFault,
        Some(Meaning::EngineDead) => Mark::EngineDead,
        Some(Meaning::Asked) => Mark::ShutdownRequested,
        // A journal of another version may have labels that this one does not know.
        None if says_oom(&said.line) => Mark::DriverOom,
        _ => return None,
    };
    let is_kill = matches!(mark, Mark::KernelOomLine | Mark::CgroupOom | Mark::UserspaceKill);
    let (mark, about) = match said.whose {
        Some(Whose::Other) if is_kill => (Mark::OthersKilled, About::Somebody),
        Some(Whose::Other) => return None,
        None if is_kill => (mark, About::Somebody),
        _ => (mark, About::Server),
    };
    let shown = ShownMark::reported(mark, entry, signature::message(&said.line));
    Some(ShownMark { about, ..shown })
}

fn of_target(entry: &Entry, target: &TargetFact) -> Option<ShownMark> {
    let oom_killed = target.exit.is_some_and(|exit| exit.oom_killed == Some(true));
    let mark = match target.word {
        TargetWord::OutOfMemory => Mark::CgroupOom,
        TargetWord::Exited if oom_killed => Mark::CgroupOom,
        TargetWord::Signalled if target.action.is_none() && ends_or_freezes(target) => {
            Mark::OperatorAction
        }
        TargetWord::Paused if target.action.is_none() => Mark::OperatorAction,
        _ => return None,
    };
    Some(ShownMark::reported(mark, entry, &target.evidence))
}

/// Whether a signal ends or freezes a process: SIGINT, SIGQUIT, SIGKILL, SIGTERM, SIGSTOP, SIGTSTP.
/// Other signals reopen a log, for example, or have no effect.
fn ends_or_freezes(target: &TargetFact) -> bool {
    let signal = target.exit.and_then(|exit| exit.signal);
    signal.is_none_or(|signal| matches!(signal, 2 | 3 | 9 | 15 | 19 | 20))
}

/// Returns the mark of a bad sign, where an entry is one.
pub(super) fn doubt(entry: &Entry) -> Option<ShownMark> {
    match &entry.fact {
        Fact::Request(request) if sign(request) == Sign::Bad => {
            Some(ShownMark::reported(of_request(request), entry, &ended(request)))
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

/// Whether an entry is a request that was answered with a failure.
pub(super) fn is_answer(entry: &Entry) -> bool {
    let Fact::Request(request) = &entry.fact else { return false };
    matches!(request.ended, Ended::HttpError | Ended::ErrorFrame | Ended::Aborted | Ended::Empty)
}

fn of_request(request: &Request) -> Mark {
    let error = request.error.to_lowercase();
    match request.ended {
        Ended::TimedOut if request.stage == Stage::Connect => Mark::NoHost,
        Ended::TimedOut | Ended::Stalled | Ended::Endless | Ended::Malformed => Mark::Silent,
        Ended::Unreachable => Mark::Unreachable,
        _ if DEAD_WORDS.iter().any(|words| error.contains(words)) => Mark::AnsweredDead,
        _ => Mark::Broke,
    }
}

fn ended(request: &Request) -> String {
    format!("request {}: {}", request.ended.word(), request.error)
}
