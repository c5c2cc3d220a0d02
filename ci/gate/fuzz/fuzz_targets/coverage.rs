#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icgate_fuzz::coverage(data));
