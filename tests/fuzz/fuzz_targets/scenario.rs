//! Fuzz target: reads arbitrary text as a scenario.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| longhaul::fuzz::scenario(text));
