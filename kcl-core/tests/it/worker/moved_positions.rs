//! Positions that are not where they were: settings that changed, iterators that expired, records that retention took.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kcl_core::lease::{Consistency, LeaseChange};
use kcl_core::model::{Checkpoint, InitialPosition, Record};
use kcl_core::processor::for_each_record;
use kcl_core::testing::{Fault, LeaseCall};
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::sleep;

use super::fan_out::{by_name, settings};
use super::fleet::{Fleet, faulty_kinesis, faulty_leases, secs, shard_id};

#[tokio::test(start_paused = true)]
async fn an_outage_longer_than_an_iterator_lives_skips_nothing_under_latest() {
    let mut fleet = Fleet::new(1);
    let out = Arc::new(AtomicBool::new(false));
    let is_out = Arc::clone(&out);
    let ports = faulty_kinesis(&fleet, move |_| {
        if is_out.load(Ordering::Relaxed) { Fault::Fail(ErrorKind::Transient) } else { Fault::None }
    });
    let settings = WorkerSettings { initial_position: InitialPosition::Latest, ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, fleet.recorder());
    sleep(secs(5)).await;
    out.store(true, Ordering::Relaxed);
    fleet.put(10);
    sleep(secs(400)).await;
    out.store(false, Ordering::Relaxed);
    sleep(secs(60)).await;
    assert_eq!(fleet.count_events("LeaseLost"), 0, "the same owner throughout");
    assert_eq!(fleet.oracle.outstanding(), 0, "skipped by an owner that never lost its lease");
}

#[tokio::test(start_paused = true)]
async fn children_are_read_from_their_beginning_whatever_the_settings_say_after_a_restart() {
    let mut fleet = Fleet::new(1);
    let settings = WorkerSettings {
        initial_position: InitialPosition::AtTimestamp(fleet.kinesis.now()),
        ..fleet.settings("a")
    };
    fleet.put(10);
    let stuck = for_each_record(|_: Record| async { Err("stuck".into()) });
    fleet.split(&shard_id(0));
    fleet.put(20);
    fleet.start_with("a", settings, fleet.ports(), stuck);
    sleep(secs(10)).await;
    fleet.stop("a").await;
    let settings = WorkerSettings { initial_position: InitialPosition::Latest, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), fleet.recorder());
    sleep(secs(120)).await;
    assert_eq!(fleet.oracle.outstanding(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reshard_while_the_fleet_is_down_loses_nothing_when_the_timestamp_was_moved() {
    let mut fleet = Fleet::new(1);
    fleet.consume_ten().await;
    fleet.split(&shard_id(0));
    fleet.put(20);
    sleep(secs(10)).await;
    let initial_position = InitialPosition::AtTimestamp(fleet.kinesis.now());
    fleet.start_with(
        "a",
        WorkerSettings { initial_position, ..fleet.settings("a") },
        fleet.ports(),
        fleet.recorder(),
    );
    sleep(secs(120)).await;
    assert_eq!(fleet.oracle.outstanding(), 0);
}

#[tokio::test(start_paused = true)]
async fn records_that_retention_took_are_reported() {
    let mut fleet = Fleet::new(1);
    fleet.consume_ten().await;
    fleet.put(10);
    sleep(secs(10)).await;
    fleet.kinesis.trim(&fleet.stream, fleet.kinesis.now()).unwrap();
    fleet.put(10);
    let from = fleet.events.lock().unwrap().len();
    fleet.start("a");
    sleep(secs(30)).await;
    assert_eq!(fleet.oracle.outstanding(), 10);
    let events = fleet.events.lock().unwrap();
    let telling = events[from..].iter().any(|(_, e)| {
        [
            "Started",
            "LeaseTaken",
            "TableScanned",
            "LeaseRenewed",
            "BatchRead",
            "BatchProcessed",
            "Checkpointed",
        ]
        .iter()
        .all(|known| !e.contains(known))
    });
    assert!(telling, "{:#?}", &events[from..]);
}

/// A fleet whose checkpoint, and all that came after it, retention has taken.
async fn trimmed() -> Fleet {
    let mut fleet = Fleet::new(1);
    fleet.consume_ten().await;
    fleet.put(10);
    sleep(secs(10)).await;
    fleet.kinesis.trim(&fleet.stream, fleet.kinesis.now()).unwrap();
    fleet
}

#[tokio::test(start_paused = true)]
async fn records_that_retention_took_at_the_end_of_a_shard_are_reported() {
    for by_fan_out in [false, true] {
        let mut fleet = trimmed().await;
        fleet.split(&shard_id(0));
        let settings = if by_fan_out { settings(&fleet, "a", by_name()) } else { fleet.settings("a") };
        fleet.start_with("a", settings, fleet.ports(), fleet.recorder());
        fleet.until("the shard is finished", || fleet.count_events("ShardEnded") == 1).await;
        assert_eq!(fleet.count_events("PositionTrimmed"), 1, "by fan-out: {by_fan_out}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_retention_took_before_a_lull_are_reported_when_it_ends() {
    let mut fleet = trimmed().await;
    fleet.start_with("a", settings(&fleet, "a", by_name()), fleet.ports(), fleet.recorder());
    // A subscription lasts five minutes, and the next one begins where the service says that this one has come.
    sleep(secs(400)).await;
    fleet.put(10);
    fleet.until("what came later is read", || fleet.oracle.outstanding() == 10).await;
    assert_eq!(fleet.count_events("PositionTrimmed"), 1);
}

#[tokio::test(start_paused = true)]
async fn children_of_a_finished_shard_are_read_from_their_beginning_though_the_timestamp_was_moved() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let settings = WorkerSettings { initial_position: InitialPosition::TrimHorizon, ..fleet.settings("a") };
    let ended = Arc::new(AtomicBool::new(false));
    let is_ended = Arc::clone(&ended);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Update(_, LeaseChange::Checkpoint { checkpoint: Checkpoint::ShardEnd, .. }) => {
            is_ended.store(true, Ordering::Relaxed);
            Fault::None
        }
        LeaseCall::List(Consistency::Strong) if is_ended.load(Ordering::Relaxed) => {
            Fault::Fail(ErrorKind::Throttled)
        }
        _ => Fault::None,
    });
    fleet.start_with("a", settings, ports, fleet.recorder());
    sleep(secs(5)).await;
    fleet.split(&shard_id(0));
    fleet.put(20);
    fleet.until("ended", || fleet.count_events("ShardEnded") == 1).await;
    fleet.crash("a").await;
    assert_eq!(fleet.rows().await.len(), 1);
    sleep(secs(60)).await;
    let initial_position = InitialPosition::AtTimestamp(fleet.kinesis.now());
    fleet.start_with(
        "a",
        WorkerSettings { initial_position, ..fleet.settings("a") },
        fleet.ports(),
        fleet.recorder(),
    );
    sleep(secs(120)).await;
    assert_eq!(fleet.oracle.outstanding(), 0);
}
