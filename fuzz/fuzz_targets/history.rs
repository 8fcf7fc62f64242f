//! Whole histories of operations against a plain model: tests/it/model.rs, with the bytes in chance's place.
#![no_main]

#[path = "../../tests/it/model.rs"]
#[allow(dead_code, reason = "one test less")]
mod model;
#[path = "../history_support.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| model::play(bytes));
