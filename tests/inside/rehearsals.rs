//! Whole soaks in virtual time, one for each thing that can go wrong: what
//! longhaul sees of it, and that it sees nothing where nothing is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test file, its helpers too

mod open;
mod own;
mod properties;
mod requests;
mod server;
mod speed;
mod stage;
