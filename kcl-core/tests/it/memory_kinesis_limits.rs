//! The limits of the in-memory Kinesis that need its own controls.

use std::time::Duration;

use bytes::Bytes;
use kcl_core::memory::{
    MemoryFanOutSettings, MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings, PutRecordsEntry,
};
use kcl_core::model::{ShardId, ShardKey, StreamId, Timestamp};
use kcl_core::stream::{GET_RECORDS_MAX, IteratorPosition, Kinesis, StreamStatus};
use kcl_core::{ErrorKind, Result};
use proptest::prelude::*;
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

/// What a client does on the only shard.
#[derive(Debug, Clone, Copy)]
enum Use {
    Put { bytes: usize },
    Read { limit: u32 },
    Iterator,
}

fn uses() -> impl Strategy<Value = Vec<(u64, Use)>> {
    let use_of_shard = prop_oneof![
        (1..600_000_usize).prop_map(|bytes| Use::Put { bytes }),
        (1..12_u32).prop_map(|limit| Use::Read { limit }),
        Just(Use::Iterator),
    ];
    prop::collection::vec((0..300_u64, use_of_shard), 0..200)
}

/// In any span of `n` seconds there may be `n + 1` times the quota, and what the last use took beyond it.
fn check_spans(what: &str, used: &[(Timestamp, u64)], quota: u64, overshoot: u64) {
    for (index, &(start, _)) in used.iter().enumerate() {
        let mut sum = 0;
        for &(end, amount) in &used[index..] {
            sum += amount;
            let seconds = end.saturating_since(start).as_secs() + 1;
            assert!(sum <= (seconds + 1) * quota + overshoot, "{sum} {what} within {seconds} s");
        }
    }
}

async fn check_no_limit_is_exceeded(uses: Vec<(u64, Use)>) {
    let mib = u64::try_from(MIB).unwrap();
    let kinesis = MemoryKinesis::default();
    kinesis.create_stream(&orders(), 1).unwrap();
    let shard = ShardKey::new(orders(), ShardId::new("shardId-000000000000"));
    let mut iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::TrimHorizon).await.unwrap();
    let (mut iterators, mut writes, mut reads, mut bytes_read) =
        (vec![(kinesis.now(), 1)], Vec::new(), Vec::new(), Vec::new());
    for (pause_ms, one) in uses {
        advance(Duration::from_millis(pause_ms)).await;
        let now = kinesis.now();
        let outcome = match one {
            Use::Put { bytes } => {
                put(&kinesis, bytes).map(|()| writes.push((now, u64::try_from(bytes).unwrap())))
            }
            Use::Read { limit } => kinesis.get_records(&iterator, limit).await.map(|output| {
                let bytes =
                    output.records.iter().map(|record| record.data.len() + record.partition_key.len());
                reads.push((now, 1));
                bytes_read.push((now, u64::try_from(bytes.sum::<usize>()).unwrap()));
                iterator = output.next.unwrap();
            }),
            Use::Iterator => {
                kinesis.get_shard_iterator(&shard, &IteratorPosition::TrimHorizon).await.map(|new| {
                    iterators.push((now, 1));
                    iterator = new;
                })
            }
        };
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
        }
    }
    check_spans("iterators", &iterators, 5, 0);
    check_spans("reads", &reads, 5, 0);
    check_spans("bytes read", &bytes_read, 2 * mib, 10 * mib);
    check_spans("bytes written", &writes, mib, 0);
}

proptest! {
    #[test]
    fn no_limit_of_a_shard_is_ever_exceeded(uses in uses()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(check_no_limit_is_exceeded(uses));
    }
}
