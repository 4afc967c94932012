//! Commits that meet, that are repeated, and whose answers get lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::lease::LeaseChange;
use kcl_core::model::{Checkpoint, Record, ShardKey};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, for_each_record};
use kcl_core::testing::{DeliveryOracle, Fault, LeaseCall};
use kcl_core::worker::Ports;
use kcl_core::{Checkpointing, ErrorKind, WorkerSettings};
use tokio::time::sleep;

use super::fleet::{AsyncScript, Fleet, Scripted, faulty_leases, secs};
use super::laggy::LaggyStore;

struct EachRecord {
    failed: bool,
    oracle: Arc<DeliveryOracle>,
}

#[async_trait]
impl AsyncScript for EachRecord {
    async fn run(&mut self, batch: &RecordBatch, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        for (index, record) in batch.records.iter().enumerate() {
            if index == 5 && !self.failed {
                self.failed = true;
                return Err("passing trouble".into());
            }
            self.oracle.deliver(&batch.shard, record);
            checkpointer.checkpoint_at(&record.position).await?;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_commits_each_record_survives_one_failure() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let oracle = Arc::clone(&fleet.oracle);
    let factory = move |_: &ShardKey| Scripted {
        process: EachRecord { failed: false, oracle: Arc::clone(&oracle) },
        calls: Arc::default(),
    };
    let settings = WorkerSettings { checkpointing: Checkpointing::Manual, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), factory);
    sleep(secs(600)).await;
    let last =
        fleet.events.lock().unwrap().iter().rev().find(|(_, e)| e.contains("ProcessorFailed")).cloned();
    assert_eq!(fleet.oracle.outstanding(), 0, "{last:?}");
}

struct FifthThenThird;

#[async_trait]
impl AsyncScript for FifthThenThird {
    async fn run(&mut self, batch: &RecordBatch, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        let _lost = checkpointer.checkpoint_at(&batch.records[4].position).await;
        let _back = checkpointer.checkpoint_at(&batch.records[2].position).await;
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn the_row_never_moves_back_after_a_lost_answer() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let lose = AtomicBool::new(true);
    let committed: Arc<Mutex<Vec<Checkpoint>>> = Arc::default();
    let log = Arc::clone(&committed);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Update(_, LeaseChange::Checkpoint { checkpoint, .. }) => {
            log.lock().unwrap().push(checkpoint.clone());
            if lose.swap(false, Ordering::Relaxed) { Fault::LoseAnswer } else { Fault::None }
        }
        _ => Fault::None,
    });
    let factory = move |_: &ShardKey| Scripted { process: FifthThenThird, calls: Arc::default() };
    let settings = WorkerSettings { checkpointing: Checkpointing::Manual, ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, factory);
    sleep(secs(5)).await;
    let written = committed.lock().unwrap().clone();
    assert!(
        fleet.rows().await[0].checkpoint >= written[0],
        "row {} after {written:?}",
        fleet.rows().await[0].checkpoint
    );
}

struct Both;

#[async_trait]
impl AsyncScript for Both {
    async fn run(&mut self, batch: &RecordBatch, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        let (_, _) = tokio::join!(
            checkpointer.checkpoint_at(&batch.records[4].position),
            checkpointer.checkpoint_at(&batch.records[2].position)
        );
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn the_row_never_moves_back_by_two_commits_at_once() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let laggy = LaggyStore::new(Arc::clone(&fleet.leases), Duration::from_millis(20), Duration::ZERO);
    let ports = Ports { leases: Arc::new(laggy), ..fleet.ports() };
    let factory = move |_: &ShardKey| Scripted { process: Both, calls: Arc::default() };
    let settings = WorkerSettings { checkpointing: Checkpointing::Manual, ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, factory);
    sleep(secs(5)).await;
    let events: Vec<_> =
        fleet.events.lock().unwrap().iter().filter(|(_, e)| e.contains("Checkpointed")).cloned().collect();
    assert!(events.len() < 2, "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_closure_form_commits_by_itself() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let settings = WorkerSettings { checkpointing: Checkpointing::Manual, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), for_each_record(|_: Record| async { Ok(()) }));
    sleep(secs(60)).await;
    assert!(fleet.ended() == 1 || fleet.rows().await[0].checkpoint.has_begun());
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_failed_is_made_again_though_no_batch_follows() {
    let mut fleet = Fleet::new(1);
    let fails = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fails);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Update(_, LeaseChange::Checkpoint { .. }) if failing.swap(false, Ordering::Relaxed) => {
            Fault::Fail(ErrorKind::Throttled)
        }
        _ => Fault::None,
    });
    let checkpoint = fleet.put_one();
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    fleet.drain().await;
    fleet.until_rows("the position is in the row", |rows| rows[0].checkpoint == checkpoint).await;
    assert!(!fails.load(Ordering::Relaxed), "a commit failed");
}
