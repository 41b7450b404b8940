//! Detects and explains incidents of the server. `liveness` decides during the run, from the
//! entries so far; `cause` explains with later entries too. The run and the analysis use the same
//! two folds, so that both report the same outages.
//!
//! Knows neither clock nor journal: all input comes as entries.

pub(crate) mod cause;
#[cfg(test)]
#[allow(missing_docs)]
pub(crate) mod fixture;
pub(crate) mod hang;
pub(crate) mod kinds;
pub(crate) mod liveness;
mod segments;

pub(crate) use cause::Causes;
pub(crate) use kinds::{Cause, Confidence, Incident, IncidentKind, Recovery};
pub(crate) use liveness::{Liveness, LivenessChange, State};
