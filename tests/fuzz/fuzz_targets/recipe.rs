//! Whatever a stranger writes as a recipe: read, rendered and compared.

#![no_main]

#[path = "../body/recipe.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|text: &str| body::recipe(text));
