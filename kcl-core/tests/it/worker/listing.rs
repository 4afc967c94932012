//! Trouble with the list of shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::WorkerSettings;
use kcl_core::model::{InitialPosition, Record, ShardKey};
use kcl_core::processor::{
    Checkpointer, Processor, ProcessorError, ProcessorFactory, RecordBatch, RecordProcessor, ShardStart,
    for_each_record,
};
use kcl_core::testing::{DeliveryOracle, Fault, KinesisCall};
use kcl_core::worker::Ports;
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, faulty_kinesis, secs, shard_id};
use super::shown::showing_shards;

#[tokio::test(start_paused = true)]
async fn a_listing_that_hangs_does_not_hold_up_a_take_over() {
    let mut fleet = Fleet::new(2);
    fleet.start("a");
    fleet.put(10);
    fleet.drain().await;
    let hangs = Arc::new(AtomicBool::new(false));
    let is_hanging = Arc::clone(&hangs);
    let ports = faulty_kinesis(&fleet, move |call| match call {
        KinesisCall::ListShards(_) if is_hanging.load(Ordering::Relaxed) => Fault::Hang,
        _ => Fault::None,
    });
    fleet.start_with("b", fleet.settings("b"), ports, fleet.recorder());
    sleep(secs(20)).await;
    hangs.store(true, Ordering::Relaxed);
    sleep(secs(45)).await;
    fleet.crash("a").await;
    let crashed_at = Instant::now();
    fleet.put(10);
    fleet.drain().await;
    let WorkerSettings { lease_scan_interval, failover_time, .. } = fleet.settings("a");
    assert!(crashed_at.elapsed() <= failover_time + 3 * lease_scan_interval, "{:?}", crashed_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_slow_listing_does_not_make_live_leases_look_expired() {
    let mut fleet = Fleet::new(6);
    let ports = faulty_kinesis(&fleet, |call| match call {
        KinesisCall::ListShards(_) => Fault::Delay(secs(15)),
        _ => Fault::None,
    });
    fleet.start_with("b", fleet.settings("b"), ports, fleet.recorder());
    sleep(secs(2)).await;
    fleet.start("a");
    // The first look gives up after ten seconds, the comparison takes fifteen more.
    sleep(secs(30)).await;
    let taken = fleet.count_events("b: LeaseTaken");
    assert!(
        taken <= 3,
        "b took {taken} of 6 leases that a had renewed a moment ago: {:#?}",
        fleet.events.lock().unwrap()
    );
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_gone_is_not_stuck_by_a_listing_that_hangs() {
    let mut fleet = Fleet::new(1);
    fleet.consume_ten().await;
    fleet.split(&shard_id(0));
    sleep(secs(10)).await;
    fleet.kinesis.trim(&fleet.stream, fleet.kinesis.now()).unwrap();
    fleet.put(10);
    let gone = AtomicBool::new(false);
    let once = AtomicUsize::new(0);
    let ports = faulty_kinesis(&fleet, move |call| match call {
        KinesisCall::GetShardIterator(..) => {
            gone.store(true, Ordering::Relaxed);
            Fault::None
        }
        KinesisCall::ListShards(_)
            if gone.load(Ordering::Relaxed) && once.fetch_add(1, Ordering::Relaxed) == 0 =>
        {
            Fault::Hang
        }
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(3600)).await;
    assert_eq!(fleet.oracle.outstanding(), 0, "{:#?}", fleet.events.lock().unwrap());
}

/// A processor that takes two seconds to begin.
struct Gate {
    oracle: Arc<DeliveryOracle>,
}

struct Gated {
    oracle: Arc<DeliveryOracle>,
}

impl ProcessorFactory for Gate {
    fn create(&self, _: &ShardStart) -> Processor {
        Gated { oracle: Arc::clone(&self.oracle) }.into()
    }
}

#[async_trait]
impl RecordProcessor for Gated {
    async fn initialize(&mut self, start: &ShardStart) -> Result<(), ProcessorError> {
        if start.shard.shard_id == shard_id(0) {
            sleep(secs(2)).await;
        }
        Ok(())
    }
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_split_between_two_pages_of_the_first_listing_skips_nothing_under_latest() {
    let mut fleet = Fleet::new(1);
    fleet.split(&shard_id(0));
    // The first call only looks whether there is such a stream; the second is compared with the table.
    let calls = AtomicUsize::new(0);
    let ports = showing_shards(&fleet, move |mut shards| {
        if calls.fetch_add(1, Ordering::Relaxed) == 1 {
            // Made of two pages, between which the shard was split: the parent is shown as open.
            for shard in &mut shards {
                shard.ending_sequence_number = None;
            }
        }
        shards
    });
    let settings = WorkerSettings { initial_position: InitialPosition::Latest, ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, Gate { oracle: Arc::clone(&fleet.oracle) });
    // The worker runs, and has a lease of the parent; the children wait for it.
    sleep(Duration::from_millis(500)).await;
    fleet.put(20);
    sleep(secs(120)).await;
    let rows = fleet.rows().await;
    assert_eq!(fleet.oracle.outstanding(), 0, "{rows:#?}");
}

/// `ListShards` fails, for this worker.
fn cannot_list(fleet: &Fleet) -> Ports {
    let listed = AtomicUsize::new(0);
    let kinesis = kcl_core::testing::FaultyKinesis::new(fleet.ports().kinesis, move |call| match call {
        KinesisCall::ListShards(_) if listed.fetch_add(1, Ordering::Relaxed) > 1 => {
            Fault::Fail(kcl_core::ErrorKind::Throttled)
        }
        _ => Fault::None,
    });
    Ports { kinesis: Arc::new(kinesis), ..fleet.ports() }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_the_end_of_a_shard_costs_one_failover_time() {
    let mut fleet = Fleet::new(1);
    fleet.start_with("a", fleet.settings("a"), cannot_list(&fleet), fleet.recorder());
    sleep(secs(5)).await;
    fleet.start("b");
    sleep(secs(5)).await;
    fleet.split(&shard_id(0));
    fleet.put(20);
    fleet.until("ended", || fleet.count_events("a: ShardEnded") == 1).await;
    fleet.crash("a").await;
    let crashed_at = Instant::now();
    fleet.drain().await;
    let settings = fleet.settings("b");
    assert!(
        crashed_at.elapsed() <= settings.failover_time + 3 * settings.lease_scan_interval,
        "{:?}",
        crashed_at.elapsed()
    );
}

/// Fails on the first shard until it may succeed.
struct FirstShardFails {
    oracle: Arc<DeliveryOracle>,
    may_succeed: Arc<AtomicBool>,
}

#[async_trait]
impl RecordProcessor for FirstShardFails {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        if batch.shard.shard_id == shard_id(0) && !self.may_succeed.load(Ordering::Relaxed) {
            return Err("not yet".into());
        }
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_children_wait_when_the_row_of_an_unfinished_parent_is_deleted_under_running_workers() {
    let mut fleet = Fleet::new(1);
    fleet.put(40);
    let may_succeed = Arc::new(AtomicBool::new(false));
    for name in ["a", "b"] {
        let (oracle, may_succeed) = (Arc::clone(&fleet.oracle), Arc::clone(&may_succeed));
        let processors = move |_: &ShardKey| FirstShardFails {
            oracle: Arc::clone(&oracle),
            may_succeed: Arc::clone(&may_succeed),
        };
        fleet.start_with(name, fleet.settings(name), fleet.ports(), processors);
    }
    fleet.until("taken", || fleet.count_events("LeaseTaken") == 1).await;
    fleet.split(&shard_id(0));
    fleet.put(40);
    sleep(secs(70)).await;
    assert_eq!(fleet.rows().await.len(), 3);
    let row = fleet.row(&shard_id(0)).await;
    fleet.leases.delete(&row).await.unwrap();
    may_succeed.store(true, Ordering::Relaxed);
    fleet.drain().await;
    fleet.assert_good();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_row_of_an_unfinished_parent_is_made_again() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let fails = for_each_record(|_: Record| async { Err("not yet".into()) });
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), fails);
    fleet.until("taken", || fleet.count_events("LeaseTaken") == 1).await;
    fleet.split(&shard_id(0));
    sleep(secs(70)).await;
    fleet.stop("a").await;
    assert_eq!(fleet.rows().await.len(), 3);
    let row = fleet.row(&shard_id(0)).await;
    fleet.leases.delete(&row).await.unwrap();
    fleet.start("a");
    sleep(secs(200)).await;
    assert_eq!(fleet.oracle.outstanding(), 0);
}
