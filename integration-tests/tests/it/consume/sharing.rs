//! Two workers on one table: each has its share, and one goes on for both when the other is gone.

use std::future::pending;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::WorkerSettings;
use kcl_core::model::ShardKey;
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor};
use kcl_core::testing::DeliveryOracle;

use crate::fleet::Fleet;

/// Short, since a test waits for it, but long enough for renewals on a machine with other things to do.
const FAILOVER_TIME: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_a_stream_from_its_oldest_record() {
    let mut fleet = Fleet::new(4).await;
    fleet.put(200).await;
    fleet.start(fleet.settings("a"));
    fleet.start(fleet.settings("b"));
    fleet.until_shares(&[("a", 2), ("b", 2)]).await;
    fleet.put(200).await;
    fleet.drain().await;
    fleet.assert_good();
    for name in ["a", "b"] {
        assert!(fleet.deliveries(name) > 0, "{name} has delivered nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_moves_the_shards_and_loses_no_record() {
    let mut fleet = Fleet::new(4).await;
    for name in ["a", "b"] {
        fleet.start(WorkerSettings { failover_time: FAILOVER_TIME, ..fleet.small_reads(name) });
    }
    fleet.until_shares(&[("a", 2), ("b", 2)]).await;
    fleet.put(200).await;
    fleet.crash("a").await;
    fleet.put(100).await;
    fleet.drain().await;
    fleet.until_shares(&[("b", 4)]).await;
    fleet.assert_good();
}

/// Blocks its thread for longer than a lease lives without renewal.
struct Blocking {
    oracle: Arc<DeliveryOracle>,
}

#[async_trait]
impl RecordProcessor for Blocking {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        #[expect(clippy::disallowed_methods, reason = "to block the runtime is what it is for")]
        thread::sleep(FAILOVER_TIME * 2);
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_processor_that_blocks_its_thread_keeps_its_lease() {
    let mut fleet = Fleet::new(1).await;
    fleet.put(10).await;
    let oracle = Arc::clone(&fleet.oracle);
    let blocking = move |_: &ShardKey| Blocking { oracle: Arc::clone(&oracle) };
    let settings = WorkerSettings { failover_time: FAILOVER_TIME, ..fleet.settings("a") };
    fleet.start_with(settings, fleet.ports(), blocking);
    fleet.drain().await;
    fleet.stop("a").await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("LeaseLost"), 0);
}

/// Is done with one record of its first batch, and never with the next.
struct Stuck {
    oracle: Arc<DeliveryOracle>,
}

#[async_trait]
impl RecordProcessor for Stuck {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        self.oracle.deliver(&batch.shard, &batch.records[0]);
        pending().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_a_crash_cut_short_is_delivered_again() {
    let mut fleet = Fleet::new(1).await;
    fleet.put(10).await;
    let oracle = Arc::clone(&fleet.oracle);
    let stuck = move |_: &ShardKey| Stuck { oracle: Arc::clone(&oracle) };
    let settings = WorkerSettings { failover_time: FAILOVER_TIME, ..fleet.settings("a") };
    fleet.start_with(settings, fleet.ports(), stuck);
    fleet.until_outstanding("a has begun", 9).await;
    fleet.crash("a").await;
    fleet.start(WorkerSettings { failover_time: FAILOVER_TIME, ..fleet.settings("b") });
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 1, "the one record that a was done with");
}
