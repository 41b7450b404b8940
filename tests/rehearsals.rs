//! Whole soaks in virtual time, one for each thing that can go wrong: what
//! longhaul sees of it, and that it sees nothing where nothing is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test file, its helpers too

#[path = "rehearsals/open.rs"]
mod open;
#[path = "rehearsals/own.rs"]
mod own;
#[path = "rehearsals/properties.rs"]
mod properties;
#[path = "rehearsals/requests.rs"]
mod requests;
#[path = "rehearsals/server.rs"]
mod server;
#[path = "rehearsals/speed.rs"]
mod speed;
#[path = "rehearsals/stage.rs"]
mod stage;
