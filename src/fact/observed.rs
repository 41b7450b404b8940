//! Readings of sensors and lines of logs: the rows of `readings.csv`, and two
//! kinds of rows of `events.csv`, with these structures as their `detail`.

use serde::{Deserialize, Serialize};

use crate::words::words;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// longhaul itself.
    Own,
    /// The engine's metrics and health.
    Engine,
    /// The host's memory and load.
    Host,
    Process,
    Gpu,
    Container,
    Kernel,
    Disk,
}

words!(Source {
    Own: "own",
    Engine: "engine",
    Host: "host",
    Process: "process",
    Gpu: "gpu",
    Container: "container",
    Kernel: "kernel",
    Disk: "disk",
});

/// An observer read: a folded interval of one series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub source: Source,
    /// Node, pid, GPU or labels; empty where there is one only.
    pub instance: String,
    /// The series, its unit last in the name.
    pub name: String,
    /// Samples in the interval.
    pub n: u64,
    pub min: f64,
    pub mean: f64,
    pub max: f64,
    pub last: f64,
}

impl Reading {
    /// A reading of one value.
    pub(crate) fn single(source: Source, name: &str, value: f64) -> Reading {
        Reading {
            source,
            instance: String::new(),
            name: name.to_owned(),
            n: 1,
            min: value,
            mean: value,
            max: value,
            last: value,
        }
    }
}

/// An observer was due and could not read: blindness is data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Missed {
    pub source: Source,
    /// What it would have read.
    pub what: String,
    /// Why it could not.
    pub why: String,
    /// How many times in a row, within one interval.
    pub times: u64,
    /// Why, as a word; rows of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<MissedReason>,
}

/// Why an observer could not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MissedReason {
    /// It gave no answer in time.
    NoAnswer,
    /// Nobody took the connection.
    Refused,
    /// It was there, and what it gave could not be read.
    Unreadable,
    /// It came faster than it could be read.
    TooFast,
}

impl Missed {
    /// Something that was missed once.
    pub(crate) fn once(source: Source, what: &str, reason: MissedReason, why: String) -> Missed {
        Missed { source, what: what.to_owned(), why, times: 1, reason: Some(reason) }
    }

    /// Why; of a row of an earlier version as far as its words tell.
    pub(crate) fn reason(&self) -> MissedReason {
        let told = self.why.to_lowercase();
        self.reason.unwrap_or(if told.contains("refused") {
            MissedReason::Refused
        } else if told.contains("no answer") {
            MissedReason::NoAnswer
        } else {
            MissedReason::Unreadable
        })
    }
}

/// How bad a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    Info,
    /// Worth a look.
    Warning,
    Error,
    /// The engine is gone.
    Fatal,
}

/// A log line that means something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Whose log: the server's own (`process`, `container`) or the kernel's.
    #[serde(default = "Said::server")]
    pub source: Source,
    /// The signature's name.
    pub signature: String,
    pub severity: Severity,
    /// The line, bounded.
    pub line: String,
}

impl Said {
    /// Whose log it is where a row does not say.
    fn server() -> Source {
        Source::Process
    }
}
