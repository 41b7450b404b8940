//! The table of series: everything that is read, one row each, with its unit, what kind of
//! value it is, when a change of it must be told at once, and which events it can see.
//! Sensors, incidents, coverage, notes and reports decide by these rows and by no name of
//! their own. A new source is a sensor's file and a row here for each of its series.
//!
//! Pure data: knows no engine's own names, no file, no clock.

mod row;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use row::{Series, SeriesKind, SeriesUnit, Urgency};
pub(crate) use table::{
    ALL, CACHED_BYTES, CGROUP_HIGH_HITS, CGROUP_LIMIT_HITS, CGROUP_MEMORY, CGROUP_MEMORY_MAX,
    CGROUP_OOM_KILLS, CGROUP_OOMS, CONTAINER_RUNNING, ENGINE_STARTED, ENGINE_STEPS,
    GENERATION_TOKENS, IN_FLIGHT, JOURNAL_WAITING, KV_USAGE, LATE_MAX, LOG_LOST, MEM_AVAILABLE,
    MEM_FREE, OOM_KILLS, OPEN_FILES, ORPHANS, OUTPUT_TOKENS, PREEMPTIONS, PREFIX_HITS,
    PREFIX_QUERIES, PROCESS_RUNNING, PROCESS_STARTED, PROCESSES, PROMPT_TOKENS, RESIDENT_MEMORY,
    RSS, RUNNING_REQUESTS, SWAP_FREE, THREADS, UP, WAITING_REQUESTS,
};

use crate::fact::{Missed, Reading, Source};
use crate::measure::Count;
use crate::words::words;

/// A part of what looks at the server, as reports name it: an event is covered while those
/// that can see it look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Observer {
    /// The load's own requests.
    Requests,
    /// Any look at the engine's endpoint.
    Probes,
    /// The engine's counters, or the start of its process.
    Metrics,
    /// The engine's counters of work.
    Progress,
    /// The server's log.
    ServerLog,
    /// The kernel's count of kills.
    Kernel,
    /// The container engine.
    Container,
}

words!(Observer {
    Requests: "requests",
    Probes: "probes",
    Metrics: "metrics",
    Progress: "engine progress",
    ServerLog: "server log",
    Kernel: "kernel",
    Container: "container",
});

impl Observer {
    /// The observer that is dark when something was missed.
    pub(crate) fn missed(missed: &Missed) -> Option<Observer> {
        match (missed.source, missed.what.as_str()) {
            (Source::Engine, _) => Some(Observer::Probes),
            (Source::Kernel, _) => Some(Observer::Kernel),
            (Source::Process | Source::Container, LOG_LINES | SERVER_LOG) => {
                Some(Observer::ServerLog)
            }
            (Source::Container, EVENTS | STATE) => Some(Observer::Container),
            _ => None,
        }
    }
}

/// The name of the series of lines that a log gave. A server's log that could not be read is
/// missed under it too.
pub(crate) const LOG_LINES: &str = "log_lines";
/// The name of the series of lines that came too often to be written each.
pub(crate) const LOG_REPEATS: &str = "log_repeats";
/// The name of the series of bytes of a log beyond what a line may have.
pub(crate) const LOG_DROPPED: &str = "log_dropped_bytes";

/// `what` of lines of a server's log that came too fast to be read.
pub(crate) const SERVER_LOG: &str = "server log";
/// `what` of a container engine whose events could not be heard.
pub(crate) const EVENTS: &str = "events";
/// `what` of a container engine that did not say how its container is.
pub(crate) const STATE: &str = "state";

/// A half of what is needed to see an event: any one of its observers will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub count: Count,
    /// The name of this half in reports.
    pub name: &'static str,
    /// Observers that can see it.
    pub any: &'static [Observer],
}

/// What is needed to see each kind of event; all halves of an event are.
pub(crate) const NEEDS: [Need; 6] = [
    need(Count::Crashes, "probes or requests", &[Observer::Requests, Observer::Probes]),
    need(Count::Ooms, "server log", &[Observer::ServerLog]),
    need(Count::Ooms, "kernel", &[Observer::Kernel]),
    need(Count::Restarts, "metrics or requests", &[Observer::Requests, Observer::Metrics]),
    need(Count::Hangs, "engine progress", &[Observer::Progress]),
    need(Count::Outages, "probes or requests", &[Observer::Requests, Observer::Probes]),
];

const fn need(count: Count, name: &'static str, any: &'static [Observer]) -> Need {
    Need { count, name, any }
}

/// The row of a series: its own, or the one of the engine's metrics that end alike. Series of
/// other sources that are not in the table have none.
pub(crate) fn of(source: Source, name: &str) -> Option<&'static Series> {
    ALL.iter().copied().find(|series| series.has(source, name))
}

/// The row of a reading's series.
pub(crate) fn of_reading(reading: &Reading) -> Option<&'static Series> {
    of(reading.source, &reading.name)
}
