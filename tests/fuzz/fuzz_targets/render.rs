//! Fuzz target: renders an arbitrary template with arbitrary values.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| longhaul::fuzz::render(text));
