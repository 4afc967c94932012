//! Protobuf by hand: whatever a producer could write, whether our encoder would write it or not.

use bytes::Bytes;
use kcl_core::aggregation::MAGIC;
use md5::{Digest, Md5};

pub(crate) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
    bytes
}

/// The key of a field.
pub(crate) fn key(number: u64, wire_type: u64) -> Vec<u8> {
    varint(number << 3 | wire_type)
}

pub(crate) fn number(field: u64, number: u64) -> Vec<u8> {
    [key(field, 0), varint(number)].concat()
}

pub(crate) fn bytes(field: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [key(field, 2), varint(content.len() as u64), content.to_vec()].concat()
}

pub(crate) fn partition_key(text: impl AsRef<[u8]>) -> Vec<u8> {
    bytes(1, text)
}

pub(crate) fn explicit_hash_key(text: impl AsRef<[u8]>) -> Vec<u8> {
    bytes(2, text)
}

/// A user record of these fields.
pub(crate) fn record(fields: &[Vec<u8>]) -> Vec<u8> {
    bytes(3, fields.concat())
}

/// A user record with the partition key of this index.
pub(crate) fn plain_record(partition_key: u64, data: &[u8]) -> Vec<u8> {
    record(&[number(1, partition_key), bytes(3, data)])
}

/// The message of these fields, with magic and digest.
pub(crate) fn sealed(fields: &[Vec<u8>]) -> Bytes {
    let message = fields.concat();
    [&MAGIC[..], &message, &Md5::digest(&message)].concat().into()
}
