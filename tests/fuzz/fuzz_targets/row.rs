//! Fuzz target: reads arbitrary lines as rows of a journal.

#![no_main]

libfuzzer_sys::fuzz_target!(|lines: &[u8]| {
    longhaul::fuzz::row(lines);
});
