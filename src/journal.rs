//! WRITTEN: the run folder, the only truth of a run. Rows are appended, one
//! write each, and made durable every few seconds and at once on what matters.
//!
//! Knows facts and files; knows nothing of plans, runs or conclusions.

mod evidence;
pub mod hlog;
pub mod manifest;
mod reader;
mod writer;

pub use manifest::Manifest;
pub use reader::{Entries, Reader, Told, open};
pub use writer::{Journal, create, vacant};
