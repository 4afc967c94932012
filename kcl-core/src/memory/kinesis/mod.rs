//! An in-memory Kinesis: several streams, resharding, retention, polling and enhanced fan-out, by the service's rules.
//!
//! Calls answer at once and never wait; only a subscription waits, for the next event. One lock guards all streams; each
//! call is one atomic step. Rules are checked where the service checks them: arguments in the call, hash keys in the
//! stream, positions and sizes in the shard. A subscription holds no records: an event is read when it is asked for.

mod arn;
mod clock;
mod consumers;
mod errors;
mod even_ranges;
mod iterator_token;
mod limits;
mod memory_kinesis;
mod memory_shard;
mod memory_stream;
mod page_token;
mod polling;
mod port;
mod producer;
mod push;
mod rate_window;
mod reshard;
mod sequence;
mod service;
mod settings;
mod shard_filter;
mod shard_quotas;
mod subscription;
mod subscription_slot;

pub use limits::MemoryKinesisLimits;
pub use memory_kinesis::MemoryKinesis;
pub use producer::{PutRecordOutput, PutRecordsEntry};
pub use settings::{MemoryFanOutSettings, MemoryKinesisSettings};
