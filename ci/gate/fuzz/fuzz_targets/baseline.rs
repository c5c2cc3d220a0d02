#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icgate_fuzz::baseline(data));
