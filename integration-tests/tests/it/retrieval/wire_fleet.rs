//! A fleet of workers in front of a strict Kinesis of ours.

use std::sync::Arc;

use bytes::Bytes;
use integration_tests::wire::{Transport, WireCounts, WireFront};
use kcl_core::WorkerSettings;
use kcl_core::aws::AwsKinesis;
use kcl_core::lease::LeaseStore;
use kcl_core::memory::{MemoryKinesisSettings, MemoryLeaseStore};
use kcl_core::model::{SequenceNumber, Shard, ShardId, StreamId};
use kcl_core::stream::{FanOutConsumer, FanOutSettings, Kinesis, Retrieval};
use kcl_core::worker::Ports;

use crate::fleet::{Fleet, Service};
use crate::wire::world::Wire;

pub(super) const TRANSPORTS: [Transport; 2] = [Transport::Plain, Transport::Tls];

pub(super) type WireFleet = Fleet<WireService>;

/// The adapter to Kinesis over real sockets, and leases in memory.
pub(super) struct WireService {
    pub(super) wire: Wire,
    /// What workers read by.
    pub(super) adapter: Arc<dyn Kinesis>,
    leases: Arc<dyn LeaseStore>,
}

impl WireService {
    fn front(&self) -> &WireFront {
        &self.wire.front
    }
}

impl Service for WireService {
    fn ports(&self, _: &StreamId) -> Ports {
        Ports { kinesis: Arc::clone(&self.adapter), leases: Arc::clone(&self.leases) }
    }

    async fn put(&self, stream: &StreamId, partition_key: &str, data: &[u8]) -> (ShardId, SequenceNumber) {
        let data = Bytes::copy_from_slice(data);
        let put = self.front().kinesis().put_record(stream, partition_key, None, data).unwrap();
        (put.shard_id, put.sequence_number)
    }

    async fn shards(&self, stream: &StreamId) -> Vec<Shard> {
        self.front().kinesis().shards(stream).unwrap()
    }

    async fn split(&self, stream: &StreamId, shard_id: &ShardId) -> Vec<Shard> {
        let mut shards = self.shards(stream).await;
        let range = shards.iter().find(|shard| shard.shard_id == *shard_id).unwrap().hash_key_range;
        let middle = range.start + (range.end - range.start) / 2 + 1;
        self.front().kinesis().split_shard(stream, shard_id, middle).unwrap();
        shards = self.shards(stream).await;
        shards.retain(|shard| shard.parents().any(|id| id == shard_id));
        shards
    }
}

impl WireFleet {
    /// A stream of `shards` shards in a Kinesis with these settings, and no worker.
    pub(super) async fn over(settings: MemoryKinesisSettings, transport: Transport, shards: usize) -> Self {
        Self::read_by(Wire::with(settings, transport).await, Wire::kinesis, shards)
    }

    /// The same, with an adapter of the test's own choice.
    pub(super) fn read_by(wire: Wire, adapter: impl FnOnce(&Wire) -> AwsKinesis, shards: usize) -> Self {
        let stream = wire.create_stream(shards);
        let adapter = Arc::new(adapter(&wire));
        Self::on(WireService { wire, adapter, leases: Arc::new(MemoryLeaseStore::default()) }, stream)
    }

    pub(super) fn front(&self) -> &WireFront {
        self.backend.front()
    }

    pub(super) fn counts(&self) -> WireCounts {
        self.front().counts()
    }

    pub(super) fn subscribes(&self) -> usize {
        self.counts().calls("SubscribeToShard")
    }

    /// Fails if the worker opened more connections than one for each subscription and a few for its other calls: a client
    /// over HTTP/1.1 opens one more whenever two calls meet.
    pub(super) fn assert_no_storm_of_connections(&self, what: &str) {
        const FOR_OTHER_CALLS: usize = 4;
        let counts = self.counts();
        assert!(
            counts.connections <= counts.calls("SubscribeToShard") + FOR_OTHER_CALLS,
            "{what}: {counts:?}"
        );
    }
}

/// By the consumer that all workers of the test share.
pub(crate) fn by_fan_out(settings: WorkerSettings) -> WorkerSettings {
    let consumer = FanOutConsumer::Named("billing".to_owned());
    WorkerSettings { retrieval: Retrieval::FanOut(FanOutSettings::new(consumer)), ..settings }
}
