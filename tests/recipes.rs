//! Tests recipes that the binary fetches and caches.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test file, its helpers too

#[path = "recipes/cached.rs"]
mod cached;
#[path = "recipes/host.rs"]
mod host;
#[path = "../src/shown.rs"]
mod shown;
