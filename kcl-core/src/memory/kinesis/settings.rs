use std::time::Duration;

use super::MemoryKinesisLimits;
use crate::model::Timestamp;

/// When an in-memory Kinesis begins: a fixed time, so that two runs of a test see the same sequence numbers.
const STARTED_AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The service's own default.
const RETENTION: Duration = Duration::from_hours(24);

/// The service's own default (`PutRecord`, Kinesis API reference).
const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// The service's own page (`ListShards`, Kinesis API reference).
const SHARDS_PER_PAGE: usize = 1_000;

/// How long an iterator or the token of a page may be used (`GetShardIterator` and `ListShards`, Kinesis API reference).
const TOKEN_LIFETIME: Duration = Duration::from_mins(5);

/// What a user may choose about a [`MemoryKinesis`](super::MemoryKinesis).
#[derive(Debug, Clone)]
pub struct MemoryKinesisSettings {
    /// The wall-clock time at its creation; from there it follows its clock, by default Tokio's. Default: a fixed time in 2023.
    pub started_at: Timestamp,
    /// How long records are kept. Default: 24 hours, as the service.
    pub retention: Duration,
    /// The most bytes of a record, its key included. Default: 1 MiB, as the service; a stream of the service may allow up to
    /// 10 MiB (`UpdateMaxRecordSize`, Kinesis API reference), and so may this.
    pub record_bytes_max: usize,
    /// How long a stream is being updated after a split or a merge, and refuses another. Default: not at all; the service
    /// takes half a minute.
    pub reshard_transition: Duration,
    /// How many shards one page of a listing holds; 0 counts as 1. Default: 1,000, as the service.
    pub shards_per_page: usize,
    /// How long the token of a page can be used. Default: 5 minutes, as the service.
    pub page_token_lifetime: Duration,
    /// How long an iterator can be used. Default: 5 minutes, as the service.
    pub iterator_lifetime: Duration,
    /// Which quotas it enforces. Default: those of the service.
    pub limits: MemoryKinesisLimits,
    /// Consumers and their subscriptions.
    pub fan_out: MemoryFanOutSettings,
}

/// What a user may choose about the registered consumers of a [`MemoryKinesis`](super::MemoryKinesis).
#[derive(Debug, Clone, Copy)]
pub struct MemoryFanOutSettings {
    /// How long a consumer is being created, and being deleted. Default: 500 ms; the service takes some seconds.
    pub consumer_transition: Duration,
    /// How long a record lies in its shard before it is pushed, along with all that followed it. Default: 70 ms, which
    /// the service names as typical (Kinesis developer guide, enhanced fan-out).
    pub push_delay: Duration,
    /// How long nothing is pushed before an event without records is. Default: 5 s; the service names no time.
    pub heartbeat_interval: Duration,
    /// How long a subscription lasts. Default: 5 minutes, as the service.
    pub subscription_lifetime: Duration,
    /// How long after a subscription was opened another one is refused, instead of taking over. Default: 5 s, as the
    /// service.
    pub take_over_after: Duration,
}

impl Default for MemoryKinesisSettings {
    fn default() -> Self {
        Self {
            started_at: STARTED_AT,
            retention: RETENTION,
            record_bytes_max: RECORD_BYTES_MAX,
            reshard_transition: Duration::ZERO,
            shards_per_page: SHARDS_PER_PAGE,
            page_token_lifetime: TOKEN_LIFETIME,
            iterator_lifetime: TOKEN_LIFETIME,
            limits: MemoryKinesisLimits::default(),
            fan_out: MemoryFanOutSettings::default(),
        }
    }
}

impl Default for MemoryFanOutSettings {
    fn default() -> Self {
        Self {
            consumer_transition: Duration::from_millis(500),
            push_delay: Duration::from_millis(70),
            heartbeat_interval: Duration::from_secs(5),
            subscription_lifetime: Duration::from_mins(5),
            take_over_after: Duration::from_secs(5),
        }
    }
}
