//! Recipes that are fetched by the binary, and kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test file, its helpers too

#[path = "recipes/cached.rs"]
mod cached;
#[path = "recipes/host.rs"]
mod host;
