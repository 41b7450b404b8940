//! Defines readings of sensors and lines of logs: the rows of `readings.csv`,
//! and two kinds of rows of `events.csv`, with these structures as their
//! `detail`.

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

/// Reading of a sensor: a folded interval of one series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub source: Source,
    /// Node, pid, GPU or labels; empty where there is only one.
    pub instance: String,
    /// Name of the series, its unit last.
    pub name: String,
    /// Number of samples in the interval.
    pub n: u64,
    pub min: f64,
    pub mean: f64,
    pub max: f64,
    pub last: f64,
}

impl Reading {
    /// Returns a reading of one value.
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

    /// Whether any value of the interval is another than the one before it.
    pub(crate) fn differs_from(&self, before: f64) -> bool {
        [self.min, self.max, self.last].iter().any(|now| now.to_bits() != before.to_bits())
    }
}

/// Reading that was due and failed. Recorded, so that coverage can be computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Missed {
    pub source: Source,
    /// Name of the series or source that could not be read.
    pub what: String,
    /// Reason, in words.
    pub why: String,
    /// Number of failures within one interval.
    pub times: u64,
    /// Reason as a word; rows of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<MissedReason>,
}

/// Reason why a reading failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MissedReason {
    /// No response in time.
    NoAnswer,
    /// The connection was refused.
    Refused,
    /// The source was there, but its data could not be parsed.
    Unreadable,
    /// Data came faster than it could be read.
    TooFast,
}

impl Missed {
    /// Returns a single failed reading.
    pub(crate) fn once(source: Source, what: &str, reason: MissedReason, why: String) -> Missed {
        Missed { source, what: what.to_owned(), why, times: 1, reason: Some(reason) }
    }

    /// Returns the reason; for a row of an earlier version it is guessed from its words.
    pub(crate) fn reason(&self) -> MissedReason {
        let reported = self.why.to_lowercase();
        self.reason.unwrap_or(if reported.contains("refused") {
            MissedReason::Refused
        } else if reported.contains("no answer") {
            MissedReason::NoAnswer
        } else {
            MissedReason::Unreadable
        })
    }
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    Info,
    /// A possible problem.
    Warning,
    Error,
    /// The engine cannot go on.
    Fatal,
}

/// Log line that matches a signature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SignatureMatch {
    /// Source of the log: the server (`process`, `container`) or the kernel.
    #[serde(default = "SignatureMatch::server")]
    pub source: Source,
    /// Name of the signature.
    pub signature: String,
    pub severity: Severity,
    /// The line, cut to a bound.
    pub line: String,
    /// Whose process a line of the kernel's log is about; `None` where that is not known, or the
    /// log is the server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whose: Option<Whose>,
}

/// Owner of the process that a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Whose {
    Server,
    /// Another process of the machine.
    Other,
}

impl SignatureMatch {
    /// Returns the source of rows that do not name one.
    fn server() -> Source {
        Source::Process
    }
}
