//! TOLD: what was understood and judged, for people and for scripts. Pure text:
//! a report formats what `analysis` and `verdict` know, and concludes nothing. What
//! is to be told of a run is gathered once, in `page`; its layouts ask nothing else.
//!
//! Foreign text (errors, names, log lines) reaches a terminal only through
//! `layout`, which lets no control character pass.

pub mod arena;
pub mod benchy;
pub mod compare;
pub mod json;
pub mod layout;
pub mod page;
pub mod progress;
pub mod published;
pub mod recipe;
pub mod sweep;
pub mod terminal;
pub mod wide;
pub mod words;

pub use page::Page;
pub use progress::StatusLine;
pub use terminal::{TerminalOptions, render};
