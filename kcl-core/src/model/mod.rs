//! Plain data: who a shard is, where a position lies, what a record holds.
//!
//! Nothing here waits, reads a clock, draws a random number or knows a service.

mod arn;
mod checkpoint;
mod hash_key_range;
mod initial_position;
mod partition_key;
mod pending_checkpoint;
mod record;
mod sequence_number;
mod shard;
mod shard_key;
mod stream_id;
mod time;
mod worker_id;

pub use arn::{ConsumerArn, StreamArn};
pub use checkpoint::{Checkpoint, RecordPosition};
pub use hash_key_range::HashKeyRange;
pub use initial_position::InitialPosition;
pub use partition_key::PartitionKey;
pub use pending_checkpoint::PendingCheckpoint;
pub use record::Record;
pub use sequence_number::SequenceNumber;
pub use shard::Shard;
pub use shard_key::{ShardId, ShardKey};
pub use stream_id::StreamId;
pub use time::{MonotonicTime, Timestamp};
pub use worker_id::WorkerId;
