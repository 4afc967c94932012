//! Trouble with the lease table: rows that hang or fail, a table that cannot be prepared or written.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kcl_core::lease::{Consistency, Lease, LeaseChange};
use kcl_core::model::{InitialPosition, ShardKey, StreamId};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor};
use kcl_core::testing::{Fault, LeaseCall};
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, faulty_leases, secs, shard_id};

#[tokio::test(start_paused = true)]
async fn one_row_that_hangs_does_not_hold_up_the_others() {
    let mut fleet = Fleet::new(4);
    fleet.put(100);
    let ports = faulty_leases(&fleet, |call| match call {
        LeaseCall::Update(seen, LeaseChange::Take { .. }) if seen.shard.shard_id == shard_id(0) => {
            Fault::Hang
        }
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(120)).await;
    let events = fleet.events.lock().unwrap().iter().map(|(_, e)| e.clone()).collect::<Vec<_>>();
    assert!(fleet.oracle.outstanding() < 60, "{} outstanding; {events:#?}", fleet.oracle.outstanding());
}

/// Counts `lease_lost` without `initialize`.
struct Strict {
    initialized: bool,
    wrong: Arc<AtomicUsize>,
}

#[async_trait]
impl RecordProcessor for Strict {
    async fn initialize(&mut self, _: &kcl_core::processor::ShardStart) -> Result<(), ProcessorError> {
        self.initialized = true;
        Ok(())
    }
    async fn process_records(&mut self, _: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(())
    }
    async fn lease_lost(&mut self) {
        if !self.initialized {
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_call_comes_before_initialize() {
    let mut fleet = Fleet::new(4);
    let ports = faulty_leases(&fleet, |call| match call {
        LeaseCall::Update(seen, LeaseChange::Take { .. }) if seen.shard.shard_id == shard_id(0) => {
            Fault::Hang
        }
        _ => Fault::None,
    });
    let wrong = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&wrong);
    fleet.start_with("a", fleet.settings("a"), ports, move |_: &ShardKey| Strict {
        initialized: false,
        wrong: Arc::clone(&count),
    });
    sleep(secs(60)).await;
    assert_eq!(wrong.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_get_that_hangs_does_not_stop_the_worker_for_ever() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    fleet.split(&shard_id(0));
    let hangs = Arc::new(AtomicBool::new(true));
    let once = Arc::clone(&hangs);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Get(_) if once.swap(false, Ordering::Relaxed) => Fault::Hang,
        _ => Fault::None,
    });
    let settings = WorkerSettings { initial_position: InitialPosition::Latest, ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, fleet.recorder());
    sleep(secs(600)).await;
    assert!(fleet.count_events("LeaseTaken") > 0, "after ten minutes: {:#?}", fleet.events.lock().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_get_that_hangs_does_not_hold_up_a_shutdown() {
    let mut fleet = Fleet::new(1);
    fleet.split(&shard_id(0));
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Get(_) => Fault::Hang,
        _ => Fault::None,
    });
    let settings = WorkerSettings { initial_position: InitialPosition::Latest, ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, fleet.recorder());
    sleep(secs(5)).await;
    fleet.stop("a").await;
}

#[tokio::test(start_paused = true)]
async fn a_group_of_failing_rows_does_not_starve_the_rest() {
    let mut fleet = Fleet::new(40);
    fleet.put(400);
    let bad: Arc<Mutex<BTreeSet<ShardKey>>> = Arc::default();
    let leases = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Update(seen, LeaseChange::Take { .. }) => {
            let mut bad = bad.lock().unwrap();
            if bad.len() < 16 {
                bad.insert(seen.shard.clone());
            }
            if bad.contains(&seen.shard) { Fault::Fail(ErrorKind::Throttled) } else { Fault::None }
        }
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), leases, fleet.recorder());
    sleep(secs(120)).await;
    assert!(fleet.count_events("LeaseTaken") >= 24, "{}", fleet.count_events("LeaseTaken"));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_may_not_be_written_ends_the_worker() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let leases = faulty_leases(&fleet, |call| match call {
        LeaseCall::Update(_, LeaseChange::Take { .. }) => Fault::Fail(ErrorKind::Refused),
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), leases, fleet.recorder());
    sleep(secs(60)).await;
    assert!(
        fleet.ended() == 1,
        "no permission to write the table: {} CoordinationFailed in a minute",
        fleet.count_events("CoordinationFailed")
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_exist_leaves_no_table_behind() {
    let mut fleet = Fleet::new(1);
    let mut settings = fleet.settings("a");
    settings.stream = StreamId::named("mistyped").unwrap();
    fleet.start_with("a", settings, fleet.ports(), fleet.recorder());
    assert_eq!(fleet.outcome("a").await.unwrap_err().kind(), ErrorKind::NotFound);
    let table = fleet.leases.list(Consistency::Strong).await;
    assert_eq!(table.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_hangs_does_not_make_a_take_over_slower() {
    let mut fleet = Fleet::new(4);
    for name in ["a", "b"] {
        let ports = faulty_leases(&fleet, |call| match call {
            LeaseCall::Update(seen, LeaseChange::Take { .. }) if seen.shard.shard_id == shard_id(0) => {
                Fault::Hang
            }
            _ => Fault::None,
        });
        fleet.start_with(name, fleet.settings(name), ports, fleet.recorder());
    }
    sleep(secs(60)).await;
    fleet.crash("a").await;
    let crashed_at = Instant::now();
    let owned = |rows: &[Lease]| {
        rows.iter().filter(|row| row.owner.as_ref().is_some_and(|o| o.as_str() == "b")).count() == 3
    };
    fleet.until_rows("b has the rest", owned).await;
    let settings = fleet.settings("b");
    let bound = settings.failover_time + settings.lease_scan_interval * 3;
    assert!(crashed_at.elapsed() <= bound, "{:?}", crashed_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_create_that_hangs_does_not_hold_up_the_start_for_minutes() {
    for what in ["create", "list"] {
        let mut fleet = Fleet::new(4);
        fleet.put(10);
        let once = AtomicBool::new(true);
        let ports = faulty_leases(&fleet, move |call| match call {
            LeaseCall::Create(_) if what == "create" && once.swap(false, Ordering::Relaxed) => Fault::Hang,
            LeaseCall::List(Consistency::Strong) if what == "list" && once.swap(false, Ordering::Relaxed) => {
                Fault::Hang
            }
            _ => Fault::None,
        });
        fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
        let at = Instant::now();
        fleet.drain().await;
        assert!(at.elapsed() < secs(60), "{what} {:?}", at.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_take_in_doubt_is_taken_up_again() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let takes = AtomicUsize::new(0);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Update(_, LeaseChange::Take { .. }) => match takes.fetch_add(1, Ordering::Relaxed) {
            0 => Fault::LoseAnswer,
            1 | 2 => Fault::Fail(ErrorKind::Throttled),
            _ => Fault::None,
        },
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    let at = Instant::now();
    fleet.drain().await;
    assert!(at.elapsed() < secs(5), "{:?}", at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_taken_is_not_reported_every_second_for_ever() {
    let mut fleet = Fleet::new(2);
    let ports = faulty_leases(&fleet, |call| match call {
        LeaseCall::Update(seen, LeaseChange::Take { .. }) if seen.shard.shard_id == shard_id(0) => {
            Fault::Fail(ErrorKind::Corrupt)
        }
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(3600)).await;
    let ended = fleet.ended();
    assert!(
        ended == 0 && fleet.count_events("CoordinationFailed") < 400,
        "ended {ended}, {}",
        fleet.count_events("CoordinationFailed")
    );
}

#[tokio::test(start_paused = true)]
async fn a_row_whose_deletion_failed_once_goes_in_the_end() {
    let mut fleet = Fleet::new(1);
    let once = AtomicBool::new(true);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Delete(_) if once.swap(false, Ordering::Relaxed) => Fault::Fail(ErrorKind::Throttled),
        _ => Fault::None,
    });
    let settings = WorkerSettings { shard_sync_interval: secs(60), ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, fleet.recorder());
    fleet.put(10);
    sleep(secs(5)).await;
    let [left, right] = fleet.split(&shard_id(0));
    fleet.put(40);
    sleep(secs(5)).await;
    let _ = fleet.split(&left);
    let _ = fleet.split(&right);
    fleet.put(100);
    sleep(secs(100)).await;
    assert_eq!(fleet.oracle.outstanding(), 0);
    fleet.kinesis.trim(&fleet.stream, fleet.kinesis.now()).unwrap();
    fleet.put(100);
    sleep(secs(3600)).await;
    let rows: Vec<_> = fleet.rows().await.into_iter().map(|r| r.shard.shard_id).collect();
    assert_eq!(rows.len(), 4, "{rows:?}");
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_cannot_be_read_does_not_hold_up_a_take_over() {
    for hang in [false, true] {
        let mut fleet = Fleet::new(4);
        fleet.split(&shard_id(3));
        for name in ["a", "b"] {
            let ports = faulty_leases(&fleet, move |call| match call {
                LeaseCall::Get(_) if hang => Fault::Hang,
                LeaseCall::Get(_) => Fault::Fail(ErrorKind::Throttled),
                _ => Fault::None,
            });
            let settings =
                WorkerSettings { initial_position: InitialPosition::Latest, ..fleet.settings(name) };
            fleet.start_with(name, settings, ports, fleet.recorder());
        }
        sleep(secs(60)).await;
        fleet.crash("a").await;
        let crashed_at = Instant::now();
        let owned = |rows: &[Lease]| {
            rows.iter().filter(|row| row.owner.as_ref().is_some_and(|o| o.as_str() == "b")).count() == 3
        };
        fleet.until_rows("b has the rest", owned).await;
        assert!(crashed_at.elapsed() <= secs(13), "{hang}: {:?}", crashed_at.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_take_that_hangs_does_not_hold_up_the_next_look() {
    let mut fleet = Fleet::new(4);
    let scans = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&scans);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Update(seen, LeaseChange::Take { .. }) if seen.shard.shard_id == shard_id(0) => {
            Fault::Hang
        }
        LeaseCall::List(Consistency::Eventual) => {
            count.fetch_add(1, Ordering::Relaxed);
            Fault::None
        }
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(100)).await;
    assert!(scans.load(Ordering::Relaxed) >= 95, "{} scans in 100 s", scans.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_hangs_costs_half_a_failover_time() {
    let mut fleet = Fleet::new(2);
    fleet.start("a");
    sleep(secs(5)).await;
    let hangs = Arc::new(AtomicBool::new(false));
    let is_hanging = Arc::clone(&hangs);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::List(Consistency::Eventual) if is_hanging.swap(false, Ordering::Relaxed) => Fault::Hang,
        _ => Fault::None,
    });
    fleet.start_with("b", fleet.settings("b"), ports, fleet.recorder());
    sleep(secs(5)).await;
    fleet.crash("a").await;
    hangs.store(true, Ordering::Relaxed);
    let crashed_at = Instant::now();
    fleet.until("b has all", || fleet.count_events("b: LeaseTaken") == 2).await;
    assert!(crashed_at.elapsed() < secs(12), "{:?}", crashed_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_takes_long_to_scan_is_scanned() {
    let mut fleet = Fleet::new(2);
    fleet.put(10);
    let ports = faulty_leases(&fleet, |call| match call {
        LeaseCall::List(Consistency::Eventual) => Fault::Delay(secs(17)),
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    fleet.drain().await;
}
