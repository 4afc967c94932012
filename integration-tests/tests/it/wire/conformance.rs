//! The adapter keeps the suite in front of a Kinesis that is as strict as the service, on both versions of HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use integration_tests::wire::{Transport, WireFront};
use kcl_core::Result;
use kcl_core::memory::{MemoryFanOutSettings, MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings};
use kcl_core::model::{SequenceNumber, ShardId, StreamId};
use kcl_core::stream::Kinesis;
use kcl_core::testing::kinesis_suite::{self, KinesisFixture};
use kcl_core::testing::run_suite;
use tokio::time::Instant;

use super::service_time::ServiceTime;
use super::world::Wire;

#[tokio::test]
async fn the_adapter_keeps_the_suite_over_http_1() {
    keeps_the_suite(Transport::Plain).await;
}

#[tokio::test]
async fn the_adapter_keeps_the_suite_over_http_2_and_tls() {
    keeps_the_suite(Transport::Tls).await;
}

/// What no adapter to the service can show.
const DEPARTURES: &[(&str, &str)] = &[(
    "a_page_token_of_another_stream_is_refused",
    "a request for the next page carries its token alone, which stands for the stream",
)];

/// Cases that measure how long something takes. What takes minutes runs on a fast clock; what reads megabytes within a
/// second runs on a slow one, since a debug build takes longer than the service.
const OWN_PACES: &[(&str, f64)] = &[
    ("a_subscription_ends_in_good_order_after_five_minutes", FAST),
    ("a_read_returns_ten_mebibytes_and_closes_the_shard_for_five_seconds", SLOW),
];

const FAST: f64 = 10.0;

const USUAL: f64 = 1.0;

const SLOW: f64 = 0.05;

async fn keeps_the_suite(transport: Transport) {
    for (name, _) in OWN_PACES {
        assert!(kinesis_suite::cases().iter().any(|case| case.name == *name), "there is no case '{name}'");
    }
    for (pace, departures) in [(USUAL, DEPARTURES), (FAST, &[]), (SLOW, &[])] {
        let mut cases = kinesis_suite::cases();
        cases.retain(|case| own_pace(case.name).total_cmp(&pace).is_eq());
        let fixture = async || Arc::new(Fixture::start(transport, pace).await) as Arc<dyn KinesisFixture>;
        run_suite(cases, fixture, departures).await;
    }
}

fn own_pace(case: &str) -> f64 {
    OWN_PACES.iter().find(|(name, _)| *name == case).map_or(USUAL, |(_, pace)| *pace)
}

/// The SDK must speak the version of HTTP that the transport is there for.
#[tokio::test]
async fn the_sdk_speaks_http_2_over_tls_and_http_1_without() {
    for (transport, http_2_calls) in [(Transport::Plain, 0), (Transport::Tls, 1)] {
        let fixture = Fixture::start(transport, USUAL).await;
        fixture.kinesis().describe_stream(&fixture.wire.create_stream(1)).await.unwrap();
        assert_eq!(fixture.wire.front.counts().http_2_calls, http_2_calls);
    }
}

/// A Kinesis whose clock runs at a pace of its own, slowly without limits of writes, and jumps ahead when a case lets time go by.
struct Fixture {
    wire: Wire,
    jumped_ms: Arc<AtomicU64>,
}

impl Fixture {
    async fn start(transport: Transport, pace: f64) -> Self {
        let jumped_ms = Arc::new(AtomicU64::default());
        let (jumped, created_at) = (Arc::clone(&jumped_ms), Instant::now());
        let limits =
            if pace < USUAL { MemoryKinesisLimits::of_reads() } else { MemoryKinesisLimits::service() };
        // The service names no interval, and cases wait for several.
        let heartbeat_interval = Duration::from_secs(1);
        let fan_out = MemoryFanOutSettings { heartbeat_interval, ..MemoryFanOutSettings::default() };
        let settings = MemoryKinesisSettings { limits, fan_out, ..MemoryKinesisSettings::default() };
        let elapsed = move || {
            created_at.elapsed().mul_f64(pace) + Duration::from_millis(jumped.load(Ordering::Relaxed))
        };
        let kinesis = Arc::new(MemoryKinesis::with_clock(settings, elapsed));
        Self { wire: Wire { front: WireFront::start(kinesis, transport).await.unwrap() }, jumped_ms }
    }

    fn memory(&self) -> &MemoryKinesis {
        self.wire.front.kinesis()
    }
}

/// The operator's side goes behind the wire: what is under test is the consumer's.
#[async_trait]
impl KinesisFixture for Fixture {
    fn kinesis(&self) -> Arc<dyn Kinesis> {
        let service = Arc::clone(self.wire.front.kinesis());
        Arc::new(ServiceTime { adapter: self.wire.kinesis(), service })
    }

    async fn create_stream(&self, shard_count: usize) -> Result<StreamId> {
        Ok(self.wire.create_stream(shard_count))
    }

    async fn put(
        &self,
        stream: &StreamId,
        partition_key: &str,
        explicit_hash_key: Option<u128>,
        data: Bytes,
    ) -> Result<(ShardId, SequenceNumber)> {
        let output = self.memory().put_record(stream, partition_key, explicit_hash_key, data)?;
        Ok((output.shard_id, output.sequence_number))
    }

    async fn split(&self, stream: &StreamId, shard: &ShardId, new_starting_hash_key: u128) -> Result<()> {
        self.memory().split_shard(stream, shard, new_starting_hash_key).map(drop)
    }

    async fn merge(&self, stream: &StreamId, shard: &ShardId, adjacent: &ShardId) -> Result<()> {
        self.memory().merge_shards(stream, shard, adjacent).map(drop)
    }

    fn patience(&self) -> Duration {
        Duration::MAX
    }

    async fn pass(&self, time: Duration) {
        let time_ms = u64::try_from(time.as_millis()).unwrap();
        self.jumped_ms.fetch_add(time_ms, Ordering::Relaxed);
    }

    fn shards_per_page(&self) -> Option<usize> {
        Some(MemoryKinesisSettings::default().shards_per_page)
    }
}
