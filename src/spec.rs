//! ASKED: what the user wants, as read from files and flags. A recipe says
//! what is served, a scenario what is asked of it and what must hold.
//!
//! Pure: files that a spec needs are handed in by a loader. Knows no run.

pub(crate) mod contract;
pub(crate) mod field;
pub(crate) mod node;
pub(crate) mod profile;
pub(crate) mod recipe;
pub(crate) mod scenario;
pub(crate) mod shipped;

pub(crate) use contract::{Contract, Gate, Limit, Select};
pub(crate) use profile::Profile;
pub(crate) use recipe::Recipe;
pub(crate) use scenario::{Extent, Limits, Scenario, Workload};

/// A file as it was handed in: where it came from, and its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpecFile {
    /// The name people use for it: the file's stem, or a shipped file's name.
    pub name: String,
    /// Where it stands: a path, or `shipped:smoke`.
    pub origin: String,
    pub text: String,
}
