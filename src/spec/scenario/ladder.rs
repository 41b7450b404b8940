//! The ladder: every depth × every load × one shape, in rounds.

mod overrides;
mod read;

pub(super) use overrides::with;
pub(super) use read::{read, schedule};

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::fact::Load;
use crate::spec::SpecFile;
use crate::words::words;

/// The name in scenarios and rows.
pub(crate) const NAME: &str = "ladder";

/// Every depth × every load × one shape, in rounds. In a closed loop a round is as many
/// requests at once as there are streams; in an open loop each request is sent when it is
/// due, however slow the answers. The next round begins when the last of them has ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ladder {
    /// Context before the prompt, tokens.
    pub depths: Vec<u64>,
    /// Prompt after the context, tokens.
    pub prompt: u64,
    /// Output asked for, tokens.
    pub output: u64,
    /// Streams at once, each a closed loop; may be empty where there are rates.
    pub concurrency: Vec<u32>,
    /// Requests per second, each an open loop; may be empty where there are streams.
    pub rate: Vec<f64>,
    /// How the requests of an open loop are spread over time.
    pub arrivals: Arrivals,
    /// Requests per visit to a cell of the open loop.
    pub requests: u32,
    /// Whether contexts come again.
    pub prefix: Prefix,
    /// Rounds of a cell, one after the other, per lap.
    pub runs: u64,
    /// The order of (depth, concurrency) within a lap where it is not plain.
    pub schedule: Option<Vec<(u64, u32)>>,
    /// Drops depths whose cold prefill would take longer, at the speed measured at the
    /// start, or that the server cannot take; without it, the latter is a mistake.
    pub cap: Option<Duration>,
    /// Whether the server is asked to go on to `output` tokens whatever it wants to say.
    pub exact_output: bool,
    /// Files to cut text from instead of making it; loaded texts, in order.
    pub texts: Vec<SpecFile>,
    /// The endpoint: chat completions, or plain completions.
    pub api: Api,
}

impl Ladder {
    /// All loads, in the order in which a lap visits them at each depth.
    pub(crate) fn loads(&self) -> impl Iterator<Item = Load> {
        let streams = self.concurrency.iter().copied().map(Load::Streams);
        streams.chain(self.rate.iter().copied().map(Load::PerSecond))
    }
}

/// How the requests of an open loop are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Arrivals {
    /// As those of many users who know nothing of each other: gaps of exponential length.
    #[default]
    Poisson,
    Constant,
}

words!(Arrivals { Poisson: "poisson", Constant: "constant" });

/// Requests per visit to an open cell where the scenario does not say: enough for a p95.
pub(super) const REQUESTS: u32 = 60;

/// Requests per second that can be asked for: bounds an arrival that would never come, and
/// one that no single machine could send in time.
pub(super) const RATES: RangeInclusive<f64> = 0.0001..=1000.0;

/// Which endpoint is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// `/v1/chat/completions`: context as the system message, prompt as the user's.
    Chat,
    /// `/v1/completions`.
    Completions,
}

/// Whether contexts come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// Every context is new.
    Cold,
    /// A lane's context at a depth is the same throughout.
    Warm,
    /// Every context is loaded by a round of its own, and asked in the next (llama-benchy's way).
    TwoPhase,
}
