//! The adapter keeps the suite in front of a Kinesis that is as strict as the service, on both versions of HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_kinesis::primitives::Blob;
use bytes::Bytes;
use integration_tests::wire::Transport;
use kcl_core::Result;
use kcl_core::model::{SequenceNumber, ShardId, StreamId};
use kcl_core::stream::Kinesis;
use kcl_core::testing::kinesis_suite::{self, KinesisFixture};
use kcl_core::testing::run_suite;

use super::world::Wire;

#[tokio::test]
async fn the_adapter_keeps_the_suite_over_http_1() {
    keeps_the_suite(Transport::Plain).await;
}

#[tokio::test]
async fn the_adapter_keeps_the_suite_over_http_2_and_tls() {
    keeps_the_suite(Transport::Tls).await;
}

async fn keeps_the_suite(transport: Transport) {
    let wire = Arc::new(Wire::start(transport).await);
    let fixture: Arc<dyn KinesisFixture> = Arc::clone(&wire) as _;
    run_suite(kinesis_suite::cases(), async || Arc::clone(&fixture), &[]).await;
    let counts = wire.front.counts();
    let calls: usize = counts.calls.values().sum();
    let over_http_2 = if transport == Transport::Tls { calls } else { 0 };
    assert_eq!(counts.http_2_calls, over_http_2);
}

/// Puts and reshards through the front, too.
#[async_trait]
impl KinesisFixture for Wire {
    fn kinesis(&self) -> Arc<dyn Kinesis> {
        Arc::new(self.kinesis())
    }

    async fn create_stream(&self, shard_count: usize) -> Result<StreamId> {
        Ok(self.create_stream(shard_count))
    }

    async fn put(
        &self,
        stream: &StreamId,
        partition_key: &str,
        explicit_hash_key: Option<u128>,
        data: Bytes,
    ) -> Result<(ShardId, SequenceNumber)> {
        let request = self.client().put_record().stream_name(stream.name()).partition_key(partition_key);
        let output = request
            .set_explicit_hash_key(explicit_hash_key.map(|key| key.to_string()))
            .data(Blob::new(data))
            .send()
            .await
            .unwrap();
        Ok((ShardId::new(output.shard_id), output.sequence_number.parse()?))
    }

    async fn split(&self, stream: &StreamId, shard: &ShardId, new_starting_hash_key: u128) -> Result<()> {
        let request = self.client().split_shard().stream_name(stream.name());
        request
            .shard_to_split(shard.as_str())
            .new_starting_hash_key(new_starting_hash_key.to_string())
            .send()
            .await
            .unwrap();
        Ok(())
    }

    async fn merge(&self, stream: &StreamId, shard: &ShardId, adjacent: &ShardId) -> Result<()> {
        let request = self.client().merge_shards().stream_name(stream.name());
        request
            .shard_to_merge(shard.as_str())
            .adjacent_shard_to_merge(adjacent.as_str())
            .send()
            .await
            .unwrap();
        Ok(())
    }
}
