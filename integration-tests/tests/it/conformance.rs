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

/// What the Kinesis emulator in this process does not show, by reason.
const KINESIS_DEPARTURES: &[(&str, &[&str])] = &[
    (
        "arrival times are cut to whole seconds, so no two records of a case differ",
        &[
            "at_timestamp_is_exact_to_the_millisecond",
            "at_timestamp_before_the_oldest_record_starts_at_it",
            "at_timestamp_after_the_newest_record_starts_at_the_next",
            "a_subscription_from_a_time_starts_with_the_record_of_that_time",
        ],
    ),
    ("MillisBehindLatest is always 0", &["a_reader_with_a_backlog_is_behind"]),
    (
        "GetRecords never has ChildShards; only ListShards tells of them",
        &[
            "the_end_of_a_split_parent_names_both_children",
            "the_end_of_a_merged_parent_names_the_child_with_both_parents",
        ],
    ),
    (
        "ShardFilter is ignored",
        &[
            "at_latest_shows_the_open_shards",
            "at_trim_horizon_shows_the_shards_that_were_open_then",
            "at_timestamp_shows_the_shards_that_were_open_then",
            "from_timestamp_shows_the_shards_that_were_open_then_and_their_children",
            "times_before_the_stream_are_those_of_its_creation",
            "after_a_shard_come_those_with_higher_names",
            "after_the_last_shard_comes_none",
            "a_filter_holds_for_every_page",
        ],
    ),
    (
        "a stream of several pages would need more shards than the emulator has room for, and tokens do not work",
        &[
            "a_listing_comes_in_pages",
            "a_page_can_be_asked_for_again",
            "a_page_token_can_be_used_for_five_minutes",
            "an_expired_page_token_is_worth_another_try",
            "a_page_token_of_another_stream_is_refused",
            "a_malformed_page_token_is_refused",
        ],
    ),
    (
        "it takes more time than a test has",
        &[
            "the_trim_horizon_moves_past_a_closed_shard",
            "a_subscription_takes_over_after_five_seconds",
            "a_subscription_that_took_over_keeps_others_away",
            "a_subscription_ends_in_good_order_after_five_minutes",
            "a_shard_is_read_at_two_mebibytes_a_second",
            "a_read_returns_ten_mebibytes_and_closes_the_shard_for_five_seconds",
            "a_consumer_is_sent_two_mebibytes_a_second_of_a_shard",
            "an_iterator_can_be_used_for_five_minutes",
            "an_iterator_expires_after_five_minutes",
            "a_read_returns_an_iterator_with_five_minutes_of_its_own",
            "trim_horizon_moves_past_old_records",
            "the_number_of_an_old_record_reads_from_the_trim_horizon",
            "the_number_of_an_old_record_subscribes_from_the_trim_horizon",
            "a_time_before_the_trim_horizon_reads_from_it",
            "a_closed_shard_is_gone_after_its_last_record",
        ],
    ),
    (
        "the number and the time of a StartingPosition are thrown away, so a subscription starts at the oldest record",
        &[
            "a_subscription_starts_where_an_iterator_would",
            "a_subscription_resumes_after_the_continuation_number",
            "the_continuation_number_of_an_idle_shard_can_be_resumed_from",
            "a_subscription_after_the_last_record_of_a_closed_shard_ends_at_once",
        ],
    ),
    (
        "any number of subscriptions of a consumer read a shard",
        &[
            "a_subscription_within_five_seconds_of_another_is_refused",
            "a_dropped_subscription_keeps_its_place_for_five_seconds",
            "a_refused_subscription_leaves_the_other_as_it_is",
            "subscribing_is_tried_once_a_second",
        ],
    ),
    ("a subscription outlives its consumer", &["the_subscription_of_a_deregistered_consumer_fails"]),
    ("a number of another shard is a position, too", &["a_malformed_position_has_no_subscription"]),
    (
        "the end of a shard comes twice, and names one parent of a merged child",
        &[
            "the_last_event_of_a_merged_parent_names_the_child_with_both_parents",
            "nothing_follows_the_last_event",
        ],
    ),
    (
        "quotas are enforced only if asked for, and then not those of reads",
        &[
            "a_shard_is_read_five_times_a_second",
            "a_shard_gives_five_iterators_a_second",
            "a_shard_takes_a_thousand_records_a_second",
            "a_shard_takes_a_mebibyte_a_second",
            "quotas_are_those_of_a_shard",
            "a_stream_creates_five_consumers_at_a_time",
        ],
    ),
    (
        "the key does not count as part of a record, and its bytes count instead of its characters",
        &["a_record_has_a_mebibyte_at_most", "a_partition_key_has_256_characters_at_most"],
    ),
];

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
    let departures: Vec<(&str, &str)> = KINESIS_DEPARTURES
        .iter()
        .flat_map(|(reason, cases)| cases.iter().map(move |case| (*case, *reason)))
        .collect();
    run_suite(kinesis_suite::cases(), fixture, &departures).await;
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
        self.put_at(stream, partition_key, explicit_hash_key, &data).await
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
