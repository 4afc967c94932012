//! A list of shards that is a moment old.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl_core::lease::Consistency;
use kcl_core::model::InitialPosition;
use kcl_core::testing::{Fault, KinesisCall, LeaseCall};
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, faulty_kinesis, faulty_leases, secs, shard_id};
use super::shown::showing_shards;

#[tokio::test(start_paused = true)]
async fn children_start_soon_though_the_listing_is_two_seconds_late() {
    let mut fleet = Fleet::new(1);
    let kinesis = Arc::clone(&fleet.kinesis);
    let stream = fleet.stream.clone();
    let history = Arc::new(Mutex::new(Vec::new()));
    let remember = || history.lock().unwrap().push((Instant::now(), kinesis.shards(&stream).unwrap()));
    remember();
    let shown = Arc::clone(&history);
    let ports = showing_shards(&fleet, move |_| {
        let history = shown.lock().unwrap();
        let old = history.iter().rev().find(|(at, _)| *at + secs(2) <= Instant::now());
        old.unwrap_or(&history[0]).1.clone()
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(5)).await;
    fleet.split(&shard_id(0));
    remember();
    fleet.put(20);
    let at = Instant::now();
    fleet.drain().await;
    let alarms = fleet.count_events("ShardEndedTooEarly");
    assert!(at.elapsed() < secs(10) && alarms == 0, "{:?}, {alarms} alarms", at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn two_workers_that_list_before_and_after_a_split_skip_nothing_under_latest() {
    let mut fleet = Fleet::new(1);
    let ports = faulty_kinesis(&fleet, |call| match call {
        KinesisCall::ListShards(_) => Fault::Delay(Duration::from_millis(100)),
        _ => Fault::None,
    });
    let latest = |fleet: &Fleet, name: &str| WorkerSettings {
        initial_position: InitialPosition::Latest,
        ..fleet.settings(name)
    };
    let settings = latest(&fleet, "a");
    fleet.start_with("a", settings, ports, fleet.recorder());
    // It looks for the stream first, and then compares: the split comes between its list and its answer.
    sleep(Duration::from_millis(150)).await;
    fleet.split(&shard_id(0));
    let settings = latest(&fleet, "b");
    fleet.start_with("b", settings, fleet.ports(), fleet.recorder());
    sleep(Duration::from_millis(300)).await;
    let rows: Vec<_> =
        fleet.rows().await.into_iter().map(|r| (r.shard.shard_id, r.checkpoint, r.owner)).collect();
    fleet.put(20);
    sleep(secs(120)).await;
    assert_eq!(fleet.oracle.outstanding(), 0, "{rows:#?}");
}

/// The worker's rows are five seconds old when it has them. Had it read them before it listed, it would take the
/// children for the first shards of the stream, and start them at the tip.
#[tokio::test(start_paused = true)]
async fn a_slow_scan_beside_a_split_starts_no_child_at_the_tip_under_latest() {
    let mut fleet = Fleet::new(1);
    let latest = |fleet: &Fleet, name: &str| WorkerSettings {
        initial_position: InitialPosition::Latest,
        ..fleet.settings(name)
    };
    let ports = faulty_leases(&fleet, |call| match call {
        LeaseCall::List(Consistency::Strong) => Fault::Delay(secs(5)),
        _ => Fault::None,
    });
    fleet.start_with("b", latest(&fleet, "b"), ports, fleet.recorder());
    sleep(secs(1)).await;
    // It looks for the stream, lists, and makes the row; then it can list no more.
    let calls = AtomicUsize::new(0);
    let ports = faulty_kinesis(&fleet, move |call| match call {
        KinesisCall::ListShards(_) if calls.fetch_add(1, Ordering::Relaxed) > 1 => {
            Fault::Fail(ErrorKind::Throttled)
        }
        _ => Fault::None,
    });
    fleet.start_with("a", latest(&fleet, "a"), ports, fleet.recorder());
    sleep(secs(2)).await;
    fleet.put(10);
    fleet.split(&shard_id(0));
    fleet.put(20);
    sleep(secs(120)).await;
    assert_eq!(fleet.assert_good(), 0);
    let events = fleet.events.lock().unwrap();
    let mut made = events.iter().filter(|(_, event)| event.starts_with("b: LeaseCreated"));
    assert!(made.all(|(_, event)| event.contains("checkpoint: TrimHorizon")), "{events:#?}");
}
