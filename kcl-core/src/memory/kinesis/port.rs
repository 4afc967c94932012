use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryKinesis;
use super::arn::stream_of;
use super::errors::refused;
use super::iterator_token::IteratorToken;
use super::subscription::MemorySubscription;
use crate::error::Result;
use crate::model::{ConsumerArn, ShardKey, StreamArn, StreamId, Timestamp};
use crate::stream::{
    ConsumerDescription, ConsumerRef, GET_RECORDS_MAX, GetRecordsOutput, IteratorPosition, Kinesis,
    ShardIterator, ShardPage, ShardPageRequest, StreamDescription, Subscription,
};

#[async_trait]
impl Kinesis for MemoryKinesis {
    fn now(&self) -> Timestamp {
        self.now()
    }

    fn stream_arn(&self, stream: &StreamId) -> Option<StreamArn> {
        self.service.with_stream(stream, |stream, _| Ok(stream.arn().clone())).ok()
    }

    async fn describe_stream(&self, stream: &StreamId) -> Result<StreamDescription> {
        self.service.with_stream(stream, |stream, now| Ok(stream.describe(now)))
    }

    async fn list_shards(&self, stream: &StreamId, page: &ShardPageRequest) -> Result<ShardPage> {
        self.service.with_stream(stream, |stream, now| stream.list(page, now))
    }

    async fn get_shard_iterator(
        &self,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<ShardIterator> {
        self.service.with_stream(&shard.stream, |stream, now| stream.iterator(&shard.shard_id, position, now))
    }

    async fn get_records(&self, iterator: &ShardIterator, limit: u32) -> Result<GetRecordsOutput> {
        let limit = checked_limit(limit)?;
        let token: IteratorToken = iterator.token.parse()?;
        self.service.with_stream(&token.shard.stream, |stream, now| stream.read(&token, limit, now))
    }

    async fn subscribe_to_shard(
        &self,
        consumer: &ConsumerArn,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<Box<dyn Subscription>> {
        let (cursor, news) = self.service.with_stream(&shard.stream, |stream, now| {
            let cursor = stream.subscribe(consumer, &shard.shard_id, position, now)?;
            Ok((cursor, Arc::clone(stream.shard(&shard.shard_id)?.news())))
        })?;
        let service = Arc::clone(&self.service);
        Ok(Box::new(MemorySubscription { service, shard: shard.clone(), cursor, news }))
    }

    async fn register_consumer(&self, stream: &StreamArn, name: &str) -> Result<ConsumerDescription> {
        self.service.with_stream_of_arn(stream, |stream, now| stream.consumers.register(name, now))
    }

    async fn describe_consumer(&self, consumer: &ConsumerRef) -> Result<ConsumerDescription> {
        let stream = match consumer {
            ConsumerRef::Arn(arn) => stream_of(arn)?,
            ConsumerRef::Name { stream, .. } => stream.clone(),
        };
        self.service.with_stream_of_arn(&stream, |stream, now| stream.consumers.describe(consumer, now))
    }

    async fn deregister_consumer(&self, consumer: &ConsumerArn) -> Result<()> {
        self.service.with_stream_of_arn(&stream_of(consumer)?, |stream, now| {
            for shard in stream.consumers.deregister(consumer, now)? {
                // A shard that retention has taken has no subscription to wake.
                stream.shard(&shard).iter().for_each(|shard| shard.news().notify_waiters());
            }
            Ok(())
        })
    }
}

fn checked_limit(limit: u32) -> Result<usize> {
    match usize::try_from(limit) {
        Ok(checked) if (1..=GET_RECORDS_MAX).contains(&limit) => Ok(checked),
        _ => Err(refused(format!("a limit of {limit} records is not allowed; use 1 to {GET_RECORDS_MAX}"))),
    }
}
