//! Aggregates of the Kinesis Producer Library: many user records in one Kinesis record, taken apart and put together.
//!
//! Nothing here waits, reads a clock, draws a random number or knows a service, and nothing that a producer can write makes
//! it panic or take much memory. What cannot be read is kept as it came, and its reader is told why.
//!
//! # The format
//!
//! The bytes `F3 89 9A C2`, a protobuf message, and the MD5 digest of that message (`aggregation-format.md` of the KPL):
//!
//! ```text
//! message AggregatedRecord {                         message Record {
//!   repeated string partition_key_table     = 1;       required uint64 partition_key_index     = 1;
//!   repeated string explicit_hash_key_table = 2;       optional uint64 explicit_hash_key_index = 2;
//!   repeated Record records                 = 3;       required bytes  data                    = 3;
//! }                                                    repeated Tag    tags                    = 4;
//! message Tag {                                      }
//!   required string key   = 1;
//!   optional string value = 2;
//! }
//! ```

mod aggregate;
mod aggregator;
mod contents;
mod expansion;
mod fields;
mod hash_key;
mod key_table;
mod layout;
mod malformation;
mod malformed_aggregates;
pub mod md5;
mod new_user_record;
mod outside_range;
mod put;
mod seal;
mod survey;
mod user_record;
mod user_records;
mod wire;
mod wire_out;

pub use aggregate::{Aggregate, Parsed};
pub use aggregator::{
    AGGREGATE_BYTES_DEFAULT, AGGREGATE_BYTES_MIN, AGGREGATE_RECORDS_DEFAULT, Addition, Aggregator,
    PARTITION_KEY_CHARS_MAX, RECORD_BYTES_MAX,
};
pub use expansion::Expansion;
pub use hash_key::hash_key_of;
pub use layout::MAGIC;
pub use malformation::Malformation;
pub use malformed_aggregates::MalformedAggregates;
pub use new_user_record::NewUserRecord;
pub use outside_range::OutsideRange;
pub use put::Put;
pub use seal::Seal;
pub use user_record::{Tag, UserRecord};
pub use user_records::UserRecords;
