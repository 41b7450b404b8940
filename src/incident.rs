//! What befell the server. `liveness` decides while the run goes on, from what
//! has been seen so far; `cause` explains with hindsight. Two folds, one room,
//! used by the run and by the analysis, so that both speak of the same outage.
//!
//! Knows no clock and no journal: everything comes in as entries.

pub(crate) mod cause;
pub(crate) mod hang;
pub(crate) mod liveness;
mod segments;
#[cfg(test)]
#[allow(missing_docs)]
pub(crate) mod story;
pub(crate) mod what;

pub(crate) use cause::Causes;
pub(crate) use liveness::{Liveness, LivenessChange, State};
pub(crate) use what::{Cause, Confidence, Incident, IncidentKind, Recovery};
