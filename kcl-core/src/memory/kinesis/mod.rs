//! An in-memory Kinesis: several streams, resharding, retention and the five iterator types.
//!
//! It answers at once and never waits, so a caller's own pacing is all the waiting there is. One lock guards all
//! streams; each call is one atomic step. Rules are checked where the service checks them: arguments in the call,
//! hash keys in the stream, positions and sizes in the shard.

mod hash_key;
mod iterator_token;
mod memory_kinesis;
mod memory_shard;
mod memory_stream;
mod port;
mod sequence;
mod settings;

pub use memory_kinesis::{MemoryKinesis, PutRecordOutput};
pub use settings::MemoryKinesisSettings;
