//! A scenario: what is asked of the server, for how long, and what must hold.

mod arena;
mod care;
mod ladder;
mod overrides;
mod read;
mod workload;

pub(crate) use care::{Drill, DrillKind, Restart, RestartWhen};
pub(crate) use ladder::{Api, Arrivals, Ladder, NAME as LADDER, Prefix};
pub(crate) use overrides::Overrides;
pub(crate) use read::read;
pub(crate) use workload::{Cap, Workload};

use std::time::Duration;

use super::{Contract, SpecFile};

/// What is asked of the server, for how long, and what must hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scenario {
    /// The file it was read from.
    pub source: SpecFile,
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
pub(crate) enum Extent {
    /// So long under load, warm-up included; time without a server does not count.
    Duration(Duration),
    /// So many laps after the warm-up, however long they take.
    Laps(u64),
}

/// When a request or a server is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
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
    pub(crate) fn gives_orders(&self) -> bool {
        self.restart.is_some() || self.drills.iter().any(|drill| drill.kind.gives_orders())
    }
}
