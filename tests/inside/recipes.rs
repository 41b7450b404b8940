//! Tests recipes of other people: fetched from their sources, with any content.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test file, its helpers too

mod fetched;
#[path = "../recipes/host.rs"]
mod host;
mod odd;
mod refused;
