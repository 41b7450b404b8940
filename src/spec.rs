//! Reads the user's files and flags: a recipe says what is served, a scenario which requests are
//! sent and which contract applies.
//!
//! Pure: a loader passes in the files that a spec includes. Knows no run.

pub(crate) mod contract;
pub(crate) mod field;
pub(crate) mod node;
pub(crate) mod profile;
pub(crate) mod recipe;
pub(crate) mod scenario;
pub(crate) mod shipped;

pub(crate) use contract::{Base, Contract, Gate, Limit, Select};
pub(crate) use profile::Profile;
pub(crate) use recipe::Recipe;
pub(crate) use scenario::{AnswerLimits, Extent, Limits, Scenario, TrendBlocks, Workload};

/// Text of a spec file, with its name and origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpecFile {
    /// Display name: the file's stem, or the name of a shipped file.
    pub name: String,
    /// Origin: a path, or `shipped:smoke`.
    pub origin: String,
    pub text: String,
}
