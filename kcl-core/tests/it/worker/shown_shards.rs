//! A Kinesis whose list of shards is not as it should be.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kcl_core::Result;
use kcl_core::model::{ConsumerArn, Shard, ShardKey, StreamArn, StreamId, Timestamp};
use kcl_core::stream::{
    ConsumerDescription, ConsumerRef, GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator, ShardPage,
    ShardPageRequest, StreamDescription, Subscription,
};
use kcl_core::worker::Ports;

use super::fleet::Fleet;

/// Shows what `show` makes of the list; passes everything else on.
struct ShownShards<F> {
    inner: Arc<dyn Kinesis>,
    show: F,
}

/// The fleet's backend, with `show` between the list of shards and the worker.
pub(super) fn showing_shards(
    fleet: &Fleet,
    show: impl Fn(Vec<Shard>) -> Vec<Shard> + Send + Sync + 'static,
) -> Ports {
    let ports = fleet.ports();
    Ports { kinesis: Arc::new(ShownShards { inner: ports.kinesis, show }), ..fleet.ports() }
}

#[async_trait]
impl<F: Fn(Vec<Shard>) -> Vec<Shard> + Send + Sync + 'static> Kinesis for ShownShards<F> {
    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    async fn list_shards(&self, stream: &StreamId, page: &ShardPageRequest) -> Result<ShardPage> {
        let ShardPage { shards, next } = self.inner.list_shards(stream, page).await?;
        Ok(ShardPage { shards: (self.show)(shards), next })
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

    async fn describe_stream(&self, stream: &StreamId) -> Result<StreamDescription> {
        self.inner.describe_stream(stream).await
    }

    async fn subscribe_to_shard(
        &self,
        consumer: &ConsumerArn,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<Box<dyn Subscription>> {
        self.inner.subscribe_to_shard(consumer, shard, position).await
    }

    async fn register_consumer(&self, stream: &StreamArn, name: &str) -> Result<ConsumerDescription> {
        self.inner.register_consumer(stream, name).await
    }

    async fn describe_consumer(&self, consumer: &ConsumerRef) -> Result<ConsumerDescription> {
        self.inner.describe_consumer(consumer).await
    }

    async fn deregister_consumer(&self, consumer: &ConsumerArn) -> Result<()> {
        self.inner.deregister_consumer(consumer).await
    }
}

impl<F> fmt::Debug for ShownShards<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownShards")
    }
}
