use std::error::Error;
use std::fmt;

use super::md5::DIGEST_BYTES;

/// Why a record that begins as an aggregate is not one, so that it cannot be taken apart.
///
/// Offsets count from the start of the protobuf message, user records and table entries from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformation {
    /// The digest at the end is not that of the message: a part is missing, or it never was an aggregate.
    Digest {
        /// What the record says.
        stated: [u8; DIGEST_BYTES],
        /// What its message digests to.
        computed: [u8; DIGEST_BYTES],
    },
    /// The message is longer than offsets can say: 4 GiB.
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A number goes on where its part of the message ends.
    VarintCut {
        /// Where the number begins.
        at: usize,
    },
    /// A number has more than the ten bytes, or 64 bits, that protobuf allows.
    VarintTooLong {
        /// Where the number begins.
        at: usize,
    },
    /// A value needs more bytes than its part of the message has left.
    ValueCut {
        /// Where the value begins.
        at: usize,
        /// How many bytes it needs.
        needed: u64,
        /// How many there are.
        left: usize,
    },
    /// A field has the number 0, or one above protobuf's 2^29 - 1.
    FieldNumber {
        /// Where the field begins.
        at: usize,
        /// Its number.
        number: u64,
    },
    /// A field has a wire type without a known length: a group (3 and 4), which the format never had and Java passes over, or
    /// one that protobuf does not know (6 and 7).
    WireType {
        /// Where the field begins.
        at: usize,
        /// Its wire type.
        wire_type: u64,
    },
    /// An entry of the table of partition keys is not UTF-8.
    PartitionKey {
        /// Which entry.
        entry: u64,
    },
    /// An entry of the table of explicit hash keys is not a decimal number below 2^128.
    ExplicitHashKey {
        /// Which entry.
        entry: u64,
        /// Its beginning, as text.
        text: String,
    },
    /// A user record is without a field that it must have.
    FieldMissing {
        /// Which user record.
        record: u64,
        /// The name of the field.
        field: &'static str,
    },
    /// A user record refers to an entry that its table does not have.
    Index {
        /// Which user record.
        record: u64,
        /// The name of the field.
        field: &'static str,
        /// What it refers to.
        index: u64,
        /// How many entries the table has.
        entries: u64,
    },
    /// It has no user record. The Java KCL delivers nothing then.
    NoUserRecord,
    /// The key or the value of a tag is not UTF-8.
    Tag {
        /// Which user record.
        record: u64,
    },
}

impl fmt::Display for Malformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest { stated, computed } => write!(
                f,
                "the digest at its end is {:032x}, but its message digests to {:032x}",
                u128::from_be_bytes(*stated),
                u128::from_be_bytes(*computed)
            ),
            Self::TooLong { bytes } => write!(f, "its message has {bytes} bytes; the limit is {}", u32::MAX),
            Self::VarintCut { at } => write!(f, "the number at byte {at} goes on where its message ends"),
            Self::VarintTooLong { at } => write!(f, "the number at byte {at} has more than 64 bits"),
            Self::ValueCut { at, needed, left } => {
                write!(f, "the value at byte {at} needs {needed} bytes, but its message has {left} left")
            }
            Self::FieldNumber { at, number } => {
                write!(f, "the field at byte {at} has the number {number}; from 1 to 536870911 is allowed")
            }
            Self::WireType { at, wire_type } => {
                write!(f, "the field at byte {at} has the wire type {wire_type}; 0, 1, 2 and 5 can be read")
            }
            Self::PartitionKey { entry } => write!(f, "partition key {entry} of its table is not UTF-8"),
            Self::ExplicitHashKey { entry, text } => write!(
                f,
                "explicit hash key {entry} of its table is '{text}', not a decimal number below 2^128"
            ),
            Self::FieldMissing { record, field } => write!(f, "user record {record} has no {field}"),
            Self::Index { record, field, index, entries } => write!(
                f,
                "user record {record} has the {field} {index}, but that table has {entries} entries"
            ),
            Self::NoUserRecord => f.write_str("it has no user record"),
            Self::Tag { record } => write!(f, "a tag of user record {record} is not UTF-8"),
        }
    }
}

impl Error for Malformation {}
