//! Shards whose processors hang hold up no other shard and no call, although all their events are there to be read.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use integration_tests::wire::Transport;
use kcl_core::WorkerSettings;
use kcl_core::model::{ShardId, ShardKey};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor};
use kcl_core::testing::DeliveryOracle;
use tokio::sync::watch;

use super::wire_fleet::{TRANSPORTS, WireFleet, by_fan_out};
use crate::backend::until;
use crate::wire::world::quick;

const SLOW: usize = 8;

const RECORD_BYTES: usize = 200 * 1024;

/// Eight times so many would fill the window of a connection several times over.
const RECORDS_PER_SLOW_SHARD: usize = 30;

const LIVE_RECORDS: usize = 40;

/// Hangs on all shards before one until it is let go.
struct Gate {
    oracle: Arc<DeliveryOracle>,
    live: ShardId,
    open: watch::Receiver<bool>,
}

#[async_trait]
impl RecordProcessor for Gate {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        // The children of the live shard come after it in the order of ids.
        if batch.shard.shard_id < self.live {
            let _opened = self.open.wait_for(|open| *open).await;
        }
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        Ok(())
    }
}

/// Puts a record with this many bytes into a shard.
fn put(fleet: &WireFleet, shard_id: &ShardId, bytes: usize) {
    let shards = fleet.front().kinesis().shards(&fleet.stream).unwrap();
    let range = shards.iter().find(|shard| shard.shard_id == *shard_id).unwrap().hash_key_range;
    let (key, data) = (shard_id.as_str(), Bytes::from(vec![b'.'; bytes]));
    let put = fleet.front().kinesis().put_record(&fleet.stream, key, Some(range.start), data).unwrap();
    fleet.oracle.put(key, &put.shard_id, &put.sequence_number);
}

async fn slow_shards_hold_up_nothing(transport: Transport) {
    let mut fleet = WireFleet::over(quick(), transport, SLOW + 1).await;
    let mut slow = fleet.shard_ids().await;
    let live = slow.pop().unwrap();
    for shard_id in &slow {
        for _ in 0..RECORDS_PER_SLOW_SHARD {
            put(&fleet, shard_id, RECORD_BYTES);
        }
    }
    let backlog = fleet.oracle.outstanding();
    let (oracle, (release, open)) = (Arc::clone(&fleet.oracle), watch::channel(false));
    let of_live = live.clone();
    let gate =
        move |_: &ShardKey| Gate { oracle: Arc::clone(&oracle), live: of_live.clone(), open: open.clone() };
    let settings = WorkerSettings { fetch_bytes_max: 4 * 1024 * 1024, ..by_fan_out(fleet.settings("a")) };
    fleet.start_with(settings, fleet.ports(), gate);
    until("all shards are subscribed to", || async { fleet.subscribes() > SLOW }).await;

    for _ in 0..LIVE_RECORDS {
        put(&fleet, &live, 100);
        fleet.until_outstanding("the live shard is read", backlog).await;
    }
    // A call, and subscriptions that are new.
    let children = fleet.split(&live).await;
    for child in &children {
        put(&fleet, child, 100);
    }
    fleet.until_outstanding("the children of the live shard are read", backlog).await;
    // What nobody reads is not kept open.
    let given_up = || async { fleet.counts().open_streams == children.len() };
    until("the subscriptions of the slow shards are given up", given_up).await;

    release.send(true).unwrap();
    fleet.drain().await;
    fleet.stop("a").await;
    assert_eq!(fleet.assert_good(), 0, "{transport:?}");
    assert_eq!(fleet.count_events("ReadFailed"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_whose_processors_hang_hold_up_no_other_and_no_call() {
    for transport in TRANSPORTS {
        slow_shards_hold_up_nothing(transport).await;
    }
}
