//! Fuzz target: parses arbitrary text as a metrics page.

#![no_main]

libfuzzer_sys::fuzz_target!(|page: &str| {
    longhaul::fuzz::prometheus(page);
});
