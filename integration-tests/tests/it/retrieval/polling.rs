//! Polling with the service's limits, a rival that uses them up, and answers that fail.

use std::sync::Arc;
use std::time::Duration;

use integration_tests::wire::WireFault;
use kcl_core::memory::{MemoryKinesisLimits, MemoryKinesisSettings};
use kcl_core::model::ShardKey;
use kcl_core::stream::{GET_RECORDS_MAX, IteratorPosition, Kinesis};

use super::wire_fleet::{TRANSPORTS, WireFleet};
use crate::backend::until;
use crate::wire::world::quick;

/// Leaves the worker less than its own rhythm needs, but something.
const RIVAL_INTERVAL: Duration = Duration::from_millis(250);

/// Somebody else who polls the shard.
async fn rival(kinesis: &dyn Kinesis, shard: ShardKey) {
    loop {
        let iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::TrimHorizon).await;
        if let Ok(iterator) = iterator {
            let _read_or_throttled = kinesis.get_records(&iterator, GET_RECORDS_MAX).await;
        }
        tokio::time::sleep(RIVAL_INTERVAL).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_throttled_and_failed_reads_everything_through_a_reshard() {
    let read = async |transport| {
        let settings = MemoryKinesisSettings { limits: MemoryKinesisLimits::of_reads(), ..quick() };
        let mut fleet = WireFleet::over(settings, transport, 2).await;
        fleet.front().inject(|call| match (call.operation, call.nth % 16) {
            ("GetRecords", 3) => WireFault::Refuse(500, "InternalFailure"),
            ("GetRecords", 6) => WireFault::Refuse(503, "ServiceUnavailable"),
            ("GetRecords", 9) => WireFault::Refuse(400, "ExpiredIteratorException"),
            ("GetRecords", 12) | ("GetShardIterator" | "ListShards", 1) => WireFault::DropConnection,
            ("GetShardIterator", 0) => WireFault::Refuse(400, "ProvisionedThroughputExceededException"),
            _ => WireFault::None,
        });
        let shards = fleet.shard_ids().await;
        let kinesis = Arc::clone(fleet.front().kinesis());
        let shard = ShardKey::new(fleet.stream.clone(), shards[0].clone());
        let rival = tokio::spawn(async move { rival(&*kinesis, shard).await });
        fleet.start(fleet.small_reads("a"));
        fleet.start(fleet.small_reads("b"));
        fleet.put(100).await;
        until("the rival came in the way", || async { fleet.count_events("Throttled") >= 3 }).await;
        rival.abort();
        fleet.split(&shards[0]).await;
        fleet.put(100).await;
        fleet.drain().await;
        fleet.stop("a").await;
        fleet.stop("b").await;
        assert_eq!(fleet.assert_good(), 0, "{transport:?}");
    };
    let [plain, tls] = TRANSPORTS;
    tokio::join!(read(plain), read(tls));
}
