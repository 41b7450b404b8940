//! The course of a run: segments, phases, orders and actions, and longhaul's
//! own clock and failures. All of them are rows of `events.csv`; a row's fixed
//! columns hold a few words of it, and its `detail` holds these structures.

use serde::{Deserialize, Serialize};

use super::Phase;

/// What a segment is. Everything needed to do it again stands in `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// Version of longhaul.
    pub version: String,
    /// Whether the server is longhaul's own model of one.
    pub simulated: bool,
    /// Wall time of the segment's anchor, microseconds since 1970.
    pub wall_us: u64,
    /// The kernel's boot id, where it can be read.
    pub boot_id: Option<String>,
    /// The address that is driven.
    pub endpoint: String,
}

/// A phase began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PhaseBegan {
    pub phase: Phase,
    /// Why the one before it ended.
    pub because: String,
}

/// How far every lane of a phase has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Issued {
    /// The phase whose slots these are.
    pub phase: Phase,
    /// The next slot of each lane, one more than the last that was sent. Slots below it without a
    /// row were sent and did not end; slots from it on were never sent.
    pub next: Vec<u64>,
}

/// What longhaul was told or did itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Action {
    /// Marks what the action caused.
    pub id: u64,
    /// `interrupt`, `stop_on_fail` …
    pub what: String,
    /// More of it.
    pub note: String,
}

impl Action {
    /// Whether it is an order to the target.
    pub(crate) fn is_order(&self) -> bool {
        matches!(self.what.as_str(), LAUNCH | RESTART | STOP)
    }
}

/// The order to start the target, as an action.
pub(crate) const LAUNCH: &str = "launch";
/// The order to end it and start it again.
pub(crate) const RESTART: &str = "restart";
/// The order to end it.
pub(crate) const STOP: &str = "stop";

/// The wall clock as seen from the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Clock {
    /// What the wall clock says, microseconds since 1970.
    pub wall_us: u64,
    /// How far it has moved against the timeline since the anchor, microseconds.
    pub drift_us: i64,
}

/// What of longhaul failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// The journal could not be written.
    Journal,
    /// It could not keep its own pace.
    Pace,
    /// The clock jumped or the machine slept.
    Clock,
    /// A task of its own broke.
    Panic,
}

/// longhaul's own failure: the run, or the part it touches, is INCONCLUSIVE.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub kind: FaultKind,
    pub why: String,
    /// Whether the run ends with it.
    pub fatal: bool,
}

/// Why a segment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClosedBecause {
    /// The plan was carried out.
    Done,
    /// The user asked; what was in flight was allowed to end.
    Interrupted,
    /// The user asked twice; nothing was waited for.
    InterruptedTwice,
    /// A gate was broken and the user had asked to stop then.
    StopOnFail,
    /// The server was away longer than the scenario allows.
    Away,
    /// A server that longhaul started is gone, and is not started again.
    Gone,
    /// Outages used up what may be added to the duration.
    OutOfTime,
    /// An attached server never answered.
    NeverAnswered,
    /// A server that longhaul started never became ready.
    NeverReady,
    /// longhaul failed.
    Fault,
}

/// The segment ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub because: ClosedBecause,
    pub note: String,
}
