//! Defines facts about several requests together, which no row of a request can
//! carry: rounds, and histograms of the times between tokens. Rows of
//! `events.csv`, with these structures as their `detail`.

use serde::{Deserialize, Serialize};

use super::{Cell, Class, Group, Phase};
use crate::stats::hdr::EncodedHistogram;
use crate::unit::At;

/// Round that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub phase: Phase,
    /// The group of its asks.
    #[serde(flatten)]
    pub group: Group,
    /// Pass over all cells, from 0.
    pub lap: u64,
    /// 0, or the number of the repeat after outages.
    pub repeat: u32,
    pub requests: u64,
    /// Number of these that were answered completely.
    pub good: u64,
    /// Instant from which the round could be sent; requests of a closed round were due then.
    pub began: At,
    /// First token of any stream.
    pub first: Option<At>,
    /// Last token of any stream.
    pub last: Option<At>,
    /// Output tokens of all streams, where the server counts them.
    pub tokens: Option<u64>,
    /// Tokens that came with the streams' first chunks, where known.
    pub first_tokens: Option<u64>,
    /// Largest number of tokens in any one second over all streams.
    pub peak_tokens: Option<u64>,
    /// Latency of `/v1/models`, microseconds, where it was measured.
    pub models_us: Option<u64>,
}

impl Batch {
    /// Creates a round of which no request has ended, the first of its phase.
    pub(crate) fn begun(phase: Phase, group: Group, began: At) -> Batch {
        Batch {
            phase,
            group,
            lap: 0,
            repeat: 0,
            requests: 0,
            good: 0,
            began,
            first: None,
            last: None,
            tokens: None,
            first_tokens: None,
            peak_tokens: None,
            models_us: None,
        }
    }
}

/// Kind of gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GapKind {
    /// Time between tokens: a chunk's gap divided by its tokens.
    Itl,
    /// Time between chunks.
    Gap,
}

/// Histograms that request rows cannot carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gaps {
    pub kind: GapKind,
    pub phase: Phase,
    /// Group of its asks.
    #[serde(flatten, with = "Fields")]
    pub group: Group,
    /// Instant at which the interval began.
    pub from: At,
    /// Number of values.
    pub n: u64,
    /// HDR histogram, microseconds, V2 deflate, base64.
    pub histogram: EncodedHistogram,
}

/// Fields of a group in a row of gaps. A row without a workload belongs to a ladder.
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
