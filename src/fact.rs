//! The waist of the house: what happened, and when. The left half makes these,
//! the right half reads them, and the journal is nothing but their rows.
//!
//! Knows no file, no clock, no network. `fact/row.rs` turns an entry into a
//! row and back; the columns are documented in `docs/formats/run-folder.md`.

pub(crate) mod ability;
pub(crate) mod batch;
pub(crate) mod cell;
pub(crate) mod course;
pub(crate) mod group;
pub(crate) mod observed;
pub(crate) mod request;
pub(crate) mod row;
pub(crate) mod target;
pub(crate) mod text;

pub(crate) use ability::Abilities;
pub(crate) use batch::{Batch, GapKind, Gaps};
pub(crate) use cell::{Cell, Load};
pub(crate) use course::{
    Action, Clock, Closed, ClosedBecause, Fault, FaultKind, Issued, LAUNCH, Opened, PhaseBegan,
    RESTART, STOP,
};
pub(crate) use group::Group;
pub(crate) use observed::{Missed, MissedReason, Reading, Said, Severity, Source};
pub(crate) use request::{BrokenHow, Class, Ended, Request, Stage};
pub(crate) use target::{Exited, Fitted, Seen, TargetFact, TargetWord};

use serde::{Deserialize, Serialize};

use crate::unit::At;
use crate::words::words;

/// A stretch of a run between its start (or a resume) and its end; 0, then one more each.
pub(crate) type Segment = u32;

/// The order of the run, over all files and all segments, from 0.
pub(crate) type Seq = u64;

/// One line of the journal: something that happened, and when.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The segment it belongs to.
    pub segment: Segment,
    /// Its place in the order of the run.
    pub seq: Seq,
    /// When, stamped by who saw it, before it was sent anywhere.
    pub at: At,
    pub fact: Fact,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    /// What this segment is: everything needed to do it again stands in the manifest.
    Opened(Opened),
    /// A phase began.
    Phase(PhaseBegan),
    /// How a prompt length was fitted to the server's own token count.
    Fitted(Fitted),
    /// What the server or the box says it is; whether that differs from the recipe.
    Seen(Seen),
    /// The target: launched, ready, away, back, exited, restarted.
    Target(TargetFact),
    /// What longhaul was told or did itself.
    Action(Action),
    /// The next slot of every lane; written before each sync.
    Issued(Issued),
    /// A request ended, however it ended.
    Request(Box<Request>),
    /// A round of a cell ended.
    Batch(Batch),
    /// Histograms of the times between tokens or chunks, of a cell and interval.
    Gaps(Gaps),
    /// An observer read.
    Reading(Reading),
    /// An observer was due and could not read.
    Missed(Missed),
    /// A log line that means something.
    Said(Said),
    /// The wall clock as seen from the timeline.
    Clock(Clock),
    /// longhaul's own failure.
    Fault(Fault),
    /// Why the segment ended.
    Closed(Closed),
}

/// What part of the run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Not judged: caches, graphs and compilers settle.
    Warmup,
    /// The first laps that count; what later ones are held against.
    Reference,
    /// The long middle.
    Soak,
    /// Deliberately without load.
    Idle,
    /// A fault made on purpose.
    Drill,
    /// The last laps; compared with the reference.
    Return,
    /// Nothing new is sent; what is in flight may end.
    Drain,
}

words!(Phase {
    Warmup: "warmup",
    Reference: "reference",
    Soak: "soak",
    Idle: "idle",
    Drill: "drill",
    Return: "return",
    Drain: "drain",
});

impl Phase {
    /// Whether what happens in it counts towards the steady state.
    pub(crate) fn is_steady(self) -> bool {
        matches!(self, Phase::Reference | Phase::Soak | Phase::Return)
    }
}
