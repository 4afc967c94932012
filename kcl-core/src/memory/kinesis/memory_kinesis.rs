use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::MemoryKinesisSettings;
use super::clock::Clock;
use super::errors::refused;
use super::service::Service;
use crate::error::Result;
use crate::model::{Shard, ShardId, StreamId, Timestamp};

/// The most shards that a stream is created with: the service's default quota in its largest regions.
const SHARD_COUNT_MAX: u32 = 20_000;

/// Kinesis Data Streams in memory. Share one between producers and workers behind an `Arc`.
///
/// Consumers use it through the [`Kinesis`](crate::stream::Kinesis) port. The methods here do what a producer and an
/// operator do; they take effect at once. Its [limits](super::MemoryKinesisLimits) are those of the service, unless the
/// settings say otherwise: a program that puts in bulk must switch off those of writes.
///
/// Its clock is that of the Tokio runtime, which a test may pause: create it in the runtime that uses it, or give it a
/// [clock of its own](Self::with_clock).
pub struct MemoryKinesis {
    pub(super) service: Arc<Service>,
}

impl MemoryKinesis {
    /// A Kinesis without streams.
    pub fn new(settings: MemoryKinesisSettings) -> Self {
        let clock = Clock::of_the_runtime(settings.started_at);
        Self { service: Arc::new(Service::new(settings, clock)) }
    }

    /// A Kinesis without streams whose time is `started_at` of the settings plus `elapsed`, which must never go back.
    /// For workers in several runtimes, each of which has a clock of its own. Subscriptions notice within 50 ms of
    /// their runtime's clock what time brings, and at once what calls bring.
    pub fn with_clock(
        settings: MemoryKinesisSettings,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        let clock = Clock::given(settings.started_at, elapsed);
        Self { service: Arc::new(Service::new(settings, clock)) }
    }

    /// The time by which records arrive and expire.
    pub fn now(&self) -> Timestamp {
        self.service.clock().now()
    }

    /// Creates a stream of 1 to 20,000 shards with equal hash ranges. Refused if there is a stream of this id.
    pub fn create_stream(&self, stream: &StreamId, shard_count: usize) -> Result<()> {
        let shard_count = u32::try_from(shard_count).unwrap_or(u32::MAX);
        if !(1..=SHARD_COUNT_MAX).contains(&shard_count) {
            return Err(refused(format!(
                "stream '{stream}' cannot have {shard_count} shards; use 1 to {SHARD_COUNT_MAX}"
            )));
        }
        self.service.create_stream(stream, shard_count)
    }

    /// Closes a shard and opens two in its place, the second from `new_starting_hash_key` on. Refused if the shard is
    /// closed, or unless the key is above its starting hash key plus one and below its ending hash key.
    pub fn split_shard(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        new_starting_hash_key: u128,
    ) -> Result<[ShardId; 2]> {
        self.service.with_stream(stream, |stream, now| stream.split(shard, new_starting_hash_key, now))
    }

    /// Closes two shards and opens one in their place. Refused if one is closed or their hash ranges do not touch.
    pub fn merge_shards(&self, stream: &StreamId, shard: &ShardId, adjacent: &ShardId) -> Result<ShardId> {
        self.service.with_stream(stream, |stream, now| stream.merge(shard, adjacent, now))
    }

    /// Every shard that is listed, closed ones included, ordered by name.
    pub fn shards(&self, stream: &StreamId) -> Result<Vec<Shard>> {
        self.service.with_stream(stream, |stream, _| {
            Ok(stream.shards_after(None).map(|shard| shard.listing().clone()).collect())
        })
    }

    /// Forgets at once what retention would forget later: records that arrived before `horizon`, and shards that were
    /// closed before it.
    pub fn trim(&self, stream: &StreamId, horizon: Timestamp) -> Result<()> {
        self.service.with_stream(stream, |stream, _| {
            stream.trim(horizon);
            Ok(())
        })
    }
}

impl Default for MemoryKinesis {
    fn default() -> Self {
        Self::new(MemoryKinesisSettings::default())
    }
}

impl fmt::Debug for MemoryKinesis {
    /// Without the records, which may be many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryKinesis").field("settings", self.service.settings()).finish_non_exhaustive()
    }
}
