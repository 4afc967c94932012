//! The numbers of the format, which its reader and its writer share.

/// The four bytes that every aggregate begins with.
pub const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

// The fields of `AggregatedRecord`.
pub(super) const PARTITION_KEY_TABLE: u32 = 1;
pub(super) const EXPLICIT_HASH_KEY_TABLE: u32 = 2;
pub(super) const RECORDS: u32 = 3;

// The fields of `Record`.
pub(super) const PARTITION_KEY_INDEX: u32 = 1;
pub(super) const EXPLICIT_HASH_KEY_INDEX: u32 = 2;
pub(super) const DATA: u32 = 3;
pub(super) const TAGS: u32 = 4;

// The fields of `Tag`.
pub(super) const TAG_KEY: u32 = 1;
pub(super) const TAG_VALUE: u32 = 2;

// How a field is written: the lowest three bits of its key.
pub(super) const VARINT: u64 = 0;
pub(super) const FIXED_64: u64 = 1;
pub(super) const BYTES: u64 = 2;
pub(super) const FIXED_32: u64 = 5;
