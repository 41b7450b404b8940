//! Defines the scenario: the requests to the server, their duration, and the contract.

mod arena;
mod care;
mod ladder;
mod limits;
mod overrides;
mod read;
mod workload;

pub(crate) use care::{Drill, DrillKind, Restart, RestartWhen};
pub(crate) use ladder::{Api, Arrivals, Ladder, NAME as LADDER, Prefix};
pub(crate) use limits::{AnswerLimits, Limits};
pub(crate) use overrides::Overrides;
pub(crate) use read::read;
pub(crate) use workload::{Cap, Workload};

use std::time::Duration;

use super::{Contract, SpecFile};

/// Scenario of a run: load, duration, limits and contract.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scenario {
    /// Source file.
    pub source: SpecFile,
    /// Description in one sentence: purpose and limits.
    pub about: String,
    /// Length of the scenario.
    pub extent: Extent,
    /// Warm-up laps, which are not judged.
    pub warmup_laps: u64,
    /// Length of the reference window and of the return window, laps: the first laps after the
    /// warm-up and the last ones, which are compared; 0 for none.
    pub reference_laps: u64,
    /// Workloads; each lap runs all of them in order.
    pub workloads: Vec<Workload>,
    /// Blocks for trends.
    pub trend: TrendBlocks,
    /// Limits of requests, answers and outages.
    pub limits: Limits,
    /// Drills, in order of time.
    pub drills: Vec<Drill>,
    /// Restart policy of a server that longhaul started, where the file has one.
    pub restart: Option<Restart>,
    /// Contract of the run.
    pub contract: Contract,
    /// Warnings of the parser, such as ignored keys of a foreign profile.
    pub warnings: Vec<String>,
}

/// Length of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Duration under load, warm-up included; outages do not count.
    Duration(Duration),
    /// Laps after the warm-up, of any duration.
    Laps(u64),
}

/// Division of a run into blocks, for trends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrendBlocks {
    /// Least length of a block; a block holds whole laps.
    pub block: Duration,
    /// Least time at the start of the server's life that is left out.
    pub warmup: Duration,
}

impl TrendBlocks {
    /// Least number of judged blocks for a word.
    pub(crate) const FOR_A_WORD: usize = 20;
    /// Least number of judged blocks for *growing*.
    pub(crate) const FOR_GROWING: usize = 30;
    /// Length of a lifetime from which a growth has a rate, in least blocks: 8 h of 10 minutes.
    pub(crate) const FOR_A_RATE: f64 = 48.0;

    /// Returns the length of a lifetime from which a growth has a rate, seconds.
    pub(crate) fn long_enough_s(&self) -> f64 {
        TrendBlocks::FOR_A_RATE * self.block.as_secs_f64()
    }
}

impl Default for TrendBlocks {
    fn default() -> TrendBlocks {
        TrendBlocks { block: Duration::from_secs(10 * 60), warmup: Duration::from_secs(15 * 60) }
    }
}

impl Scenario {
    /// Whether it needs a server that longhaul started.
    pub(crate) fn gives_orders(&self) -> bool {
        self.restart.is_some() || self.drills.iter().any(|drill| drill.kind.gives_orders())
    }
}
