//! Defines facts about the course of a run: segments, phases, actions, and
//! longhaul's own clock and failures. All are rows of `events.csv`; the fixed
//! columns hold a short form, and `detail` holds these structures.

use serde::{Deserialize, Serialize};

use super::Phase;

/// Begin of a segment. Everything needed to repeat it is in `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// Version of longhaul.
    pub version: String,
    /// Whether the server is simulated.
    pub simulated: bool,
    /// Wall time of the segment's anchor, microseconds since 1970.
    pub wall_us: u64,
    /// The kernel's boot id, where it can be read.
    pub boot_id: Option<String>,
    /// Address of the server.
    pub endpoint: String,
    /// Identity of the run, as `run.json` has it; empty in rows of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
}

/// Begin of a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PhaseBegan {
    pub phase: Phase,
    /// Reason why the phase before it ended.
    pub because: String,
}

/// Progress of every lane in a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SentSlots {
    /// The phase whose slots these are.
    pub phase: Phase,
    /// The next slot of each lane, one more than the last that was sent. Slots below it without a
    /// row were sent and did not end; slots from it on were never sent.
    pub next: Vec<u64>,
}

/// Action of longhaul or of its user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Action {
    /// Id by which other facts refer to the action.
    pub id: u64,
    /// `interrupt`, `stop_on_fail` …
    pub what: String,
    /// Details, in words.
    pub note: String,
}

impl Action {
    /// Whether it is an order to the target.
    pub(crate) fn is_order(&self) -> bool {
        matches!(self.what.as_str(), LAUNCH | RESTART | STOP)
    }
}

/// Action word of an order to start the target.
pub(crate) const LAUNCH: &str = "launch";
/// Action word of an order to end the target and start it again.
pub(crate) const RESTART: &str = "restart";
/// Action word of a pause of lanes after requests that failed at once.
pub(crate) const PAUSE: &str = "pause";
/// Action word of an order to end the target.
pub(crate) const STOP: &str = "stop";

/// Comparison of the wall clock with the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Clock {
    /// Wall time, microseconds since 1970.
    pub wall_us: u64,
    /// Drift of the wall clock against the timeline since the anchor, microseconds.
    pub drift_us: i64,
}

/// Kind of longhaul's own failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// The journal could not be written.
    Journal,
    /// longhaul was late.
    Pace,
    /// The clock jumped or the machine slept.
    Clock,
    /// A task of longhaul panicked.
    Panic,
    /// longhaul's machine gave it no connection: no file descriptor, port or memory was left.
    Resources,
}

/// Failure of longhaul itself: the run, or the affected part of it, is INCONCLUSIVE.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub kind: FaultKind,
    pub why: String,
    /// Whether the run ends with it.
    pub fatal: bool,
}

/// Reason why a segment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClosedBecause {
    /// The plan was carried out.
    Done,
    /// The user interrupted; requests in flight were allowed to end.
    Interrupted,
    /// The user interrupted twice; nothing was waited for.
    InterruptedTwice,
    /// A gate was broken, and the user had asked to stop in that case.
    StopOnFail,
    /// The server was away longer than the scenario allows.
    Away,
    /// A server that longhaul started is gone, and is not started again.
    Gone,
    /// Outages used up the time that may be added to the duration.
    OutOfTime,
    /// An attached server never answered.
    NeverAnswered,
    /// A server that longhaul started never became ready.
    NeverReady,
    /// longhaul failed.
    Fault,
}

impl ClosedBecause {
    /// Returns the reason in plain words, for reports.
    pub(crate) fn plain(self) -> &'static str {
        match self {
            ClosedBecause::Done => "the plan was carried out",
            ClosedBecause::Interrupted | ClosedBecause::InterruptedTwice => {
                "stopped early by the user"
            }
            ClosedBecause::StopOnFail => "stopped early, as asked, when a gate broke",
            ClosedBecause::Away => "the server was away longer than the scenario allows",
            ClosedBecause::Gone => "the server is gone, and was not started again",
            ClosedBecause::OutOfTime => "outages used up the time that may be added",
            ClosedBecause::NeverAnswered => "the server never answered",
            ClosedBecause::NeverReady => "the server never became ready",
            ClosedBecause::Fault => "longhaul failed",
        }
    }
}

/// End of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub because: ClosedBecause,
    pub note: String,
}
