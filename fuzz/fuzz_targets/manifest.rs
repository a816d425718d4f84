//! The target `manifest` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::MANIFEST.run(input));
