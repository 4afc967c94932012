//! Aggregates of the Kinesis Producer Library: many user records in one Kinesis record, taken apart and put together.
//!
//! Nothing here waits, reads a clock, draws a random number or knows a service, and nothing that a producer can write makes
//! it panic or take much memory. What cannot be read is delivered as it came, and its reader is told why.
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

pub mod md5;
