//! A Kinesis of which something else is shown than what it says.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kcl_core::Result;
use kcl_core::model::{ConsumerArn, Record, Shard, ShardKey, StreamArn, StreamId, Timestamp};
use kcl_core::stream::{
    ConsumerDescription, ConsumerRef, GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator, ShardPage,
    ShardPageRequest, StreamDescription, Subscription, SubscriptionEvent,
};
use kcl_core::worker::Ports;

use super::fleet::Fleet;

/// Shows what the functions make of shards and of records; passes everything else on.
struct Shown {
    inner: Arc<dyn Kinesis>,
    shards: Box<dyn Fn(Vec<Shard>) -> Vec<Shard> + Send + Sync>,
    records: Arc<dyn Fn(Vec<Record>) -> Vec<Record> + Send + Sync>,
}

/// The fleet's backend, with `show` between the list of shards and the worker.
pub(super) fn showing_shards(
    fleet: &Fleet,
    show: impl Fn(Vec<Shard>) -> Vec<Shard> + Send + Sync + 'static,
) -> Ports {
    let inner = fleet.ports().kinesis;
    let kinesis = Shown { inner, shards: Box::new(show), records: Arc::new(|records| records) };
    Ports { kinesis: Arc::new(kinesis), ..fleet.ports() }
}

/// The backend, with `show` between the records and the worker.
pub(super) fn showing_records(
    ports: Ports,
    show: impl Fn(Vec<Record>) -> Vec<Record> + Send + Sync + 'static,
) -> Ports {
    let kinesis = Shown { inner: ports.kinesis, shards: Box::new(|shards| shards), records: Arc::new(show) };
    Ports { kinesis: Arc::new(kinesis), ..ports }
}

/// A subscription of which the records are shown.
struct ShownSubscription {
    inner: Box<dyn Subscription>,
    records: Arc<dyn Fn(Vec<Record>) -> Vec<Record> + Send + Sync>,
}

#[async_trait]
impl Subscription for ShownSubscription {
    async fn next_event(&mut self) -> Result<Option<SubscriptionEvent>> {
        let event = self.inner.next_event().await?;
        Ok(event.map(|event| SubscriptionEvent { records: (self.records)(event.records), ..event }))
    }
}

#[async_trait]
impl Kinesis for Shown {
    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    async fn list_shards(&self, stream: &StreamId, page: &ShardPageRequest) -> Result<ShardPage> {
        let ShardPage { shards, next } = self.inner.list_shards(stream, page).await?;
        Ok(ShardPage { shards: (self.shards)(shards), next })
    }

    async fn get_shard_iterator(
        &self,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<ShardIterator> {
        self.inner.get_shard_iterator(shard, position).await
    }

    async fn get_records(&self, iterator: &ShardIterator, limit: u32) -> Result<GetRecordsOutput> {
        let output = self.inner.get_records(iterator, limit).await?;
        Ok(GetRecordsOutput { records: (self.records)(output.records), ..output })
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
        let inner = self.inner.subscribe_to_shard(consumer, shard, position).await?;
        Ok(Box::new(ShownSubscription { inner, records: Arc::clone(&self.records) }))
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

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl fmt::Debug for ShownSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownSubscription")
    }
}
