//! Digests side by side are what they are one by one.

#![no_main]

use kcl_core::aggregation::md5::{digests, digests_portable};
use libfuzzer_sys::fuzz_target;
use md5::{Digest, Md5};

fuzz_target!(|messages: Vec<Vec<u8>>| {
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let expected: Vec<[u8; 16]> = messages.iter().map(|message| Md5::digest(message).into()).collect();
    assert_eq!(digests(&messages), expected);
    assert_eq!(digests_portable(&messages), expected);
});
