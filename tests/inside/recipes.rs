//! Recipes as strangers have them: fetched from where they lie, and whatever is
//! written in them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test file, its helpers too

mod fetched;
#[path = "../recipes/host.rs"]
mod host;
mod odd;
mod refused;
