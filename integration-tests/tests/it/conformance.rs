//! The SDK adapters keep the promises of the two ports.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use kcl_core::Result;
use kcl_core::model::{SequenceNumber, ShardId, StreamId};
use kcl_core::stream::Kinesis;
use kcl_core::testing::kinesis_suite::{self, KinesisFixture};
use kcl_core::testing::{lease_store_suite, run_suite};

use crate::backend::{Backend, unique_name};

/// What the Kinesis emulator in this process does not show.
const KINESIS_DEPARTURES: &[(&str, &str)] = &[
    ("at_timestamp_is_exact_to_the_millisecond", WHOLE_SECONDS),
    ("at_timestamp_before_the_oldest_record_starts_at_it", WHOLE_SECONDS),
    ("at_timestamp_after_the_newest_record_starts_at_the_next", WHOLE_SECONDS),
    ("a_reader_with_a_backlog_is_behind", "MillisBehindLatest is always 0"),
    ("the_end_of_a_split_parent_names_both_children", NO_CHILDREN),
    ("the_end_of_a_merged_parent_names_the_child_with_both_parents", NO_CHILDREN),
];

const WHOLE_SECONDS: &str = "arrival times are cut to whole seconds, so no two records of a case differ";

const NO_CHILDREN: &str = "GetRecords never has ChildShards; only ListShards tells of them";

/// Real parallel threads, for the races of the suite.
#[tokio::test(flavor = "multi_thread")]
async fn the_dynamodb_lease_store_keeps_the_suite() {
    let backend = Backend::start().await;
    let stream = StreamId::named(lease_store_suite::STREAM_NAME).unwrap();
    let new_store = async || backend.lease_store_in(&unique_name("leases"), &stream);
    run_suite(lease_store_suite::cases(), new_store, &[]).await;
}

/// Always in this process, since the departures are those of this emulator.
#[tokio::test]
async fn the_kinesis_adapter_keeps_the_suite() {
    let backend: Arc<dyn KinesisFixture> = Arc::new(Backend::in_process().await);
    let fixture = async || Arc::clone(&backend);
    run_suite(kinesis_suite::cases(), fixture, KINESIS_DEPARTURES).await;
}

#[async_trait]
impl KinesisFixture for Backend {
    fn kinesis(&self) -> Arc<dyn Kinesis> {
        self.kinesis()
    }

    async fn create_stream(&self, shard_count: usize) -> Result<StreamId> {
        Ok(self.create_stream(shard_count.try_into().unwrap()).await)
    }

    async fn put(
        &self,
        stream: &StreamId,
        partition_key: &str,
        explicit_hash_key: Option<u128>,
        data: Bytes,
    ) -> Result<(ShardId, SequenceNumber)> {
        Ok(self.put_at(stream, partition_key, explicit_hash_key, &data).await)
    }

    async fn split(&self, stream: &StreamId, shard: &ShardId, new_starting_hash_key: u128) -> Result<()> {
        self.split_at(stream, shard, new_starting_hash_key).await;
        Ok(())
    }

    async fn merge(&self, stream: &StreamId, shard: &ShardId, adjacent: &ShardId) -> Result<()> {
        self.merge(stream, shard, adjacent).await;
        Ok(())
    }
}
