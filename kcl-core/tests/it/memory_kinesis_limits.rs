//! The limits of the in-memory Kinesis that need its own controls.

use std::time::Duration;

use bytes::Bytes;
use kcl_core::memory::{
    MemoryFanOutSettings, MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings, PutRecordsEntry,
};
use kcl_core::model::{ShardId, ShardKey, StreamId};
use kcl_core::stream::{GET_RECORDS_MAX, IteratorPosition, Kinesis, StreamStatus};
use kcl_core::{ErrorKind, Result};
use tokio::time::advance;

const MIB: usize = 1024 * 1024;

fn orders() -> StreamId {
    StreamId::named("orders").unwrap()
}

fn kinesis_with(settings: MemoryKinesisSettings) -> MemoryKinesis {
    let kinesis = MemoryKinesis::new(settings);
    kinesis.create_stream(&orders(), 2).unwrap();
    kinesis
}

fn put(kinesis: &MemoryKinesis, bytes: usize) -> Result<()> {
    kinesis.put_record(&orders(), "k", Some(0), Bytes::from(vec![0; bytes - 1])).map(drop)
}

fn entry(hash_key: u128, bytes: usize) -> PutRecordsEntry {
    PutRecordsEntry {
        partition_key: "k".to_owned(),
        explicit_hash_key: Some(hash_key),
        data: Bytes::from(vec![0; bytes - 1]),
    }
}

#[track_caller]
fn assert_kind<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
}

#[tokio::test(start_paused = true)]
async fn records_put_together_have_outcomes_of_their_own() {
    let kinesis = kinesis_with(MemoryKinesisSettings::default());
    let entries = vec![entry(0, MIB), entry(0, 2), entry(u128::MAX, MIB), entry(u128::MAX, 2)];
    let outcomes = kinesis.put_records(&orders(), entries).unwrap();
    let shards = outcomes.iter().map(|outcome| outcome.as_ref().ok().map(|put| put.shard_id.as_str()));
    let expected = [Some("shardId-000000000000"), None, Some("shardId-000000000001"), None];
    assert_eq!(shards.collect::<Vec<_>>(), expected);
    for outcome in outcomes.into_iter().skip(1).step_by(2) {
        assert_kind(outcome, ErrorKind::Throttled);
    }
}

#[tokio::test(start_paused = true)]
async fn records_are_put_together_within_the_limits_of_a_call_or_not_at_all() {
    let limits = MemoryKinesisLimits::none();
    let kinesis = kinesis_with(MemoryKinesisSettings { limits, ..Default::default() });
    let put = |entries| kinesis.put_records(&orders(), entries).map(|outcomes| outcomes.len());
    assert_eq!(put(vec![entry(0, 2); 500]).unwrap(), 500);
    assert_eq!(put(vec![entry(0, MIB); 10]).unwrap(), 10);
    let no_key = PutRecordsEntry { partition_key: String::new(), ..entry(0, 2) };
    let too_much = [vec![], vec![entry(0, 2); 501], vec![entry(0, MIB + 1)], vec![entry(0, 2), no_key]];
    for entries in too_much {
        assert_kind(put(entries), ErrorKind::Refused);
    }
    assert_kind(put([vec![entry(0, MIB); 10], vec![entry(0, 2)]].concat()), ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_large_record_is_put_where_the_stream_allows_it_and_takes_its_time() {
    let kinesis = kinesis_with(MemoryKinesisSettings { record_bytes_max: 10 * MIB, ..Default::default() });
    assert_kind(put(&kinesis, 10 * MIB + 1), ErrorKind::Refused);
    put(&kinesis, 10 * MIB).unwrap();
    advance(Duration::from_millis(9_999)).await;
    assert_kind(put(&kinesis, 2), ErrorKind::Throttled);
    advance(Duration::from_millis(1)).await;
    put(&kinesis, 2).unwrap();

    let shard = ShardKey::new(orders(), ShardId::new("shardId-000000000000"));
    let iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::TrimHorizon).await.unwrap();
    let read = kinesis.get_records(&iterator, GET_RECORDS_MAX).await.unwrap();
    assert_eq!(read.records.len(), 1, "a read of 10 MiB is full");
}

#[tokio::test(start_paused = true)]
async fn without_limits_nothing_is_throttled() {
    let limits = MemoryKinesisLimits::none();
    let kinesis = kinesis_with(MemoryKinesisSettings {
        limits,
        fan_out: MemoryFanOutSettings { consumer_transition: Duration::ZERO, ..Default::default() },
        ..Default::default()
    });
    for _ in 0..30 {
        put(&kinesis, MIB).unwrap();
    }
    let shard = ShardKey::new(orders(), ShardId::new("shardId-000000000000"));
    for _ in 0..30 {
        let iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::TrimHorizon).await.unwrap();
        kinesis.get_records(&iterator, GET_RECORDS_MAX).await.unwrap();
    }
    let arn = kinesis.describe_stream(&orders()).await.unwrap().arn;
    for number in 0..30 {
        kinesis.register_consumer(&arn, &format!("consumer-{number}")).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_updated_for_a_while_after_a_split_if_the_settings_say_so() {
    let reshard_transition = Duration::from_secs(30);
    let kinesis = kinesis_with(MemoryKinesisSettings { reshard_transition, ..Default::default() });
    let [first, second] = ["shardId-000000000000", "shardId-000000000001"].map(ShardId::new);
    let status = async || kinesis.describe_stream(&orders()).await.unwrap().status;
    assert_eq!(status().await, StreamStatus::Active);
    kinesis.split_shard(&orders(), &first, 1_000).unwrap();
    assert_eq!(status().await, StreamStatus::Updating);
    let split = || kinesis.split_shard(&orders(), &second, u128::MAX - 1);
    advance(Duration::from_millis(29_999)).await;
    assert_kind(split(), ErrorKind::InUse);
    advance(Duration::from_millis(1)).await;
    assert_eq!(status().await, StreamStatus::Active);
    split().unwrap();
}
