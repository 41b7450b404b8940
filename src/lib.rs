//! longhaul: a soak-test harness for local LLM servers. It answers one
//! question: can you leave it running?
//!
//! The story is told in tenses, and each room holds one of them:
//! asked (`spec`) → planned (`plan`) → happened (`run`) → written (`journal`)
//! → understood (`analysis`) → judged (`verdict`) → told (`report`). The left
//! half makes facts, the right half reads them; they meet at [`fact::Entry`].
//! `docs/decisions/` says why.

pub mod analysis;
pub mod answer;
pub mod bell;
pub mod cli;
pub mod command;
pub mod compare;
pub mod digest;
pub mod engine;
pub mod error;
pub mod escape;
pub mod exit;
pub mod fact;
pub mod http;
pub mod incident;
pub mod journal;
pub mod measure;
pub mod observe;
pub mod plan;
pub mod protocol;
pub mod report;
pub mod rng;
pub mod run;
pub mod secret;
pub mod series;
pub mod serve;
pub mod sim;
pub mod spec;
pub mod stats;
pub mod sweep;
pub mod target;
pub mod timeline;
pub mod unit;
pub mod verdict;
pub mod world;
