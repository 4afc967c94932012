//! Who owns which shard, and what a crash or a partition costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kcl_core::lease::LeaseChange;
use kcl_core::testing::{Fault, FaultyKinesis, FaultyLeaseStore, KinesisCall, LeaseCall};
use kcl_core::worker::Ports;
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, shard_id};

#[tokio::test(start_paused = true)]
async fn one_worker_delivers_every_record_in_order() {
    let mut fleet = Fleet::new(3);
    fleet.put(500);
    fleet.start("a");
    fleet.drain().await;
    fleet.put(500);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn workers_that_start_together_end_with_equal_shares_and_then_nothing_moves() {
    let mut fleet = Fleet::new(20);
    for name in ["a", "b", "c"] {
        fleet.start(name);
    }
    fleet
        .until_rows("shares differ by at most one", |rows| {
            let share = |name: &str| {
                rows.iter()
                    .filter(|row| row.owner.as_ref().is_some_and(|owner| owner.as_str() == name))
                    .count()
            };
            let shares = ["a", "b", "c"].map(share);
            shares.iter().sum::<usize>() == 20 && shares.iter().all(|share| (6..=7).contains(share))
        })
        .await;
    // What was handed over is taken up.
    sleep(Duration::from_secs(1)).await;
    let taken = fleet.count_events("LeaseTaken");
    sleep(Duration::from_secs(120)).await;
    assert_eq!(fleet.count_events("LeaseTaken"), taken, "a balanced fleet moves nothing");
}

#[tokio::test(start_paused = true)]
async fn a_crash_costs_one_failover_time_and_no_record() {
    let mut fleet = Fleet::new(4);
    fleet.start("a");
    fleet.put(200);
    fleet.drain().await;
    fleet.start("b");
    fleet.until("b has its share", || fleet.count_events("b: LeaseTaken") >= 2).await;
    fleet.put(200);
    fleet.crash("a").await;
    let crashed_at = Instant::now();
    fleet.drain().await;
    let settings = fleet.settings("b");
    // The last renewal is seen by the next scan, and its age by the one after the failover time.
    let bound = settings.failover_time + settings.lease_scan_interval * 3;
    assert!(crashed_at.elapsed() <= bound, "{:?}", crashed_at.elapsed());
    fleet.assert_good();
}

#[tokio::test(start_paused = true)]
async fn dropping_a_worker_leaves_nothing_running() {
    let mut fleet = Fleet::new(2);
    fleet.start("a");
    fleet.put(10);
    fleet.drain().await;
    fleet.crash("a").await;
    let rows = fleet.rows().await;
    fleet.put(10);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fleet.rows().await, rows, "somebody still writes");
    assert_eq!(fleet.oracle.outstanding(), 10, "somebody still delivers");
}

