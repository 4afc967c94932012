//! The tool with which users test their processors does what it says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kcl_core::aggregation::{Aggregator, NewUserRecord, OutsideRange};
use kcl_core::model::Record;
use kcl_core::processor::{FailurePolicy, ProcessorFactory, WhenExhausted, for_each_record};
use kcl_core::testing::Rehearsal;
use tokio::time::Instant;

type Seen = Arc<Mutex<Vec<String>>>;

/// Notes each record, and fails on those that begin so.
fn noting(seen: &Seen, bad: &'static str) -> impl ProcessorFactory + use<> {
    let seen = Arc::clone(seen);
    for_each_record(move |record: Record| {
        let seen = Arc::clone(&seen);
        async move {
            let text = String::from_utf8(record.data.to_vec())?;
            let is_bad = !bad.is_empty() && text.starts_with(bad);
            seen.lock().unwrap().push(text);
            if is_bad { Err("bad".into()) } else { Ok(()) }
        }
    })
}

fn taken(seen: &Seen) -> Vec<String> {
    std::mem::take(&mut *seen.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn records_crashes_and_reshards_come_as_in_life() {
    let seen = Seen::default();
    let mut rehearsal = Rehearsal::new(noting(&seen, "")).unwrap();
    for number in 0..2_000 {
        rehearsal.put(&format!("key {}", number % 7), format!("{number}")).unwrap();
    }
    rehearsal.until_committed().await.unwrap();
    assert_eq!(taken(&seen), (0..2_000).map(|number| number.to_string()).collect::<Vec<_>>());
    let crashed_at = Instant::now();
    rehearsal.crash().await;
    rehearsal.split().unwrap();
    rehearsal.put("key", "in a child").unwrap();
    rehearsal.until_committed().await.unwrap();
    assert_eq!(taken(&seen), ["in a child"]);
    assert!(crashed_at.elapsed() >= Duration::from_secs(9), "the lease of a crashed worker has to expire");
    rehearsal.merge().unwrap();
    rehearsal.put("key", "in the child of both").unwrap();
    rehearsal.until_committed().await.unwrap();
    assert_eq!(taken(&seen), ["in the child of both"]);
    let ended = rehearsal.events().iter().filter(|event| event.contains(": ShardEnded")).count();
    assert_eq!(ended, 3);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_and_a_stop_are_what_they_are_in_life() {
    let seen = Seen::default();
    let mut rehearsal = Rehearsal::new(noting(&seen, "")).unwrap();
    rehearsal.put("key", "one").unwrap();
    rehearsal.until_committed().await.unwrap();
    rehearsal.lose_leases().await.unwrap();
    rehearsal.pass(Duration::from_secs(10)).await.unwrap();
    assert!(rehearsal.events().iter().any(|event| event.contains(": LeaseLost")));
    rehearsal.put("key", "two").unwrap();
    rehearsal.until_committed().await.unwrap();
    rehearsal.stop().await.unwrap();
    assert!(rehearsal.events().iter().any(|event| event.contains(": LeaseReleased")));
    let stopped_at = Instant::now();
    rehearsal.put("key", "three").unwrap();
    rehearsal.until_committed().await.unwrap();
    assert!(stopped_at.elapsed() < Duration::from_secs(5), "nothing has to expire after a stop");
    assert_eq!(taken(&seen), ["one", "two", "three"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_never_committed_is_said_with_its_reason() {
    let seen = Seen::default();
    let mut rehearsal = Rehearsal::new(noting(&seen, "bad")).unwrap();
    rehearsal.put("key", "good").unwrap();
    rehearsal.put("key", "bad one").unwrap();
    let error = rehearsal.until_committed().await.unwrap_err().to_string();
    for part in ["shardId-000000000000 stands at", "its last record is", "ProcessorFailed"] {
        assert!(error.contains(part), "no '{part}' in: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_gives_up_counts_as_committed_and_a_worker_that_stops_is_an_error() {
    for (when_exhausted, is_error) in [(WhenExhausted::Skip, false), (WhenExhausted::StopWorker, true)] {
        let seen = Seen::default();
        let mut rehearsal = Rehearsal::new(noting(&seen, "bad")).unwrap();
        rehearsal.settings().failure_policy =
            FailurePolicy { maximum_retry_attempts: Some(1), when_exhausted, ..FailurePolicy::default() };
        rehearsal.put("key", "bad one").unwrap();
        assert_eq!(rehearsal.until_committed().await.is_err(), is_error);
        assert_eq!(taken(&seen), ["bad one", "bad one"]);
    }
}

/// Of one user record for each text, with these hash keys.
fn aggregate<const N: usize>(texts: [&str; N], hash_keys: [Option<u128>; N]) -> Bytes {
    let mut aggregator = Aggregator::default();
    for (text, explicit_hash_key) in texts.into_iter().zip(hash_keys) {
        let record = NewUserRecord {
            partition_key: "key",
            explicit_hash_key,
            data: text.as_bytes(),
            ..NewUserRecord::default()
        };
        aggregator.add(&record).unwrap();
    }
    aggregator.encode()
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_is_committed_once_its_last_user_record_is() {
    for (bad, is_error) in [("", false), ("third", true)] {
        let seen = Seen::default();
        let mut rehearsal = Rehearsal::new(noting(&seen, bad)).unwrap();
        rehearsal.put("key", aggregate(["first", "second", "third"], [None; 3])).unwrap();
        assert_eq!(rehearsal.until_committed().await.is_err(), is_error);
        assert_eq!(taken(&seen)[..3], ["first", "second", "third"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_of_an_aggregate_is_not_waited_for() {
    for hash_keys in [[0, u128::MAX], [u128::MAX, 0]] {
        let seen = Seen::default();
        let mut rehearsal = Rehearsal::new(noting(&seen, "")).unwrap();
        rehearsal.settings().outside_range = OutsideRange::Filter;
        rehearsal.split().unwrap();
        rehearsal.put("key", aggregate(["one", "other"], hash_keys.map(Some))).unwrap();
        rehearsal.until_committed().await.unwrap();
        assert_eq!(taken(&seen).len(), 1, "the other belongs to the other shard");
    }
}

#[tokio::test(start_paused = true)]
async fn time_does_not_pass_in_silence_with_a_worker_that_has_ended() {
    let seen = Seen::default();
    let mut rehearsal = Rehearsal::new(noting(&seen, "bad")).unwrap();
    rehearsal.settings().failure_policy = FailurePolicy {
        maximum_retry_attempts: Some(0),
        when_exhausted: WhenExhausted::StopWorker,
        ..FailurePolicy::default()
    };
    rehearsal.put("key", "bad one").unwrap();
    let error = rehearsal.pass(Duration::from_secs(60)).await.unwrap_err().to_string();
    assert!(error.contains("stop the worker"), "{error}");
}
