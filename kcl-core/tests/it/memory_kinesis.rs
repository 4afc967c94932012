//! The rules of the in-memory Kinesis that need its own controls or its clock.

use std::time::Duration;

use bytes::Bytes;
use kcl_core::memory::{MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings};
use kcl_core::model::{Record, ShardId, ShardKey, StreamId, Timestamp};
use kcl_core::stream::{GetRecordsOutput, IteratorPosition, Kinesis, ShardPageRequest, ShardPageToken};
use kcl_core::{ErrorKind, Result};

const MIB: usize = 1024 * 1024;

fn orders() -> StreamId {
    StreamId::named("orders").unwrap()
}

fn shard(number: u32) -> ShardKey {
    ShardKey::new(orders(), shard_id(number))
}

fn shard_id(number: u32) -> ShardId {
    ShardId::new(format!("shardId-{number:012}"))
}

/// A Kinesis without limits, with the stream `orders`.
fn kinesis_with(shard_count: usize) -> MemoryKinesis {
    let settings = MemoryKinesisSettings { limits: MemoryKinesisLimits::none(), ..Default::default() };
    let kinesis = MemoryKinesis::new(settings);
    kinesis.create_stream(&orders(), shard_count).unwrap();
    kinesis
}

fn put(kinesis: &MemoryKinesis, label: &'static str) {
    let data = Bytes::from_static(label.as_bytes());
    kinesis.put_record(&orders(), "key", Some(0), data).unwrap();
}

async fn read_from(
    kinesis: &MemoryKinesis,
    shard: &ShardKey,
    position: IteratorPosition,
) -> Result<GetRecordsOutput> {
    let iterator = kinesis.get_shard_iterator(shard, &position).await?;
    kinesis.get_records(&iterator, 100).await
}

async fn labels(kinesis: &MemoryKinesis, position: IteratorPosition) -> Vec<String> {
    let output = read_from(kinesis, &shard(0), position).await.unwrap();
    let label = |record: &Record| String::from_utf8(record.data.to_vec()).unwrap();
    output.records.iter().map(label).collect()
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T>, value: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains(value), "'{error}' should name '{value}'");
}

#[tokio::test(start_paused = true)]
async fn time_is_that_of_the_runtime() {
    let kinesis = kinesis_with(1);
    let started_at = MemoryKinesisSettings::default().started_at;
    assert_eq!(kinesis.now(), started_at);
    tokio::time::advance(Duration::from_millis(1_234)).await;
    put(&kinesis, "a");
    let output = read_from(&kinesis, &shard(0), IteratorPosition::TrimHorizon).await.unwrap();
    let arrival = started_at.saturating_add(Duration::from_millis(1_234));
    assert_eq!(output.records[0].approximate_arrival, arrival);
}

