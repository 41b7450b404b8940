//! What befell the server. `liveness` decides while the run goes on, from what
//! has been seen so far; `cause` explains with hindsight. Two folds, one room,
//! used by the run and by the analysis, so that both speak of the same outage.
//!
//! Knows no clock and no journal: everything comes in as entries.

pub mod cause;
pub mod hang;
pub mod liveness;
#[cfg(test)]
#[allow(missing_docs)]
pub mod story;

pub use cause::Causes;
pub use liveness::{Change, Liveness, State};

use crate::fact::{Segment, Seq};
use crate::measure::Count;
use crate::unit::At;

/// What an incident was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The engine, the driver or the kernel ran out of memory.
    OutOfMemory,
    /// The server died, whatever its exit code; over HTTP an operator's stop looks alike.
    Crash,
    /// It was another process, or the same from the start, than before.
    Restart,
    /// It was not there for a while.
    Outage,
}

impl Kind {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Kind::OutOfMemory => "out of memory",
            Kind::Crash => "crash",
            Kind::Restart => "restart",
            Kind::Outage => "outage",
        }
    }

    /// The measure that counts it.
    pub fn count(self) -> Count {
        match self {
            Kind::OutOfMemory => Count::Ooms,
            Kind::Crash => Count::Crashes,
            Kind::Restart => Count::Restarts,
            Kind::Outage => Count::Outages,
        }
    }
}

/// Something that befell the server. One incident may be several things at
/// once, a crash and an outage for instance, and counts once in each.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// What it was, the gravest first.
    pub kinds: Vec<Kind>,
    /// The segment it happened in; instants are on its anchor.
    pub segment: Segment,
    /// The last good sign before it.
    pub from: At,
    /// The first good sign after it; `None` where none came.
    pub until: Option<At>,
    /// Entries that show it, in order, the first few.
    pub evidence: Vec<Seq>,
    /// What was seen, in words, on one line.
    pub words: String,
}

impl Incident {
    /// Whether it was this, among other things.
    pub fn is(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    /// The gravest thing that it was.
    pub fn kind(&self) -> Kind {
        self.kinds.first().copied().unwrap_or(Kind::Outage)
    }

    fn add(&mut self, kind: Kind) {
        if !self.is(kind) {
            self.kinds.push(kind);
            self.kinds.sort();
        }
    }
}
