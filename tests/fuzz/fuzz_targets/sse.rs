//! Fuzz target: parses arbitrary bytes as an event stream.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| longhaul::fuzz::sse(bytes));
