//! Where records come from: the service calls we need ([`Kinesis`], a port), the catalog of a stream's shards, and
//! the source that turns calls into an endless sequence of batches.
//!
//! Pacing, iterator expiry, throttling, subscriptions and the end of a shard are handled here, once, over the bare port, so that
//! the in-memory backend and the real service exercise the same code. Nothing here knows leases or processors.

mod catalog;
mod consumer;
mod fall_back;
mod fan_out;
mod fetch_budget;
mod fetched_batch;
mod fetcher;
mod kinesis;
mod page_size;
mod polling;
mod polling_settings;
mod read_position;
mod record_source;
mod retrieval;
mod shard_page;
mod subscription;
mod unpacker;

pub use catalog::list_all_shards;
pub use consumer::{ConsumerDescription, ConsumerRef, ConsumerStatus, StreamDescription, StreamStatus};
pub use fan_out::{FanOutConsumer, FanOutSettings};
pub(crate) use fetch_budget::Room;
pub(crate) use fetched_batch::{BATCH_RECORDS_MAX, FetchedBatch, NextRecords};
pub(crate) use fetcher::Fetcher;
pub use kinesis::{ChildShard, GET_RECORDS_MAX, GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator};
pub use polling_settings::PollingSettings;
pub(crate) use record_source::{RecordSource, SourceBatch, StartPosition};
pub use retrieval::Retrieval;
pub(crate) use retrieval::Retriever;
pub use shard_page::{ShardFilter, ShardPage, ShardPageRequest, ShardPageToken};
pub use subscription::{Subscription, SubscriptionEvent};
