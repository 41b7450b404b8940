//! A scenario: what is asked of the server, for how long, and what must hold.

mod arena;
mod care;
mod ladder;
mod overrides;
mod read;

pub use care::{Drill, DrillKind, Restart, When};
pub use overrides::Overrides;
pub use read::read;

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Contract, Source};
use crate::fact::Load;

/// What is asked of the server, for how long, and what must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The file it was read from.
    pub source: Source,
    /// One sentence: what it is for and what it does not show.
    pub about: String,
    /// How much of it there is.
    pub extent: Extent,
    /// Laps that are not judged.
    pub warmup_laps: u64,
    /// The first laps after warm-up, and the last ones, that are compared; 0 for none.
    pub reference_laps: u64,
    /// What is asked, one lap after the other through all of them.
    pub workloads: Vec<Workload>,
    /// When a request or a server is given up.
    pub limits: Limits,
    /// What is done to the server on purpose, in the order of time.
    pub drills: Vec<Drill>,
    /// What is done when a server that longhaul started dies, where the file says it.
    pub restart: Option<Restart>,
    /// What must hold.
    pub contract: Contract,
    /// What the reader wants to tell: ignored keys of a foreign profile, for instance.
    pub warnings: Vec<String>,
}

/// How much of a scenario there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So long under load, warm-up included; time without a server does not count.
    Duration(Duration),
    /// So many laps after the warm-up, however long they take.
    Laps(u64),
}

/// A kind of asking.
#[derive(Clone, Debug, PartialEq)]
pub enum Workload {
    /// Every depth × every load, in rounds.
    Ladder(Ladder),
}

impl Workload {
    /// Its name in rows and contracts.
    pub fn name(&self) -> &'static str {
        match self {
            Workload::Ladder(_) => "ladder",
        }
    }
}

/// Every depth × every load × one shape, in rounds. In a closed loop a round is as many
/// requests at once as there are streams; in an open loop each request is sent when it is
/// due, however slow the answers. The next round begins when the last of them has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
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
    pub texts: Vec<Source>,
    /// The endpoint: chat completions, or plain completions.
    pub api: Api,
}

impl Ladder {
    /// All loads, in the order in which a lap visits them at each depth.
    pub fn loads(&self) -> impl Iterator<Item = Load> {
        let streams = self.concurrency.iter().copied().map(Load::Streams);
        streams.chain(self.rate.iter().copied().map(Load::PerSecond))
    }
}

/// How the requests of an open loop are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// As those of many users who know nothing of each other: gaps of exponential length.
    #[default]
    Poisson,
    /// Evenly.
    Constant,
}

impl Arrivals {
    /// The word in scenarios.
    pub fn word(self) -> &'static str {
        match self {
            Arrivals::Poisson => "poisson",
            Arrivals::Constant => "constant",
        }
    }
}

/// Requests per visit to an open cell where the scenario does not say: enough for a p95.
pub const REQUESTS: u32 = 60;

/// Requests per second that can be asked for: bounds an arrival that would never come, and
/// one that no single machine could send in time.
pub const RATES: RangeInclusive<f64> = 0.0001..=1000.0;

/// Which endpoint is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `/v1/chat/completions`: context as the system message, prompt as the user's.
    Chat,
    /// `/v1/completions`.
    Completions,
}

/// Whether contexts come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// Every context is new.
    Cold,
    /// A lane's context at a depth is the same throughout.
    Warm,
    /// Every context is loaded by a round of its own, and asked in the next (llama-benchy's way).
    TwoPhase,
}

/// When a request or a server is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// No first token for so long: `timed_out`.
    pub first_token: Duration,
    /// No further token for so long: `stalled`.
    pub stall: Duration,
    /// An outage longer than this ends the run.
    pub away: Duration,
    /// How long a server is waited for at the start.
    pub ready: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            first_token: Duration::from_secs(30 * 60),
            stall: Duration::from_secs(2 * 60),
            away: Duration::from_secs(45 * 60),
            ready: Duration::from_secs(45 * 60),
        }
    }
}

impl Scenario {
    /// Whether it takes a server that longhaul started.
    pub fn gives_orders(&self) -> bool {
        self.restart.is_some() || self.drills.iter().any(|drill| drill.kind.gives_orders())
    }
}
