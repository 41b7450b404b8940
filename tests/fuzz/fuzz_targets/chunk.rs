//! Fuzz target: reads arbitrary bytes as an event's data and as a whole answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    longhaul::fuzz::chunk(data);
});
