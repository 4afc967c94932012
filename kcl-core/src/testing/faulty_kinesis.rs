use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::Fault;
use super::faulty_subscription::FaultySubscription;
use crate::error::Result;
use crate::model::{ConsumerArn, ShardKey, StreamArn, StreamId, Timestamp};
use crate::stream::{
    ConsumerDescription, ConsumerRef, GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator, ShardPage,
    ShardPageRequest, StreamDescription, Subscription,
};

/// A call on its way to Kinesis.
#[derive(Debug, Clone, Copy)]
pub enum KinesisCall<'a> {
    /// [`Kinesis::list_shards`].
    ListShards(&'a StreamId),
    /// [`Kinesis::get_shard_iterator`].
    GetShardIterator(&'a ShardKey, &'a IteratorPosition),
    /// [`Kinesis::get_records`].
    GetRecords(&'a ShardIterator),
    /// [`Kinesis::subscribe_to_shard`].
    SubscribeToShard(&'a ShardKey, &'a IteratorPosition),
    /// [`Subscription::next_event`] of a subscription to this shard: asked once for each event, however often its wait is
    /// dropped and begun again.
    NextEvent(&'a ShardKey),
    /// [`Kinesis::describe_stream`].
    DescribeStream(&'a StreamId),
    /// [`Kinesis::register_consumer`] with this name.
    RegisterConsumer(&'a str),
    /// [`Kinesis::describe_consumer`].
    DescribeConsumer(&'a ConsumerRef),
    /// [`Kinesis::deregister_consumer`].
    DeregisterConsumer(&'a ConsumerArn),
}

/// A Kinesis that fails as a network makes it fail, call by call, as a function decides.
pub struct FaultyKinesis {
    inner: Arc<dyn Kinesis>,
    decide: Arc<Decide>,
}

pub(super) type Decide = dyn Fn(KinesisCall<'_>) -> Fault + Send + Sync;

impl FaultyKinesis {
    /// Passes calls on to `inner`, except as `decide` says.
    pub fn new(
        inner: Arc<dyn Kinesis>,
        decide: impl Fn(KinesisCall<'_>) -> Fault + Send + Sync + 'static,
    ) -> Self {
        Self { inner, decide: Arc::new(decide) }
    }
}

#[async_trait]
impl Kinesis for FaultyKinesis {
    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn stream_arn(&self, stream: &StreamId) -> Option<StreamArn> {
        self.inner.stream_arn(stream)
    }

    fn holds_user_records(&self) -> bool {
        self.inner.holds_user_records()
    }

    async fn list_shards(&self, stream: &StreamId, page: &ShardPageRequest) -> Result<ShardPage> {
        let fault = (self.decide)(KinesisCall::ListShards(stream));
        fault.strike(self.inner.list_shards(stream, page)).await
    }

    async fn get_shard_iterator(
        &self,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<ShardIterator> {
        let fault = (self.decide)(KinesisCall::GetShardIterator(shard, position));
        fault.strike(self.inner.get_shard_iterator(shard, position)).await
    }

    async fn get_records(&self, iterator: &ShardIterator, limit: u32) -> Result<GetRecordsOutput> {
        let fault = (self.decide)(KinesisCall::GetRecords(iterator));
        fault.strike(self.inner.get_records(iterator, limit)).await
    }

    async fn describe_stream(&self, stream: &StreamId) -> Result<StreamDescription> {
        let fault = (self.decide)(KinesisCall::DescribeStream(stream));
        fault.strike(self.inner.describe_stream(stream)).await
    }

    async fn subscribe_to_shard(
        &self,
        consumer: &ConsumerArn,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<Box<dyn Subscription>> {
        let fault = (self.decide)(KinesisCall::SubscribeToShard(shard, position));
        let inner = fault.strike(self.inner.subscribe_to_shard(consumer, shard, position)).await?;
        let decide = Arc::clone(&self.decide);
        Ok(Box::new(FaultySubscription::new(inner, shard.clone(), decide)))
    }

    async fn register_consumer(&self, stream: &StreamArn, name: &str) -> Result<ConsumerDescription> {
        let fault = (self.decide)(KinesisCall::RegisterConsumer(name));
        fault.strike(self.inner.register_consumer(stream, name)).await
    }

    async fn describe_consumer(&self, consumer: &ConsumerRef) -> Result<ConsumerDescription> {
        let fault = (self.decide)(KinesisCall::DescribeConsumer(consumer));
        fault.strike(self.inner.describe_consumer(consumer)).await
    }

    async fn deregister_consumer(&self, consumer: &ConsumerArn) -> Result<()> {
        let fault = (self.decide)(KinesisCall::DeregisterConsumer(consumer));
        fault.strike(self.inner.deregister_consumer(consumer)).await
    }
}

impl fmt::Debug for FaultyKinesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyKinesis").field("inner", &self.inner).finish_non_exhaustive()
    }
}
