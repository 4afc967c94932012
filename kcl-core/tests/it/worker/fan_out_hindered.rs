//! Fan-out that cannot subscribe: no consumer, no room, no service. What it does meanwhile, and what it costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use kcl_core::memory::{MemoryFanOutSettings, MemoryKinesis, MemoryKinesisSettings};
use kcl_core::model::{InitialPosition, Record};
use kcl_core::stream::{FanOutConsumer, FanOutSettings, Kinesis};
use kcl_core::testing::{Fault, KinesisCall};
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::fan_out::{by_name, settings};
use super::fleet::{Fleet, faulty_kinesis, secs};
use super::shown::showing_records;

#[tokio::test(start_paused = true)]
async fn latest_skips_nothing_while_the_consumer_cannot_be_looked_up() {
    for fall_back_to_polling_after in [None, Some(secs(20))] {
        let mut fleet = Fleet::new(1);
        let is_out = Arc::new(AtomicBool::new(true));
        let out = Arc::clone(&is_out);
        let ports = faulty_kinesis(&fleet, move |call| match call {
            KinesisCall::DescribeConsumer(_) if out.load(Ordering::Relaxed) => {
                Fault::Fail(ErrorKind::Throttled)
            }
            _ => Fault::None,
        });
        let fan_out = FanOutSettings { fall_back_to_polling_after, ..by_name() };
        let settings =
            WorkerSettings { initial_position: InitialPosition::Latest, ..settings(&fleet, "a", fan_out) };
        fleet.start_with("a", settings, ports, fleet.recorder());
        fleet.until("the first attempt", || fleet.count_events("ReadFailed") >= 1).await;
        fleet.put(10);
        sleep(secs(60)).await;
        is_out.store(false, Ordering::Relaxed);
        fleet.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn latest_skips_nothing_while_the_consumer_is_being_registered() {
    let mut fleet = Fleet::new(1);
    let fan_out = MemoryFanOutSettings { consumer_transition: secs(20), ..MemoryFanOutSettings::default() };
    fleet.kinesis = Arc::new(MemoryKinesis::new(MemoryKinesisSettings { fan_out, ..Default::default() }));
    fleet.kinesis.create_stream(&fleet.stream, 1).unwrap();
    // With this setting a worker does not wait for its consumer before it begins with shards.
    let fan_out = FanOutSettings { fall_back_to_polling_after: Some(secs(60)), ..by_name() };
    let settings =
        WorkerSettings { initial_position: InitialPosition::Latest, ..settings(&fleet, "a", fan_out) };
    fleet.start_with("a", settings, fleet.ports(), fleet.recorder());
    fleet.until("the consumer is registered", || fleet.count_events("ConsumerRegistered") == 1).await;
    sleep(secs(5)).await;
    fleet.put(10);
    fleet.drain().await;
    assert_eq!(fleet.count_events("FellBackToPolling"), 0);
}

#[tokio::test(start_paused = true)]
async fn shards_are_polled_when_the_consumer_given_by_its_arn_is_gone() {
    let mut fleet = Fleet::new(2);
    let stream = fleet.kinesis.describe_stream(&fleet.stream).await.unwrap().arn;
    let arn = fleet.kinesis.register_consumer(&stream, "by-hand").await.unwrap().arn;
    let by_hand = FanOutSettings {
        fall_back_to_polling_after: Some(secs(10)),
        ..FanOutSettings::new(FanOutConsumer::Arn(arn.clone()))
    };
    fleet.start_with("a", settings(&fleet, "a", by_hand), fleet.ports(), fleet.recorder());
    fleet.put(20);
    fleet.drain().await;
    fleet.kinesis.deregister_consumer(&arn).await.unwrap();
    sleep(secs(300)).await;
    fleet.put(20);
    fleet.drain().await;
    assert_eq!(fleet.count_events("FellBackToPolling"), 2);
    assert_eq!(fleet.count_events("ShardFailed"), 0);
    assert_eq!(fleet.assert_good(), 0);
}

/// Puts records of 50 kB into a shard of `shards`.
fn put_large(fleet: &Fleet, shards: u32, shard: u32, records: usize) {
    let hash_key = (u128::MAX / u128::from(shards)) * u128::from(shard) + 1;
    let key = format!("key-{shard}");
    for _ in 0..records {
        let data = Bytes::from(vec![b'.'; 50_000]);
        let put = fleet.kinesis.put_record(&fleet.stream, &key, Some(hash_key), data).unwrap();
        fleet.oracle.put(&key, &put.shard_id, &put.sequence_number);
    }
}

#[tokio::test(start_paused = true)]
async fn idle_subscriptions_leave_the_common_half_to_those_that_need_it() {
    const SHARDS: u32 = 40;
    let mut fleet = Fleet::new(SHARDS as usize);
    let settings = WorkerSettings { fetch_bytes_max: 4 * 1024 * 1024, ..settings(&fleet, "a", by_name()) };
    fleet.start_with("a", settings, fleet.ports(), fleet.recorder());
    sleep(secs(30)).await;
    for shard in 0..SHARDS {
        let put_at = Instant::now();
        put_large(&fleet, SHARDS, shard, 10);
        fleet.drain().await;
        assert!(put_at.elapsed() < secs(3), "shard {shard} took {:?}", put_at.elapsed());
        sleep(secs(1)).await;
    }
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn looking_for_the_end_of_a_shard_that_is_open_reads_little() {
    let mut fleet = Fleet::new(1);
    let shown_records = Arc::new(AtomicUsize::new(0));
    let shown = Arc::clone(&shown_records);
    let ports = faulty_kinesis(&fleet, |call| match call {
        KinesisCall::SubscribeToShard(..) => Fault::Fail(ErrorKind::Transient),
        _ => Fault::None,
    });
    let ports = showing_records(ports, move |records: Vec<Record>| {
        shown.fetch_add(records.len(), Ordering::Relaxed);
        records
    });
    fleet.put(5_000);
    fleet.start_with("a", settings(&fleet, "a", by_name()), ports, fleet.recorder());
    sleep(secs(300)).await;
    let shown_records = shown_records.load(Ordering::Relaxed);
    assert!((1..=1_000).contains(&shown_records), "{shown_records} records read for nothing");
}

#[tokio::test(start_paused = true)]
async fn trouble_that_passes_soon_is_no_reason_to_poll() {
    let mut fleet = Fleet::new(1);
    let is_out = Arc::new(AtomicBool::new(false));
    let out = Arc::clone(&is_out);
    let ports = faulty_kinesis(&fleet, move |call| match call {
        KinesisCall::SubscribeToShard(..) | KinesisCall::NextEvent(_) if out.load(Ordering::Relaxed) => {
            Fault::Fail(ErrorKind::Transient)
        }
        _ => Fault::None,
    });
    let fan_out = FanOutSettings { fall_back_to_polling_after: Some(secs(10)), ..by_name() };
    fleet.start_with("a", settings(&fleet, "a", fan_out), ports, fleet.recorder());
    for _ in 0..5 {
        fleet.put(10);
        fleet.drain().await;
        is_out.store(true, Ordering::Relaxed);
        sleep(secs(7)).await;
        is_out.store(false, Ordering::Relaxed);
        sleep(secs(30)).await;
    }
    assert!(fleet.count_events("ReadFailed") >= 5, "there was trouble");
    assert_eq!(fleet.count_events("FellBackToPolling"), 0);
}

#[tokio::test(start_paused = true)]
async fn subscriptions_that_are_ended_at_once_in_good_order_are_no_storm() {
    let mut fleet = Fleet::new(1);
    // A service that would take every call.
    let fan_out = MemoryFanOutSettings {
        subscription_lifetime: secs(1),
        take_over_after: secs(0),
        ..MemoryFanOutSettings::default()
    };
    fleet.kinesis = Arc::new(MemoryKinesis::new(MemoryKinesisSettings { fan_out, ..Default::default() }));
    fleet.kinesis.create_stream(&fleet.stream, 1).unwrap();
    let attempts = count_calls(&mut fleet, |call| matches!(call, KinesisCall::SubscribeToShard(..)), None);
    sleep(secs(600)).await;
    let attempts = attempts.load(Ordering::Relaxed);
    assert!((20..=100).contains(&attempts), "{attempts} subscriptions in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_cannot_be_looked_up_is_looked_up_once_for_all_shards() {
    let mut fleet = Fleet::new(50);
    let is_look = |call: KinesisCall<'_>| matches!(call, KinesisCall::DescribeConsumer(_));
    let looks = count_calls(&mut fleet, is_look, Some(ErrorKind::Throttled));
    sleep(secs(600)).await;
    let looks = looks.load(Ordering::Relaxed);
    assert!((20..=60).contains(&looks), "{looks} calls in ten minutes");
}

/// Starts a worker of which some calls are counted, and fail if there is a kind of failure.
fn count_calls(
    fleet: &mut Fleet,
    which: impl Fn(KinesisCall<'_>) -> bool + Send + Sync + 'static,
    failure: Option<ErrorKind>,
) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let ports = faulty_kinesis(fleet, move |call| {
        if !which(call) {
            return Fault::None;
        }
        counted.fetch_add(1, Ordering::Relaxed);
        failure.map_or(Fault::None, Fault::Fail)
    });
    fleet.start_with("a", settings(fleet, "a", by_name()), ports, fleet.recorder());
    count
}
