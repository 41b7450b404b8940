//! TOLD: what was understood and judged, for people and for scripts. Pure text:
//! a report formats what `analysis` and `verdict` know, and concludes nothing.
//!
//! Foreign text (errors, names, log lines) reaches a terminal only through
//! `layout`, which lets no control character pass.

pub mod arena;
pub mod benchy;
pub mod compare;
pub mod json;
pub mod layout;
pub mod progress;
pub mod published;
pub mod recipe;
pub mod series;
pub mod sweep;
pub mod terminal;
pub mod wide;

pub use progress::Progress;
pub use terminal::{Options, render};
