//! Whatever bytes a service or a network sends as the events of a subscription: see `any_body.rs` for what must be true of
//! them.

#![no_main]

#[path = "../../../integration-tests/tests/it/wire/any_body.rs"]
mod any_body;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| any_body::judge(bytes));
