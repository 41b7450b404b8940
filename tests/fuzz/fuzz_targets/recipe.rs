//! Fuzz target: reads, renders and compares arbitrary text as a recipe.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| longhaul::fuzz::recipe(text));
