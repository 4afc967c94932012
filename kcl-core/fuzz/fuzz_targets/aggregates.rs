//! Whatever bytes a producer writes: see `judge.rs` for what must be true of them.

#![no_main]

#[path = "../../tests/it/aggregation/judge.rs"]
mod judge;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| judge::judge(bytes));
