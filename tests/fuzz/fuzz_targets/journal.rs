//! Fuzz target: reads arbitrary lines as rows of a run, and reports the run.

#![no_main]

libfuzzer_sys::fuzz_target!(|lines: &[u8]| {
    longhaul::fuzz::journal(lines);
});
