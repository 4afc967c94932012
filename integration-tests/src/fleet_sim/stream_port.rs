use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use kcl_core::Result;
use kcl_core::memory::MemoryKinesis;
use kcl_core::model::{ConsumerArn, ShardKey, StreamArn, StreamId, Timestamp};
use kcl_core::stream::{
    ConsumerDescription, ConsumerRef, GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator, ShardPage,
    ShardPageRequest, StreamDescription, Subscription, SubscriptionEvent,
};
use tokio::time::sleep;

use super::fact::Service;
use super::link::Link;

/// The stream as one process reaches it: with latency, and from behind partitions.
#[derive(Debug)]
pub(super) struct StreamPort {
    kinesis: Arc<MemoryKinesis>,
    link: Arc<Link>,
}

impl StreamPort {
    /// The stream at the other end of `link`.
    pub(super) fn new(kinesis: Arc<MemoryKinesis>, link: Arc<Link>) -> Self {
        Self { kinesis, link }
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        sleep(self.link.latency()).await;
        if self.link.is_cut(Service::Stream) {
            return pending().await;
        }
        call.await
    }
}

#[async_trait]
impl Kinesis for StreamPort {
    fn now(&self) -> Timestamp {
        self.kinesis.now()
    }

    async fn list_shards(&self, stream: &StreamId, page: &ShardPageRequest) -> Result<ShardPage> {
        self.call(self.kinesis.list_shards(stream, page)).await
    }

    async fn get_shard_iterator(
        &self,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<ShardIterator> {
        self.call(self.kinesis.get_shard_iterator(shard, position)).await
    }

    async fn get_records(&self, iterator: &ShardIterator, limit: u32) -> Result<GetRecordsOutput> {
        self.call(self.kinesis.get_records(iterator, limit)).await
    }

    async fn describe_stream(&self, stream: &StreamId) -> Result<StreamDescription> {
        self.call(self.kinesis.describe_stream(stream)).await
    }

    async fn subscribe_to_shard(
        &self,
        consumer: &ConsumerArn,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<Box<dyn Subscription>> {
        let inner = self.call(self.kinesis.subscribe_to_shard(consumer, shard, position)).await?;
        Ok(Box::new(PortSubscription { inner, link: Arc::clone(&self.link) }))
    }

    async fn register_consumer(&self, stream: &StreamArn, name: &str) -> Result<ConsumerDescription> {
        self.call(self.kinesis.register_consumer(stream, name)).await
    }

    async fn describe_consumer(&self, consumer: &ConsumerRef) -> Result<ConsumerDescription> {
        self.call(self.kinesis.describe_consumer(consumer)).await
    }

    async fn deregister_consumer(&self, consumer: &ConsumerArn) -> Result<()> {
        self.call(self.kinesis.deregister_consumer(consumer)).await
    }
}

/// A subscription as one process reaches it. What is sent while the process is cut off never arrives.
#[derive(Debug)]
struct PortSubscription {
    inner: Box<dyn Subscription>,
    link: Arc<Link>,
}

#[async_trait]
impl Subscription for PortSubscription {
    async fn next_event(&mut self) -> Result<Option<SubscriptionEvent>> {
        let event = self.inner.next_event().await;
        if self.link.is_cut(Service::Stream) {
            return pending().await;
        }
        event
    }
}
