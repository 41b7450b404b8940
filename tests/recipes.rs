//! Recipes as strangers have them: fetched from where they lie, and whatever is
//! written in them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test file, its helpers too

#[path = "fuzz/body/recipe.rs"]
mod body;
#[path = "recipes/cached.rs"]
mod cached;
#[path = "recipes/fetched.rs"]
mod fetched;
#[path = "recipes/host.rs"]
mod host;
#[path = "recipes/odd.rs"]
mod odd;
#[path = "recipes/refused.rs"]
mod refused;
