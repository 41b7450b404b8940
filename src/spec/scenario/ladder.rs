//! Defines the ladder workload: every depth × every load × one shape, in rounds.

mod overrides;
mod read;

pub(super) use overrides::with;
pub(super) use read::{read, schedule};

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::fact::Load;
use crate::spec::SpecFile;
use crate::words::words;

/// Name in scenarios and rows.
pub(crate) const NAME: &str = "ladder";

/// Ladder of every depth × every load × one shape, in rounds. In a closed loop a round has as many
/// concurrent requests as streams. In an open loop each request is sent when it is due, however
/// slow the responses are. The next round begins when the last request has ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ladder {
    /// Depths: context before the prompt, tokens.
    pub depths: Vec<u64>,
    /// Prompt length after the context, tokens.
    pub prompt: u64,
    /// Requested output length, tokens.
    pub output: u64,
    /// Numbers of concurrent streams, each a closed loop; may be empty where there are rates.
    pub concurrency: Vec<u32>,
    /// Rates of open loops, requests per second; may be empty where there are streams.
    pub rate: Vec<f64>,
    /// Distribution of the arrivals of an open loop.
    pub arrivals: Arrivals,
    /// Requests per round of an open cell.
    pub requests: u32,
    /// Reuse of contexts between requests.
    pub prefix: Prefix,
    /// Consecutive rounds of a cell per lap.
    pub runs: u64,
    /// Order of (depth, concurrency) within a lap, where it is not the default.
    pub schedule: Option<Vec<(u64, u32)>>,
    /// Longest cold prefill: skips depths that would take longer at the speed measured at the
    /// start, or that exceed the server's context. Without it, the latter is a mistake.
    pub cap: Option<Duration>,
    /// Whether the server must generate exactly `output` tokens and ignore a natural end.
    pub exact_output: bool,
    /// Loaded texts to cut prompts from, in order; empty where text is generated.
    pub texts: Vec<SpecFile>,
    /// Endpoint of the requests.
    pub api: Api,
}

impl Ladder {
    /// Returns all loads, in the order of a lap at each depth.
    pub(crate) fn loads(&self) -> impl Iterator<Item = Load> {
        let streams = self.concurrency.iter().copied().map(Load::Streams);
        streams.chain(self.rate.iter().copied().map(Load::PerSecond))
    }
}

/// Distribution of the arrivals of an open loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Arrivals {
    /// Poisson process, as of many independent users: gaps are exponential.
    #[default]
    Poisson,
    Constant,
}

words!(Arrivals { Poisson: "poisson", Constant: "constant" });

/// Default number of requests per round of an open cell: enough for a p95.
pub(super) const REQUESTS: u32 = 60;

/// Permitted rates, requests per second: below, a request would never be due; above, no single
/// machine could send in time.
pub(super) const RATES: RangeInclusive<f64> = 0.0001..=1000.0;

/// Endpoint of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// `/v1/chat/completions`: context as the system message, prompt as the user's.
    Chat,
    /// `/v1/completions`.
    Completions,
}

/// Reuse of contexts between requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// Every context is new: no cache hits.
    Cold,
    /// Each lane keeps its context at a depth for the whole run.
    Warm,
    /// Each context is sent in a round of its own and reused in the next (llama-benchy's method).
    TwoPhase,
}
