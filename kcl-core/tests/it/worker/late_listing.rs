//! A list of shards that is a moment old.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::model::{InitialPosition, Shard, ShardKey, StreamId, Timestamp};
use kcl_core::stream::{
    GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator, ShardPage, ShardPageToken,
};
use kcl_core::testing::{Fault, KinesisCall};
use kcl_core::worker::Ports;
use kcl_core::{Result, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, faulty_kinesis, secs, shard_id};

/// Shows shards as they were a while ago.
#[derive(Debug)]
struct LateListing {
    inner: Arc<dyn Kinesis>,
    late: Duration,
    history: Mutex<Vec<(Instant, Vec<Shard>)>>,
}

#[async_trait]
impl Kinesis for LateListing {
    fn now(&self) -> Timestamp {
        self.inner.now()
    }
    async fn list_shards(&self, _: &StreamId, _: Option<&ShardPageToken>) -> Result<ShardPage> {
        let history = self.history.lock().unwrap();
        let now = Instant::now();
        let old = history.iter().rev().find(|(at, _)| *at + self.late <= now).unwrap_or(&history[0]);
        Ok(ShardPage { shards: old.1.clone(), next: None })
    }
    async fn get_shard_iterator(
        &self,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<ShardIterator> {
        self.inner.get_shard_iterator(shard, position).await
    }
    async fn get_records(&self, iterator: &ShardIterator, limit: u32) -> Result<GetRecordsOutput> {
        self.inner.get_records(iterator, limit).await
    }
}

#[tokio::test(start_paused = true)]
async fn children_start_soon_though_the_listing_is_two_seconds_late() {
    let mut fleet = Fleet::new(1);
    let late =
        Arc::new(LateListing { inner: fleet.ports().kinesis, late: secs(2), history: Mutex::default() });
    late.history.lock().unwrap().push((Instant::now(), fleet.kinesis.shards(&fleet.stream).unwrap()));
    let kinesis: Arc<dyn Kinesis> = Arc::<LateListing>::clone(&late);
    fleet.start_with("a", fleet.settings("a"), Ports { kinesis, ..fleet.ports() }, fleet.recorder());
    sleep(secs(5)).await;
    fleet.split(&shard_id(0));
    late.history.lock().unwrap().push((Instant::now(), fleet.kinesis.shards(&fleet.stream).unwrap()));
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
