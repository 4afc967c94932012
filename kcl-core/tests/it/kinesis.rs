//! Kinesis in memory keeps the promises of the port.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use kcl_core::Result;
use kcl_core::memory::{MemoryKinesis, MemoryKinesisSettings};
use kcl_core::model::{SequenceNumber, ShardId, StreamId};
use kcl_core::stream::Kinesis;
use kcl_core::testing::kinesis_suite::{self, KinesisFixture};
use kcl_core::testing::run_suite;

#[derive(Default)]
struct MemoryFixture {
    memory: Arc<MemoryKinesis>,
    streams: AtomicUsize,
}

#[async_trait]
impl KinesisFixture for MemoryFixture {
    fn kinesis(&self) -> Arc<dyn Kinesis> {
        Arc::clone(&self.memory) as Arc<dyn Kinesis>
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
}

async fn new_fixture() -> Arc<dyn KinesisFixture> {
    Arc::new(MemoryFixture::default())
}

#[tokio::test(start_paused = true)]
async fn memory_kinesis_keeps_the_suite() {
    run_suite(kinesis_suite::cases(), new_fixture, &[]).await;
}

/// One service for all cases, whose listings come in pages of one shard.
#[tokio::test(start_paused = true)]
async fn memory_kinesis_keeps_the_suite_with_many_streams_and_pages() {
    let fixture = Arc::new(MemoryFixture {
        memory: Arc::new(MemoryKinesis::new(MemoryKinesisSettings {
            shards_per_page: 1,
            ..MemoryKinesisSettings::default()
        })),
        streams: AtomicUsize::default(),
    });
    let shared = async || Arc::clone(&fixture) as Arc<dyn KinesisFixture>;
    run_suite(kinesis_suite::cases(), shared, &[]).await;
}
