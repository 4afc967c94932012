//! A planned stop: drain, commit, release.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::model::{Record, ShardKey};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor};
use kcl_core::testing::{DeliveryOracle, Fault};
use kcl_core::worker::ShardOutcome;
use kcl_core::{Checkpointing, ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::fleet::{AsyncScript, Fleet, Scripted, faulty_leases, shard_id};

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_costs_no_duplicate_and_no_failover_time() {
    let mut fleet = Fleet::new(4);
    fleet.start("a");
    for restart in 0..5 {
        fleet.put(100);
        sleep(Duration::from_millis(1_700)).await;
        fleet.stop("a").await;
        assert!(fleet.rows().await.iter().all(|row| row.owner.is_none()), "released, restart {restart}");
        fleet.put(100);
        fleet.start("a");
        let started_at = Instant::now();
        fleet.drain().await;
        let WorkerSettings { lease_scan_interval, polling, .. } = fleet.settings("a");
        assert!(started_at.elapsed() <= lease_scan_interval + polling.idle_time_between_reads);
    }
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_runs_elsewhere_within_a_scan_interval() {
    let mut fleet = Fleet::new(2);
    fleet.start("a");
    fleet.start("b");
    sleep(Duration::from_secs(30)).await;
    fleet.put(50);
    fleet.stop("a").await;
    let stopped_at = Instant::now();
    fleet
        .until_rows("b has everything", |rows| {
            rows.iter().all(|row| row.owner.as_ref().is_some_and(|owner| owner.as_str() == "b"))
        })
        .await;
    assert!(stopped_at.elapsed() <= fleet.settings("b").lease_scan_interval + Duration::from_millis(50));
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

/// Takes two seconds for a batch, and records it at the end.
struct Slow {
    oracle: Arc<DeliveryOracle>,
}

#[async_trait]
impl AsyncScript for Slow {
    async fn run(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        sleep(Duration::from_secs(2)).await;
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_batch_in_hand_is_finished_and_committed() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let oracle = Arc::clone(&fleet.oracle);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&calls);
    let factory = move |_: &ShardKey| Scripted {
        process: Slow { oracle: Arc::clone(&oracle) },
        calls: Arc::clone(&log),
    };
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fleet.oracle.outstanding(), 10, "the batch is in hand");
    fleet.stop("a").await;
    assert_eq!(fleet.oracle.outstanding(), 0);
    assert!(fleet.rows().await[0].checkpoint.has_begun());
    assert_eq!(*calls.lock().unwrap(), ["initialize TRIM_HORIZON", "shutdown_requested"]);
}

struct Fails;

#[async_trait]
impl AsyncScript for Fails {
    async fn run(&mut self, _: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        Err("never".into())
    }
}

/// [`Scripted`] commits when asked to shut down: the framework must not let it commit what failed.
#[tokio::test(start_paused = true)]
async fn a_batch_that_failed_is_not_committed_at_shutdown() {
    for checkpointing in [Checkpointing::AfterEachBatch, Checkpointing::Manual] {
        let mut fleet = Fleet::new(1);
        fleet.put(10);
        let factory = |_: &ShardKey| Scripted { process: Fails, calls: Arc::default() };
        let settings = WorkerSettings { checkpointing, ..fleet.settings("a") };
        fleet.start_with("a", settings, fleet.ports(), factory);
        sleep(Duration::from_secs(10)).await;
        fleet.stop("a").await;
        assert!(!fleet.rows().await[0].checkpoint.has_begun());
        fleet.start("b");
        fleet.drain().await;
        fleet.assert_good();
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_last_batch_failed_is_not_finished_at_shutdown() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    fleet.split(&shard_id(0));
    let factory = |_: &ShardKey| Scripted { process: Fails, calls: Arc::default() };
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    sleep(Duration::from_secs(10)).await;
    fleet.stop("a").await;
    assert!(!fleet.row(&shard_id(0)).await.checkpoint.has_begun());
    fleet.start("b");
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_does_not_stop_is_dropped_after_the_grace_period_and_its_lease_released() {
    let mut fleet = Fleet::new(1);
    fleet.put(1);
    let factory = kcl_core::processor::for_each_record(|_: Record| std::future::pending());
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    sleep(Duration::from_secs(5)).await;
    let asked_at = Instant::now();
    fleet.stop("a").await;
    assert!(asked_at.elapsed() <= fleet.settings("a").shutdown_grace + Duration::from_secs(1));
    assert_eq!(fleet.count_events("ShutdownForced"), 1);
    assert!(fleet.rows().await[0].owner.is_none());
    assert!(!fleet.rows().await[0].checkpoint.has_begun());
}

/// Never finishes a batch of the first shard.
struct HangsInFirstShard(Arc<DeliveryOracle>);

#[async_trait]
impl AsyncScript for HangsInFirstShard {
    async fn run(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        if batch.shard.shard_id == shard_id(0) {
            std::future::pending::<()>().await;
        }
        batch.records.iter().for_each(|record| self.0.deliver(&batch.shard, record));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_tells_what_became_of_each_shard() {
    let mut fleet = Fleet::new(2);
    fleet.put(100);
    let oracle = Arc::clone(&fleet.oracle);
    let factory = move |_: &ShardKey| Scripted {
        process: HangsInFirstShard(Arc::clone(&oracle)),
        calls: Arc::default(),
    };
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    fleet.until("one shard is processed", || fleet.count_events(": Checkpointed") > 0).await;
    let report = fleet.begin_stop("a").await;
    let outcomes: Vec<_> = report.shards.values().cloned().collect();
    assert_eq!(outcomes, [ShardOutcome::Forced, ShardOutcome::Released]);
    assert!(!report.is_clean());
    assert!(fleet.rows().await.iter().all(|row| row.owner.is_none()));
    fleet.start("b");
    fleet.drain().await;
    assert!(fleet.begin_stop("b").await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_tells_of_leases_that_could_not_be_given_back() {
    let mut fleet = Fleet::new(1);
    let is_down = Arc::new(AtomicBool::new(false));
    let down = Arc::clone(&is_down);
    let ports = faulty_leases(&fleet, move |_| {
        let is_down = down.load(Ordering::Relaxed);
        if is_down { Fault::Fail(ErrorKind::Transient) } else { Fault::None }
    });
    let recorder = fleet.recorder();
    fleet.start_with("a", fleet.settings("a"), ports, recorder);
    fleet.until("it has the lease", || fleet.count_events("LeaseTaken") == 1).await;
    is_down.store(true, Ordering::Relaxed);
    let report = fleet.begin_stop("a").await;
    assert_eq!(report.shards.into_values().collect::<Vec<_>>(), [ShardOutcome::LeftToExpire]);
}

/// An error that cannot even be shown.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::panic::resume_unwind(Box::new("a panic outside of any call"))
    }
}

impl std::error::Error for Unspeakable {}

struct EndsBadly;

#[async_trait]
impl RecordProcessor for EndsBadly {
    async fn process_records(&mut self, _: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(())
    }

    async fn shutdown_requested(&mut self, _: &Checkpointer) -> Result<(), ProcessorError> {
        Err(Unspeakable.into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_tells_of_a_shard_whose_consumer_panicked() {
    let mut fleet = Fleet::new(1);
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), |_: &ShardKey| EndsBadly);
    fleet.until("it has the lease", || fleet.count_events("LeaseTaken") == 1).await;
    let report = fleet.begin_stop("a").await;
    assert_eq!(report.shards.into_values().collect::<Vec<_>>(), [ShardOutcome::Forced]);
    assert!(fleet.rows().await[0].owner.is_none());
}
