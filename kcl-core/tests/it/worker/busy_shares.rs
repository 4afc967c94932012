//! Who takes what while shards are busy, and while some cannot be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kcl_core::model::{Record, StreamId};
use kcl_core::processor::for_each_record;
use kcl_core::stream::PollingSettings;
use kcl_core::testing::{Fault, KinesisCall};
use kcl_core::worker::Ports;
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, faulty_kinesis, secs, shard_id};
use super::laggy::LaggyStore;

#[tokio::test(start_paused = true)]
async fn a_newcomer_gets_its_share_of_busy_shards() {
    let mut fleet = Fleet::new(8);
    let laggy = Arc::new(LaggyStore::new(
        Arc::clone(&fleet.leases),
        Duration::from_millis(20),
        Duration::from_millis(1_000),
    ));
    let ports = Ports { leases: laggy, ..fleet.ports() };
    fleet.start_with("a", fleet.settings("a"), ports.clone(), fleet.recorder());
    sleep(secs(20)).await;
    fleet.start_with("b", fleet.settings("b"), ports, fleet.recorder());
    for _ in 0..1200 {
        fleet.put(40);
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        fleet.shares().await.get("b"),
        Some(&4),
        "{:?} after two minutes; ended {}",
        fleet.shares().await,
        fleet.ended()
    );
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_gets_its_share_of_shards_that_are_behind() {
    for stale_ms in [0, 200, 500, 1_000] {
        let mut fleet = Fleet::new(8);
        let (latency, stale) = (Duration::from_millis(20), Duration::from_millis(stale_ms));
        let laggy = Arc::new(LaggyStore::new(Arc::clone(&fleet.leases), latency, stale));
        let ports = Ports { leases: laggy, ..fleet.ports() };
        fleet.put(10_000);
        // An owner that is behind commits five times a second, so a scan is never as new as the row.
        let polling = PollingSettings { records_per_read_max: 5, ..PollingSettings::default() };
        for name in ["a", "b"] {
            let settings = WorkerSettings { polling, ..fleet.settings(name) };
            fleet.start_with(name, settings, ports.clone(), fleet.recorder());
            sleep(secs(20)).await;
        }
        assert_eq!(fleet.shares().await.get("b"), Some(&4), "scans are {stale_ms} ms old");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_was_read_for_an_hour_rests_as_after_a_first_failure() {
    let mut fleet = Fleet::new(1);
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let ports = faulty_kinesis(&fleet, move |call| match call {
        KinesisCall::GetRecords(_) if failing.swap(false, Ordering::Relaxed) => {
            Fault::Fail(ErrorKind::Refused)
        }
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    let mut delays = Vec::new();
    for _ in 0..6 {
        fleet.put(10);
        sleep(secs(3600)).await;
        assert_eq!(fleet.oracle.outstanding(), 0);
        fails.store(true, Ordering::Relaxed);
        let before = fleet.count_events("LeaseTaken");
        let at = Instant::now();
        fleet.until("taken again", || fleet.count_events("LeaseTaken") > before).await;
        delays.push(at.elapsed());
    }
    assert!(delays.iter().all(|delay| *delay < secs(25)), "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_does_not_steal_a_shard_that_it_cannot_read_again_and_again() {
    let mut lost = Vec::new();
    for broken in 0..4 {
        let mut fleet = Fleet::new(4);
        let ports = faulty_kinesis(&fleet, move |call| match call {
            KinesisCall::GetRecords(iterator) if iterator.shard.shard_id == shard_id(broken) => {
                Fault::Fail(ErrorKind::Refused)
            }
            _ => Fault::None,
        });
        fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
        fleet.start("b");
        sleep(secs(1800)).await;
        let before = fleet.count_events("b: LeaseLost");
        sleep(secs(4 * 3600)).await;
        lost.push((broken, fleet.count_events("b: LeaseLost") - before, fleet.shares().await));
    }
    assert!(lost.iter().all(|(_, lost, _)| *lost <= 2), "{lost:?}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_shards_that_it_cannot_read_gets_its_share_of_the_others() {
    let mut fleet = Fleet::new(16);
    fleet.start("b");
    sleep(secs(20)).await;
    // a cannot read a quarter of the shards.
    let ports = faulty_kinesis(&fleet, move |call| match call {
        KinesisCall::GetRecords(iterator) if (0..4).any(|n| iterator.shard.shard_id == shard_id(n)) => {
            Fault::Fail(ErrorKind::Refused)
        }
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    let mut seen = Vec::new();
    for _ in 0..60 {
        sleep(secs(60)).await;
        seen.push(fleet.shares().await.get("a").copied().unwrap_or(0));
    }
    let lost = fleet.count_events("b: LeaseLost");
    assert!(seen[30..].iter().all(|share| *share >= 7) && lost < 20, "{seen:?}, b lost {lost}");
}

#[tokio::test(start_paused = true)]
async fn a_sync_leaves_the_rows_of_another_stream_alone() {
    let mut fleet = Fleet::new(1);
    let other = StreamId::named("other").unwrap();
    fleet.kinesis.create_stream(&other, 2).unwrap();
    let settings = WorkerSettings { stream: other.clone(), ..fleet.settings("b") };
    fleet.start_with("b", settings, fleet.ports(), for_each_record(|_: Record| async { Ok(()) }));
    sleep(secs(5)).await;
    // shard 1 of the other stream splits and ends; its children begin.
    let shards = fleet.kinesis.shards(&other).unwrap();
    let range = shards[1].hash_key_range;
    fleet.kinesis.split_shard(&other, &shard_id(1), range.start + (range.end - range.start) / 2).unwrap();
    for n in 0..100 {
        fleet.kinesis.put_record(&other, &format!("k{n}"), None, Bytes::from_static(b"x")).unwrap();
    }
    sleep(secs(100)).await;
    let count = || async { fleet.rows().await.iter().filter(|r| r.shard.stream == other).count() };
    assert_eq!(count().await, 4);
    fleet.start("a");
    sleep(secs(100)).await;
    let count = fleet.rows().await.iter().filter(|r| r.shard.stream == other).count();
    assert_eq!(count, 4, "a, of stream orders, deleted a row of stream other");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_can_read_nothing_takes_each_shard_from_another_at_most_once() {
    let mut fleet = Fleet::new(20);
    fleet.start("b");
    sleep(secs(20)).await;
    let ports = faulty_kinesis(&fleet, |call| match call {
        KinesisCall::GetRecords(_) => Fault::Fail(ErrorKind::Refused),
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(3_600)).await;
    let lost = fleet.count_events("b: LeaseLost");
    assert!(lost <= 20, "b lost {lost} leases in an hour");
}
