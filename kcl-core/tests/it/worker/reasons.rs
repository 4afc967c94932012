//! A shard is never stuck, or lost, without a word.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::lease::LeaseChange;
use kcl_core::model::{Record, ShardKey};
use kcl_core::processor::{
    Checkpointer, Processor, ProcessorError, ProcessorFactory, RecordBatch, ShardStart, for_each_record,
};
use kcl_core::testing::Fault;
use kcl_core::worker::Ports;
use kcl_core::{Checkpointing, ErrorKind, WorkerSettings};
use tokio::time::sleep;

use super::fleet::{AsyncScript, Fleet, Scripted, secs};

#[tokio::test(start_paused = true)]
async fn a_processor_that_hangs_is_reported() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let factory = for_each_record(|_: Record| std::future::pending());
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    sleep(secs(10)).await;
    let from = fleet.events.lock().unwrap().len();
    sleep(secs(24 * 3600)).await;
    assert!(fleet.events.lock().unwrap().len() > from, "a day without a word");
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_says_to_whom() {
    let mut fleet = Fleet::new(1);
    fleet.start("a");
    sleep(secs(5)).await;
    let row = fleet.rows().await.remove(0);
    let by = kcl_core::model::WorkerId::new("thief").unwrap();
    fleet.leases.update(&row, &LeaseChange::Take { by }).await.unwrap();
    sleep(secs(8)).await;
    let events = fleet.events.lock().unwrap().clone();
    assert!(events.iter().any(|(_, e)| e.contains("thief")), "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_finished_row_of_an_open_shard_is_reported() {
    let mut fleet = Fleet::new(1);
    fleet.start("a");
    fleet.drain().await;
    sleep(secs(3)).await;
    fleet.stop("a").await;
    // What a deleted and recreated stream leaves behind: SHARD_END in the row of a shard that is open.
    let row = fleet.rows().await.remove(0);
    let end =
        LeaseChange::Checkpoint { checkpoint: kcl_core::model::Checkpoint::ShardEnd, children: Vec::new() };
    fleet.leases.update(&row, &end).await.unwrap();
    fleet.put(10);
    fleet.start("a");
    sleep(secs(600)).await;
    let count =
        |fleet: &Fleet| (fleet.count_events("ShardEndedTooEarly"), fleet.count_events("StandstillOver"));
    assert_eq!((fleet.oracle.outstanding(), count(&fleet)), (10, (1, 0)));
    let row = fleet.rows().await.remove(0);
    fleet.leases.delete(&row).await.unwrap();
    fleet.drain().await;
    assert_eq!(count(&fleet), (1, 1));
}

struct Nothing;

#[async_trait]
impl AsyncScript for Nothing {
    async fn run(&mut self, _: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_processor_whose_shard_failed_is_told() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let reads = AtomicUsize::new(0);
    let kinesis = kcl_core::testing::FaultyKinesis::new(fleet.ports().kinesis, move |call| match call {
        kcl_core::testing::KinesisCall::GetRecords(_) if reads.fetch_add(1, Ordering::Relaxed) > 2 => {
            Fault::Fail(ErrorKind::Refused)
        }
        _ => Fault::None,
    });
    let calls = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&calls);
    let factory = move |_: &ShardKey| Scripted { process: Nothing, calls: Arc::clone(&log) };
    let settings = WorkerSettings { checkpointing: Checkpointing::Manual, ..fleet.settings("a") };
    fleet.start_with("a", settings, Ports { kinesis: Arc::new(kinesis), ..fleet.ports() }, factory);
    fleet.until("failed", || fleet.count_events("ShardFailed") == 1).await;
    let calls = calls.lock().unwrap();
    assert!(calls.len() > 1, "{calls:?}, then released and dropped");
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_consumer_panicked_is_given_back() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), Panics);
    sleep(Duration::from_millis(500)).await;
    assert_eq!(fleet.count_events("ShardFailed"), 1);
    assert!(fleet.rows().await[0].owner.is_none(), "the event says that the lease is released");
}

struct Panics;

impl ProcessorFactory for Panics {
    fn create(&self, _: &ShardStart) -> Processor {
        panic!("never")
    }
}

#[tokio::test(start_paused = true)]
async fn a_duration_that_never_passes_is_refused() {
    let mut fleet = Fleet::new(1);
    let settings = WorkerSettings { shard_sync_interval: Duration::MAX, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), fleet.recorder());
    let error = fleet.outcome("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().starts_with("shard_sync_interval is"), "{error}");
}
