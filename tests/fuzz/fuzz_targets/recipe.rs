//! Whatever a stranger writes as a recipe: read, rendered and compared.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| longhaul::fuzz::recipe(text));
