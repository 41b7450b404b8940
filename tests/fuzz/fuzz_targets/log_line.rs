//! Fuzz target: reads arbitrary bytes as a server's log.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    longhaul::fuzz::log_line(bytes);
});
