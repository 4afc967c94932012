//! Kinesis in memory keeps the promises of the port, also behind a wrapper that injects faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kcl_core::Result;
use kcl_core::memory::{MemoryKinesis, MemoryKinesisSettings};
use kcl_core::model::{SequenceNumber, ShardId, StreamId};
use kcl_core::stream::Kinesis;
use kcl_core::testing::kinesis_suite::{self, KinesisFixture};
use kcl_core::testing::{Fault, FaultyKinesis, KinesisCall, run_suite};

struct MemoryFixture {
    memory: Arc<MemoryKinesis>,
    /// The memory, or what it is wrapped in.
    kinesis: Arc<dyn Kinesis>,
    shards_per_page: usize,
    streams: AtomicUsize,
}

impl MemoryFixture {
    fn new(settings: MemoryKinesisSettings) -> Self {
        let shards_per_page = settings.shards_per_page;
        let memory = Arc::new(MemoryKinesis::new(settings));
        let kinesis = Arc::clone(&memory) as Arc<dyn Kinesis>;
        Self { memory, kinesis, shards_per_page, streams: AtomicUsize::default() }
    }

    fn with_faults(decide: impl Fn(KinesisCall<'_>) -> Fault + Send + Sync + 'static) -> Self {
        let plain = Self::new(MemoryKinesisSettings::default());
        let faulty = FaultyKinesis::new(Arc::clone(&plain.kinesis), decide);
        Self { kinesis: Arc::new(faulty), ..plain }
    }
}

#[async_trait]
impl KinesisFixture for MemoryFixture {
    fn kinesis(&self) -> Arc<dyn Kinesis> {
        Arc::clone(&self.kinesis)
    }

    async fn create_stream(&self, shard_count: usize) -> Result<StreamId> {
        let number = self.streams.fetch_add(1, Ordering::Relaxed);
        let stream = StreamId::named(format!("stream-{number}"))?;
        self.memory.create_stream(&stream, shard_count)?;
        Ok(stream)
    }

    async fn put(
        &self,
        stream: &StreamId,
        partition_key: &str,
        explicit_hash_key: Option<u128>,
        data: Bytes,
    ) -> Result<(ShardId, SequenceNumber)> {
        let put = self.memory.put_record(stream, partition_key, explicit_hash_key, data)?;
        Ok((put.shard_id, put.sequence_number))
    }

    async fn split(&self, stream: &StreamId, shard: &ShardId, new_starting_hash_key: u128) -> Result<()> {
        self.memory.split_shard(stream, shard, new_starting_hash_key)?;
        Ok(())
    }

    async fn merge(&self, stream: &StreamId, shard: &ShardId, adjacent: &ShardId) -> Result<()> {
        self.memory.merge_shards(stream, shard, adjacent)?;
        Ok(())
    }

    /// On paused time, a sleep costs nothing.
    fn patience(&self) -> Duration {
        Duration::MAX
    }

    fn shards_per_page(&self) -> Option<usize> {
        Some(self.shards_per_page)
    }
}

#[tokio::test(start_paused = true)]
async fn memory_kinesis_keeps_the_suite() {
    let new_fixture =
        async || Arc::new(MemoryFixture::new(MemoryKinesisSettings::default())) as Arc<dyn KinesisFixture>;
    run_suite(kinesis_suite::cases(), new_fixture, &[]).await;
}

/// One service for all cases, whose listings come in pages of one shard.
#[tokio::test(start_paused = true)]
async fn memory_kinesis_keeps_the_suite_with_many_streams_and_pages() {
    let settings = MemoryKinesisSettings { shards_per_page: 1, ..MemoryKinesisSettings::default() };
    let fixture = Arc::new(MemoryFixture::new(settings));
    let shared = async || Arc::clone(&fixture) as Arc<dyn KinesisFixture>;
    run_suite(kinesis_suite::cases(), shared, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_wrapper_without_faults_keeps_the_suite() {
    let new_fixture =
        async || Arc::new(MemoryFixture::with_faults(|_| Fault::None)) as Arc<dyn KinesisFixture>;
    run_suite(kinesis_suite::cases(), new_fixture, &[]).await;
}

/// A case that drops its waits sees that the wrapper keeps what it has got.
#[tokio::test(start_paused = true)]
async fn a_wrapper_that_delays_events_keeps_the_suite() {
    let delay = |call: KinesisCall<'_>| match call {
        KinesisCall::NextEvent(_) => Fault::Delay(Duration::from_millis(7)),
        _ => Fault::None,
    };
    let new_fixture = async || Arc::new(MemoryFixture::with_faults(delay)) as Arc<dyn KinesisFixture>;
    run_suite(kinesis_suite::cases(), new_fixture, &[]).await;
}
