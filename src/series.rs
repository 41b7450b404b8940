//! Lists every series that is read, one row each: its unit, its kind, which
//! changes must be recorded at once, and which events it can show. Sensors,
//! incidents, coverage, notes and reports use these rows instead of names of
//! their own. A new source is a sensor's file and a row here for each of its
//! series.
//!
//! Pure data: knows no engine's own metric names, no file, no clock.

pub(crate) mod growth;
mod numbers;
mod row;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use numbers::{SeriesName, SeriesNumbers};
pub(crate) use row::{Series, SeriesKind, SeriesUnit, Urgency};
pub(crate) use table::{
    ACCEPTED_TOKENS, AILMENT_HITS, ALL, ANONYMOUS, CACHED_BYTES, CGROUP_HIGH_HITS,
    CGROUP_LIMIT_HITS, CGROUP_MEMORY, CGROUP_MEMORY_MAX, CGROUP_OOM_KILLS, CGROUP_OOMS,
    CONTAINER_RUNNING, DRAFT_TOKENS, ENGINE_STARTED, ENGINE_STEPS, GENERATION_TOKENS,
    HEALTH_STATUS, IN_FLIGHT, JOURNAL_WAITING, KV_USAGE, KV_USAGE_MAX, LATE_MAX, LOG_LOST,
    MEM_AVAILABLE, MEM_FREE, METRICS_PROCESS, MODEL_LISTED, OOM_KILLS, OPEN_FILES, ORPHANS,
    OUTPUT_TOKENS, PREEMPTIONS, PREFIX_HITS, PREFIX_QUERIES, PROCESS_RUNNING, PROCESS_STARTED,
    PROCESSES, PROMPT_TOKENS, RESIDENT_MEMORY, RSS, RUNNING_REQUESTS, SERVING, SHARED, SWAP_FREE,
    SWAPPED, THREADS, TOKEN_ANSWERED, UP, WAITING_REQUESTS,
};

use crate::fact::{Missed, Reading, Source};
use crate::measure::Count;
use crate::words::words;

/// Observer of the server, as reports name it. An event is covered while an observer that can see
/// it is working.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Observer {
    /// The load's own requests.
    Requests,
    /// Any reading of the engine's endpoint.
    Probes,
    /// The engine's counters, or the start time of its process, by which it is known to be the same.
    Metrics,
    /// The engine's counters of work done.
    Progress,
    /// The server's log.
    ServerLog,
    /// The kernel's count of OOM kills.
    Kernel,
    /// The container engine.
    Container,
    /// Whoever started or watches the server's process.
    Process,
}

words!(Observer {
    Requests: "requests",
    Probes: "probes",
    Metrics: "metrics",
    Progress: "engine progress",
    ServerLog: "server log",
    Kernel: "kernel",
    Container: "container",
    Process: "process",
});

impl Observer {
    /// Returns the observer that was not working when a reading failed.
    pub(crate) fn missed(missed: &Missed) -> Option<Observer> {
        let unread = MissedPart::parse(&missed.what);
        match (missed.source, unread) {
            (Source::Engine, _) => Some(Observer::Probes),
            (Source::Kernel, _) => Some(Observer::Kernel),
            (Source::Process | Source::Container, Some(MissedPart::Log | MissedPart::FastLog)) => {
                Some(Observer::ServerLog)
            }
            (Source::Container, Some(MissedPart::Events | MissedPart::State)) => {
                Some(Observer::Container)
            }
            _ => None,
        }
    }
}

/// Part of a target that could not be read, as `missed` rows name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissedPart {
    /// The server's log.
    Log,
    /// Lines of the server's log that came too fast to be read.
    FastLog,
    /// Events of a container engine.
    Events,
    /// State of the container.
    State,
}

words!(MissedPart { Log: LOG_LINES, FastLog: "server log", Events: "events", State: "state" });

/// Name of the series of matched log lines.
pub(crate) const LOG_LINES: &str = "log_lines";
/// Name of the series of log lines that came too often to be written each.
pub(crate) const LOG_REPEATS: &str = "log_repeats";
/// Name of the series of log bytes beyond the longest line.
pub(crate) const LOG_DROPPED: &str = "log_dropped_bytes";

/// Requirement of seeing an event: at least one of its observers must be working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub count: Count,
    /// Name of the requirement in reports.
    pub name: &'static str,
    /// Observers that meet it.
    pub any: &'static [Observer],
}

/// Observers that see a process end, or know that it is the same one.
const SAME_PROCESS: &[Observer] =
    &[Observer::Requests, Observer::Process, Observer::Container, Observer::Metrics];

/// Requirements of seeing each kind of event; all of an event's must be met.
pub(crate) const NEEDS: [Need; 6] = [
    need(Count::Crashes, "metrics or requests", SAME_PROCESS),
    need(Count::Ooms, "server log", &[Observer::ServerLog]),
    need(Count::Ooms, "kernel", &[Observer::Kernel]),
    need(Count::Restarts, "metrics or requests", SAME_PROCESS),
    need(Count::Hangs, "engine progress", &[Observer::Progress]),
    need(Count::Outages, "probes or requests", &[Observer::Requests, Observer::Probes]),
];

const fn need(count: Count, name: &'static str, any: &'static [Observer]) -> Need {
    Need { count, name, any }
}

/// Returns the row of a series: its own, or that of the engine's metrics with the same ending.
/// Other sources' series that are not in the table have none.
pub(crate) fn of(source: Source, name: &str) -> Option<&'static Series> {
    ALL.iter().copied().find(|series| series.has(source, name))
}

/// Returns the row of a reading's series.
pub(crate) fn of_reading(reading: &Reading) -> Option<&'static Series> {
    of(reading.source, &reading.name)
}
