//! What befell the server. `liveness` decides while the run goes on, from what
//! has been seen so far; `cause` explains with hindsight. Two folds, one room,
//! used by the run and by the analysis, so that both speak of the same outage.
//!
//! Knows no clock and no journal: everything comes in as entries.

pub mod cause;
pub mod hang;
pub mod liveness;
mod segments;
#[cfg(test)]
#[allow(missing_docs)]
pub mod story;
pub mod what;

pub use cause::Causes;
pub use liveness::{Liveness, LivenessChange, State};
pub use what::{Cause, Confidence, Incident, IncidentKind, Recovery};
