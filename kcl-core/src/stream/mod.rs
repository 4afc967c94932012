//! Where records come from: the service calls we need ([`Kinesis`], a port), the catalog of a stream's shards, and
//! the source that turns calls into an endless sequence of batches.
//!
//! Pacing, iterator expiry, throttling and the end of a shard are handled here, once, over the bare port, so that
//! the in-memory backend and the real service exercise the same code. Nothing here knows leases or processors.

mod catalog;
mod consumer;
mod kinesis;
mod polling;
mod record_source;
mod shard_page;
mod subscription;

pub(crate) use catalog::list_all_shards;
pub use consumer::{ConsumerDescription, ConsumerRef, ConsumerStatus, StreamDescription, StreamStatus};
pub use kinesis::{ChildShard, GET_RECORDS_MAX, GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator};
pub use polling::PollingSettings;
pub(crate) use polling::PollingSource;
pub(crate) use record_source::{RecordSource, SourceBatch, StartPosition};
pub use shard_page::{ShardFilter, ShardPage, ShardPageRequest, ShardPageToken};
pub use subscription::{Subscription, SubscriptionEvent};
