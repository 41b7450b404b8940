//! Implements the verbs, one file each. Only here the modules that produce a run meet those that
//! report it.

pub(crate) mod compare;
pub(crate) mod drive;
pub(crate) mod inputs;
pub(crate) mod list;
pub(crate) mod output;
pub(crate) mod plan;
pub(crate) mod recipe;
pub(crate) mod rehearse;
pub(crate) mod report;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod sim;
pub(crate) mod sweep;

pub(crate) use inputs::{Inputs, KeptTexts};
use output::clean;
pub(crate) use output::{
    colour, finish, finish_unchanged, hide, mistake, print_stderr, print_stdout, rewrite_line,
};

use tokio::runtime::{Builder, Runtime};

use crate::error::Mistake;

/// Format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportFormat {
    /// Text for a terminal or a forum.
    Terminal { wide: bool },
    /// JSON for programs: the content of `verdict.json`.
    Json,
    /// Markdown for a forum or an issue.
    Markdown,
    /// Test cases.
    Junit,
    /// Annotations of a workflow.
    Github,
}

/// Creates a runtime for this thread, in real time.
///
/// # Errors
/// The system cannot provide a runtime.
pub(crate) fn runtime() -> Result<Runtime, Mistake> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|why| Mistake::new(format!("no runtime: {why}")))
}
