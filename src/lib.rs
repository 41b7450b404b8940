//! longhaul: a soak-test harness for local LLM servers. It answers one question: can you leave it
//! running?
//!
//! The modules follow the course of a run: asked (`spec`) → planned (`plan`) → happened (`run`) →
//! written (`journal`) → understood (`analysis`) → judged (`verdict`) → reported (`report`). The modules
//! up to `journal` produce facts, the modules after it read them; the two sides share only
//! [`fact::Entry`]. `docs/decisions/` gives the reasons.

mod analysis;
mod answer;
mod cli;
mod command;
mod compare;
mod digest;
mod engine;
mod error;
mod escape;
mod exit;
mod fact;
mod http;
mod incident;
mod journal;
mod measure;
mod meminfo;
mod observe;
mod plan;
mod process;
mod protocol;
mod report;
mod rng;
mod run;
mod secret;
mod series;
mod serve;
mod shared_value;
mod shell;
#[cfg(test)]
mod shown;
mod sim;
mod spec;
mod stats;
mod sweep;
mod target;
mod timeline;
mod unit;
mod verdict;
mod words;
mod world;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the whole program: arguments in, exit code out.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    cli::main(arguments).into()
}

/// Bodies of the fuzz targets, which the default tier of tests runs too.
#[cfg(any(test, fuzzing))]
#[path = "../tests/fuzz/body"]
pub mod fuzz {
    mod chunk;
    mod folder;
    mod journal;
    mod log_line;
    mod manifest;
    mod prometheus;
    mod recipe;
    mod render;
    mod row;
    mod scenario;
    mod sse;

    pub use chunk::chunk;
    pub use journal::journal;
    pub use log_line::log_line;
    pub use manifest::manifest;
    pub use prometheus::prometheus;
    pub use recipe::recipe;
    pub use render::render;
    pub use row::row;
    pub use scenario::scenario;
    pub use sse::sse;
}

#[cfg(test)]
extern crate self as longhaul;

/// Tests across several modules, which need more than the binary exposes.
#[cfg(test)]
#[path = "../tests/inside"]
mod inside {
    mod comparisons;
    mod frozen;
    mod fuzz;
    mod journal;
    mod journals;
    mod oracle;
    mod recipes;
    mod rehearsals;
    mod shipped;
    mod sim_http;
    mod wire;
}