#[tokio::test(start_paused = true)]
async fn an_iterator_expires_after_five_minutes() {
    let kinesis = kinesis_with(1);
    let iterator = kinesis.get_shard_iterator(&shard(0), &IteratorPosition::Latest).await.unwrap();
    tokio::time::advance(Duration::from_mins(5)).await;
    kinesis.get_records(&iterator, 1).await.unwrap();
    tokio::time::advance(Duration::from_millis(1)).await;
    let error = kinesis.get_records(&iterator, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IteratorExpired, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_read_renews_the_iterator() {
    let kinesis = kinesis_with(1);
    let mut iterator = kinesis.get_shard_iterator(&shard(0), &IteratorPosition::Latest).await.unwrap();
    for _ in 0..3 {
        tokio::time::advance(Duration::from_mins(4)).await;
        iterator = kinesis.get_records(&iterator, 1).await.unwrap().next.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn lag_is_the_age_of_the_last_record_read() {
    let kinesis = kinesis_with(1);
    for label in ["a", "b"] {
        put(&kinesis, label);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let iterator = kinesis.get_shard_iterator(&shard(0), &IteratorPosition::TrimHorizon).await.unwrap();
    let first = kinesis.get_records(&iterator, 1).await.unwrap();
    assert_eq!(first.millis_behind_latest, 2_000);
    let second = kinesis.get_records(&first.next.unwrap(), 1).await.unwrap();
    assert_eq!(second.millis_behind_latest, 0);
}

#[tokio::test(start_paused = true)]
async fn a_read_returns_at_most_ten_mebibytes() {
    let kinesis = kinesis_with(1);
    let data = Bytes::from(vec![0; MIB - 1]);
    for _ in 0..12 {
        kinesis.put_record(&orders(), "k", None, data.clone()).unwrap();
    }
    let first = read_from(&kinesis, &shard(0), IteratorPosition::TrimHorizon).await.unwrap();
    assert_eq!(first.records.len(), 10);
    assert!(first.millis_behind_latest > 0);
    let second = kinesis.get_records(&first.next.unwrap(), 100).await.unwrap();
    assert_eq!(second.records.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn records_are_kept_for_the_retention_time() {
    let kinesis = kinesis_with(1);
    put(&kinesis, "a");
    tokio::time::advance(Duration::from_millis(1)).await;
    put(&kinesis, "b");
    tokio::time::advance(Duration::from_hours(24) - Duration::from_millis(1)).await;
    assert_eq!(labels(&kinesis, IteratorPosition::TrimHorizon).await, ["a", "b"]);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(labels(&kinesis, IteratorPosition::TrimHorizon).await, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn positions_below_the_trim_horizon_read_from_it() {
    let kinesis = kinesis_with(1);
    let before = kinesis.now();
    let start = kinesis.shards(&orders()).unwrap()[0].starting_sequence_number.clone();
    let iterator = kinesis.get_shard_iterator(&shard(0), &IteratorPosition::TrimHorizon).await.unwrap();
    let trimmed = kinesis.put_record(&orders(), "key", None, Bytes::new()).unwrap().sequence_number;
    tokio::time::advance(Duration::from_millis(1)).await;
    put(&kinesis, "b");
    kinesis.trim(&orders(), kinesis.now()).unwrap();
    for position in [
        IteratorPosition::AtSequenceNumber(start),
        IteratorPosition::AtSequenceNumber(trimmed.clone()),
        IteratorPosition::AfterSequenceNumber(trimmed),
        IteratorPosition::AtTimestamp(before),
    ] {
        assert_eq!(labels(&kinesis, position.clone()).await, ["b"], "{position:?}");
    }
    let read = kinesis.get_records(&iterator, 10).await.unwrap();
    assert_eq!(read.records.len(), 1, "an iterator from before the trim reads on from its horizon");
}

#[tokio::test(start_paused = true)]
async fn a_closed_shard_is_gone_after_the_retention_time() {
    let kinesis = kinesis_with(1);
    put(&kinesis, "a");
    let iterator = kinesis.get_shard_iterator(&shard(0), &IteratorPosition::TrimHorizon).await.unwrap();
    kinesis.split_shard(&orders(), &shard_id(0), 1_000).unwrap();
    kinesis.trim(&orders(), kinesis.now()).unwrap();
    assert_eq!(kinesis.shards(&orders()).unwrap().len(), 3, "closed at the horizon, not before it");

    kinesis.trim(&orders(), Timestamp::from_millis(i64::MAX)).unwrap();
    let listed = kinesis.shards(&orders()).unwrap();
    let names: Vec<_> = listed.iter().map(|shard| shard.shard_id.as_str()).collect();
    assert_eq!(names, ["shardId-000000000001", "shardId-000000000002"]);
    assert_eq!(listed[0].parent, Some(shard_id(0)), "children keep the name of their parent");
    let errors = [
        kinesis.get_records(&iterator, 1).await.unwrap_err(),
        read_from(&kinesis, &shard(0), IteratorPosition::TrimHorizon).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_key_goes_where_its_md5_digest_falls() {
    let kinesis = kinesis_with(2);
    let shard_of =
        |key, hash_key| kinesis.put_record(&orders(), key, hash_key, Bytes::new()).unwrap().shard_id;
    // The digests begin with 0cc1 and 92eb.
    assert_eq!(shard_of("a", None), shard_id(0));
    assert_eq!(shard_of("b", None), shard_id(1));
    assert_eq!(shard_of("b", Some(0)), shard_id(0));
}

#[tokio::test(start_paused = true)]
async fn pages_are_those_of_the_stream_that_was_asked_for() {
    let kinesis =
        MemoryKinesis::new(MemoryKinesisSettings { shards_per_page: 2, ..MemoryKinesisSettings::default() });
    kinesis.create_stream(&orders(), 3).unwrap();
    let first = kinesis.list_shards(&orders(), &ShardPageRequest::ALL).await.unwrap();
    assert_eq!(first.shards.len(), 2);
    let token = first.next.unwrap();
    let second = kinesis.list_shards(&orders(), &ShardPageRequest::Next(token.clone())).await.unwrap();
    assert_eq!((second.shards.len(), second.next), (1, None));
    assert_eq!(second.shards[0].shard_id, shard_id(2));

    let other = StreamId::named("other").unwrap();
    kinesis.create_stream(&other, 1).unwrap();
    assert_refused(kinesis.list_shards(&other, &ShardPageRequest::Next(token.clone())).await, "other");
    let garbage = ShardPageToken("garbage".to_owned());
    assert_refused(kinesis.list_shards(&orders(), &ShardPageRequest::Next(garbage)).await, "garbage");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_created_once_and_with_shards() {
    let kinesis = kinesis_with(1);
    assert_refused(kinesis.create_stream(&orders(), 1), "orders");
    let other = StreamId::named("other").unwrap();
    assert_refused(kinesis.create_stream(&other, 0), "0 shards");
    assert_refused(kinesis.create_stream(&other, 20_001), "20001 shards");
}

#[tokio::test(start_paused = true)]
async fn a_record_must_have_a_key_and_fit() {
    let kinesis = kinesis_with(1);
    let put = |key: &str, bytes| kinesis.put_record(&orders(), key, None, Bytes::from(vec![0; bytes]));
    assert_refused(put("", 1), "0 characters");
    assert_refused(put(&"ä".repeat(257), 1), "257 characters");
    assert_refused(put("k", MIB), "1048577 bytes");
    put(&"ä".repeat(256), 0).unwrap();
    put("k", MIB - 1).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_split_between_its_hash_keys_and_once() {
    let kinesis = kinesis_with(2);
    let split = |key| kinesis.split_shard(&orders(), &shard_id(1), key);
    let start = 1 << 127;
    for key in [0, start, start + 1, u128::MAX] {
        assert_refused(split(key), &key.to_string());
    }
    assert_eq!(split(start + 2).unwrap(), [shard_id(2), shard_id(3)]);
    assert_refused(split(start + 3), "closed");
}

#[tokio::test(start_paused = true)]
async fn two_shards_are_merged_if_they_touch_and_once() {
    let kinesis = kinesis_with(4);
    let merge = |one, other| kinesis.merge_shards(&orders(), &shard_id(one), &shard_id(other));
    assert_refused(merge(0, 2), "not adjacent");
    assert_refused(merge(0, 0), "not adjacent");
    assert_eq!(merge(1, 0).unwrap(), shard_id(4));
    assert_refused(merge(1, 2), "closed");
    assert_refused(merge(2, 1), "closed");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_not_found() {
    let kinesis = kinesis_with(1);
    let other = StreamId::named("other").unwrap();
    let errors = [
        kinesis.put_record(&other, "key", None, Bytes::new()).unwrap_err(),
        kinesis.shards(&other).unwrap_err(),
        kinesis.trim(&other, kinesis.now()).unwrap_err(),
        kinesis.split_shard(&orders(), &shard_id(9), 5).unwrap_err(),
        kinesis.merge_shards(&orders(), &shard_id(0), &shard_id(9)).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}
