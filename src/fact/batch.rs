//! Numbers of several requests together, which no row of a request can carry:
//! rounds, and the times between tokens. Rows of `events.csv`, with these
//! structures as their `detail`.

use serde::{Deserialize, Serialize};

use super::{Cell, Class, Group, Phase};
use crate::unit::At;

/// A round that ended: numbers of many streams together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub phase: Phase,
    /// The group of its asks.
    #[serde(flatten)]
    pub group: Group,
    /// The pass over all cells, from 0.
    pub lap: u64,
    /// 0, or the n-th appended repeat.
    pub repeat: u32,
    pub requests: u64,
    /// Of these, answered whole.
    pub good: u64,
    /// When nothing stood in its way any more: requests of a closed round were due at once.
    pub began: At,
    /// First token of any stream.
    pub first: Option<At>,
    /// Last token of any stream.
    pub last: Option<At>,
    /// Output tokens of all streams, where the server counts them.
    pub tokens: Option<u64>,
    /// Tokens that came with the streams' first chunks, where known.
    pub first_tokens: Option<u64>,
    /// The most tokens in any one second over all streams.
    pub peak_tokens: Option<u64>,
    /// How long `/v1/models` took, microseconds, where it was asked.
    pub models_us: Option<u64>,
}

/// The two ends of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GapKind {
    /// Time between tokens: a chunk's gap shared out over its tokens.
    Itl,
    /// Time between chunks.
    Gap,
}

/// Histograms that request rows cannot carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gaps {
    /// The ends of its gaps.
    pub kind: GapKind,
    pub phase: Phase,
    /// The group of its asks.
    #[serde(flatten, with = "Fields")]
    pub group: Group,
    /// When the interval began.
    pub from: At,
    /// Values in it.
    pub n: u64,
    /// HDR histogram, microseconds, V2 deflate, base64.
    pub histogram: String,
}

/// The fields of a group in a row of gaps: one without a workload is of a ladder.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Group")]
struct Fields {
    #[serde(default = "ladder", skip_serializing_if = "is_ladder")]
    workload: String,
    class: Class,
    cell: Option<Cell>,
}

fn ladder() -> String {
    "ladder".to_owned()
}

fn is_ladder(workload: &str) -> bool {
    workload == "ladder"
}
