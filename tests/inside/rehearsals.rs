//! Tests whole soaks in virtual time, one per fault: longhaul reports the fault, and reports
//! nothing without one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test file, its helpers too

mod memory;
mod open;
mod own;
mod properties;
mod requests;
mod resumed;
mod server;
mod settings;
mod speed;
mod stage;
mod trends;
