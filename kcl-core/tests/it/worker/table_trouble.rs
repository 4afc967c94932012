//! Trouble with the lease table: rows that hang or fail, a table that cannot be prepared or written.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kcl_core::lease::{Consistency, LeaseChange};
use kcl_core::model::{InitialPosition, ShardKey, StreamId};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor};
use kcl_core::testing::{Fault, LeaseCall};
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::sleep;

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