#[tokio::test(start_paused = true)]
async fn a_worker_cut_off_from_the_table_stops_before_another_may_start() {
    for fault in [Fault::Fail(ErrorKind::Transient), Fault::Hang] {
        let mut fleet = Fleet::new(1);
        let cut_off = Arc::new(AtomicBool::new(false));
        let is_cut_off = Arc::clone(&cut_off);
        let leases = FaultyLeaseStore::new(Arc::clone(&fleet.leases), move |_| {
            if is_cut_off.load(Ordering::Relaxed) { fault } else { Fault::None }
        });
        fleet.start_with(
            "a",
            fleet.settings("a"),
            Ports { leases: Arc::new(leases), ..fleet.ports() },
            fleet.recorder(),
        );
        fleet.put(10);
        fleet.drain().await;
        fleet.start("b");
        sleep(Duration::from_secs(5)).await;
        cut_off.store(true, Ordering::Relaxed);
        fleet.until("b takes over", || fleet.count_events("b: LeaseTaken") == 1).await;

        let events = fleet.events.lock().unwrap();
        let at = |needle: &str| events.iter().find(|(_, event)| event.starts_with(needle)).map(|(at, _)| *at);
        assert!(at("a: LeaseLost").unwrap() < at("b: LeaseTaken").unwrap(), "{fault:?}: {events:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_does_not_cost_the_lease() {
    for lost in [
        |change: &LeaseChange| matches!(change, LeaseChange::Take { .. }),
        |change: &LeaseChange| matches!(change, LeaseChange::Renew),
        |change: &LeaseChange| matches!(change, LeaseChange::Checkpoint { .. }),
    ] {
        let mut fleet = Fleet::new(2);
        let answers = every_other_time();
        let leases = FaultyLeaseStore::new(Arc::clone(&fleet.leases), move |call| match call {
            LeaseCall::Update(_, change) if lost(change) && answers() => Fault::LoseAnswer,
            _ => Fault::None,
        });
        fleet.start_with(
            "a",
            fleet.settings("a"),
            Ports { leases: Arc::new(leases), ..fleet.ports() },
            fleet.recorder(),
        );
        for _ in 0..30 {
            fleet.put(10);
            sleep(Duration::from_secs(2)).await;
        }
        fleet.drain().await;
        assert_eq!(fleet.count_events("LeaseLost"), 0);
        assert_eq!(fleet.count_events("LeaseTaken"), 2);
        assert_eq!(fleet.assert_good(), 0);
    }
}

/// True every other time.
fn every_other_time() -> impl Fn() -> bool + Send + Sync {
    let lose = AtomicBool::new(false);
    move || !lose.fetch_xor(true, Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn a_worker_holds_no_more_leases_than_its_settings_allow() {
    let mut fleet = Fleet::new(6);
    let mut settings = fleet.settings("a");
    settings.max_leases_for_worker = 2;
    fleet.start_with("a", settings, fleet.ports(), fleet.recorder());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fleet.shares().await["a"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_lease_is_renewed_and_a_busy_one_is_not_renewed_on_top_of_its_checkpoints() {
    let mut fleet = Fleet::new(1);
    fleet.start("a");
    sleep(Duration::from_secs(100)).await;
    let quiet = fleet.rows().await[0].counter;
    assert!((16..=21).contains(&quiet), "{quiet} writes in 100 s, where one in 5 to 6 s is due");
    for _ in 0..100 {
        fleet.put(1);
        sleep(Duration::from_secs(1)).await;
    }
    let busy = fleet.rows().await[0].counter - quiet;
    assert!(busy <= 101, "{busy} writes for 100 checkpoints");
    fleet.assert_good();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_listed_does_not_hold_up_a_take_over() {
    let mut fleet = Fleet::new(2);
    fleet.start("a");
    fleet.put(10);
    fleet.drain().await;
    let lists = AtomicBool::new(true);
    let kinesis = FaultyKinesis::new(fleet.ports().kinesis, move |call| match call {
        KinesisCall::ListShards(_) if !lists.swap(false, Ordering::Relaxed) => {
            Fault::Fail(ErrorKind::Throttled)
        }
        _ => Fault::None,
    });
    let settings = WorkerSettings { shard_sync_interval: Duration::from_secs(2), ..fleet.settings("b") };
    let ports = Ports { kinesis: Arc::new(kinesis), ..fleet.ports() };
    fleet.start_with("b", settings, ports, fleet.recorder());
    sleep(Duration::from_secs(20)).await;
    assert!(fleet.count_events("b: CoordinationFailed") > 0);
    fleet.crash("a").await;
    fleet.put(10);
    fleet.drain().await;
    fleet.assert_good();
}

#[tokio::test(start_paused = true)]
async fn a_take_that_fails_does_not_cost_the_leases_taken_beside_it() {
    let mut fleet = Fleet::new(6);
    fleet.put(100);
    let leases = FaultyLeaseStore::new(Arc::clone(&fleet.leases), |call| match call {
        LeaseCall::Update(row, LeaseChange::Take { .. }) if row.shard.shard_id == shard_id(3) => {
            Fault::Fail(ErrorKind::Transient)
        }
        _ => Fault::None,
    });
    let ports = Ports { leases: Arc::new(leases), ..fleet.ports() };
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(Duration::from_secs(5)).await;
    assert_eq!(fleet.count_events("LeaseTaken"), 5);
    assert_eq!(fleet.rows().await.iter().filter(|row| row.checkpoint.has_begun()).count(), 5);
}
