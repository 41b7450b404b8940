//! Fuzz target: reads arbitrary text as the manifest of a run.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    longhaul::fuzz::manifest(text);
});
