//! Formats reports for people and for scripts. Pure text: a report formats the results of
//! `analysis` and `verdict`, and concludes nothing itself. The content of a run's report is
//! gathered once, in `page`; its layouts read nothing else.
//!
//! A text that is printed is a [`Printable`]: foreign text (errors, names, log lines) is escaped there, by the
//! rules of its format.

pub(crate) mod annotations;
pub(crate) mod arena;
pub(crate) mod benchy;
pub(crate) mod compare;
pub(crate) mod forum;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod layout;
pub(crate) mod markdown;
pub(crate) mod page;
pub(crate) mod pooled;
pub(crate) mod printable;
pub(crate) mod progress;
pub(crate) mod published;
pub(crate) mod recipe;
pub(crate) mod sweep;
pub(crate) mod terminal;
pub(crate) mod wide;
pub(crate) mod words;

pub(crate) use page::Page;
pub(crate) use printable::Printable;
pub(crate) use progress::StatusLine;
pub(crate) use terminal::{TerminalOptions, render};
