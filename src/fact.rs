//! Defines facts: what happened in a run, and when. `run` and the sensors make
//! them, analysis and reports read them, and the journal consists of their
//! rows.
//!
//! Knows no file, no clock, no network. `fact/row.rs` turns an entry into a row
//! and back; the columns are documented in `docs/formats/run-folder.md`.

pub(crate) mod ability;
pub(crate) mod batch;
pub(crate) mod cell;
pub(crate) mod course;
pub(crate) mod group;
mod implausible;
pub(crate) mod observed;
pub(crate) mod request;
pub(crate) mod row;
pub(crate) mod target;
pub(crate) mod text;

pub(crate) use ability::Abilities;
pub(crate) use batch::{Batch, GapKind, Gaps};
pub(crate) use cell::{Cell, Load, shared_head};
pub(crate) use course::{
    Action, Clock, Closed, ClosedBecause, Fault, FaultKind, LAUNCH, Opened, PAUSE, PhaseBegan,
    RESTART, STOP, SentSlots,
};
pub(crate) use group::Group;
pub(crate) use observed::{Missed, MissedReason, Reading, Severity, SignatureMatch, Source, Whose};
pub(crate) use request::{
    BrokenHow, Class, Ended, Request, Stage, TOKEN_US_MIN, TOKENS_MAX, is_spoiled,
};
pub(crate) use target::{
    ANSWERED_BY, Exited, Fitted, MODEL_LIST, NO_MODEL, Statement, TargetFact, TargetWord,
};

use serde::{Deserialize, Serialize};

use crate::unit::At;
use crate::words::words;

/// Number of a segment: the part of a run between a start (or resume) and its end; from 0.
pub(crate) type Segment = u32;

/// Sequence number of an entry, over all files and segments, from 0.
pub(crate) type Seq = u64;

/// Entry of the journal: a fact with its number and its instant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub segment: Segment,
    pub seq: Seq,
    /// Instant of the event, stamped where it was observed, before any transfer.
    pub at: At,
    pub fact: Fact,
}

/// Fact of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    /// A segment began; everything needed to repeat it is in the manifest.
    Opened(Opened),
    /// A phase began.
    Phase(PhaseBegan),
    /// A prompt length was fitted to the server's own token count.
    Fitted(Fitted),
    /// A statement of the server or its machine about itself, and whether it differs from the
    /// recipe.
    Seen(Statement),
    /// A change of the target: launched, ready, away, back, exited, restarted.
    Target(TargetFact),
    /// An action of longhaul or of its user.
    Action(Action),
    /// The next slot of every lane; written before each sync.
    Issued(SentSlots),
    /// A request ended, in any way.
    Request(Box<Request>),
    /// A round of a cell ended.
    Batch(Batch),
    /// Histograms of the times between tokens or chunks, of a group and interval.
    Gaps(Gaps),
    /// A sensor was read.
    Reading(Reading),
    /// A sensor was due and could not be read.
    Missed(Missed),
    /// A log line matched a signature.
    Said(SignatureMatch),
    /// The wall clock was compared with the timeline.
    Clock(Clock),
    /// longhaul itself failed.
    Fault(Fault),
    /// The segment ended, and why.
    Closed(Closed),
}

/// Phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Not judged: caches, graphs and compilers settle.
    Warmup,
    /// The first laps that count, with which later ones are compared.
    Reference,
    /// The main part of the run.
    Soak,
    /// Deliberately without load.
    Idle,
    /// A deliberate fault.
    Drill,
    /// The last laps; compared with the reference.
    Return,
    /// End of the run: requests in flight may finish, no new one is sent.
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
    /// Whether requests in this phase count towards the steady state.
    pub(crate) fn is_steady(self) -> bool {
        matches!(self, Phase::Reference | Phase::Soak | Phase::Return)
    }
}
