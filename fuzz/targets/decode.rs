#![no_main]

#[path = "../agree.rs"]
mod agree;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| agree::check(bytes));
