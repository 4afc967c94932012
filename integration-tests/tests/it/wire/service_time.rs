use std::sync::Arc;

use async_trait::async_trait;
use kcl_core::Result;
use kcl_core::aws::AwsKinesis;
use kcl_core::memory::MemoryKinesis;
use kcl_core::model::{ConsumerArn, ShardKey, StreamArn, StreamId, Timestamp};
use kcl_core::stream::{
    ConsumerDescription, ConsumerRef, GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator, ShardPage,
    ShardPageRequest, StreamDescription, Subscription,
};

/// The adapter on a host whose clock agrees with the service's, which need not be that of this host.
#[derive(Debug)]
pub(crate) struct ServiceTime {
    pub(crate) adapter: AwsKinesis,
    pub(crate) service: Arc<MemoryKinesis>,
}

#[async_trait]
impl Kinesis for ServiceTime {
    fn now(&self) -> Timestamp {
        self.service.now()
    }

    async fn describe_stream(&self, stream: &StreamId) -> Result<StreamDescription> {
        self.adapter.describe_stream(stream).await
    }

    async fn list_shards(&self, stream: &StreamId, page: &ShardPageRequest) -> Result<ShardPage> {
        self.adapter.list_shards(stream, page).await
    }

    async fn get_shard_iterator(
        &self,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<ShardIterator> {
        self.adapter.get_shard_iterator(shard, position).await
    }

    async fn get_records(&self, iterator: &ShardIterator, limit: u32) -> Result<GetRecordsOutput> {
        self.adapter.get_records(iterator, limit).await
    }

    async fn subscribe_to_shard(
        &self,
        consumer: &ConsumerArn,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<Box<dyn Subscription>> {
        self.adapter.subscribe_to_shard(consumer, shard, position).await
    }

    async fn register_consumer(&self, stream: &StreamArn, name: &str) -> Result<ConsumerDescription> {
        self.adapter.register_consumer(stream, name).await
    }

    async fn describe_consumer(&self, consumer: &ConsumerRef) -> Result<ConsumerDescription> {
        self.adapter.describe_consumer(consumer).await
    }

    async fn deregister_consumer(&self, consumer: &ConsumerArn) -> Result<()> {
        self.adapter.deregister_consumer(consumer).await
    }
}
