use async_trait::async_trait;

use super::MemoryKinesis;
use super::iterator_token::IteratorToken;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{ConsumerArn, ShardId, ShardKey, StreamArn, StreamId, Timestamp};
use crate::stream::{
    ConsumerDescription, ConsumerRef, GET_RECORDS_MAX, GetRecordsOutput, IteratorPosition, Kinesis,
    ShardIterator, ShardPage, ShardPageRequest, ShardPageToken, StreamDescription, Subscription,
};

#[async_trait]
impl Kinesis for MemoryKinesis {
    fn now(&self) -> Timestamp {
        self.now()
    }

    async fn list_shards(&self, stream: &StreamId, page: &ShardPageRequest) -> Result<ShardPage> {
        let listed = match page {
            ShardPageRequest::First(_) => None,
            ShardPageRequest::Next(token) => Some(last_listed(stream, token)?),
        };
        self.with_stream(stream, |state, _| {
            let mut rest = state.listings(listed.as_ref());
            let shards: Vec<_> = rest.by_ref().take(self.shards_per_page()).cloned().collect();
            let more = rest.next().is_some();
            let next = shards.last().filter(|_| more).map(|last| page_token(stream, &last.shard_id));
            Ok(ShardPage { shards, next })
        })
    }

    async fn get_shard_iterator(
        &self,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<ShardIterator> {
        self.with_stream(&shard.stream, |stream, now| stream.iterator(&shard.shard_id, position, now))
    }

    async fn get_records(&self, iterator: &ShardIterator, limit: u32) -> Result<GetRecordsOutput> {
        let limit = checked_limit(limit)?;
        let token: IteratorToken = iterator.token.parse()?;
        self.with_stream(&token.shard.stream, |stream, now| {
            token.check_age(now)?;
            stream.read(&token, limit, now)
        })
    }

    async fn describe_stream(&self, _stream: &StreamId) -> Result<StreamDescription> {
        Err(Error::new(ErrorKind::Refused, "not there yet"))
    }

    async fn subscribe_to_shard(
        &self,
        _consumer: &ConsumerArn,
        _shard: &ShardKey,
        _position: &IteratorPosition,
    ) -> Result<Box<dyn Subscription>> {
        Err(Error::new(ErrorKind::Refused, "not there yet"))
    }

    async fn register_consumer(&self, _stream: &StreamArn, _name: &str) -> Result<ConsumerDescription> {
        Err(Error::new(ErrorKind::Refused, "not there yet"))
    }

    async fn describe_consumer(&self, _consumer: &ConsumerRef) -> Result<ConsumerDescription> {
        Err(Error::new(ErrorKind::Refused, "not there yet"))
    }

    async fn deregister_consumer(&self, _consumer: &ConsumerArn) -> Result<()> {
        Err(Error::new(ErrorKind::Refused, "not there yet"))
    }
}

fn checked_limit(limit: u32) -> Result<usize> {
    match usize::try_from(limit) {
        Ok(checked) if (1..=GET_RECORDS_MAX).contains(&limit) => Ok(checked),
        _ => Err(refused(format!("a limit of {limit} records is not allowed; use 1 to {GET_RECORDS_MAX}"))),
    }
}

/// A page token names the stream and the last shard of the page before.
fn page_token(stream: &StreamId, last: &ShardId) -> ShardPageToken {
    ShardPageToken(format!("{stream}/{last}"))
}

fn last_listed(stream: &StreamId, token: &ShardPageToken) -> Result<ShardId> {
    match token.0.split_once('/') {
        Some((of, last)) if of == stream.to_string() => Ok(ShardId::new(last)),
        _ => Err(refused(format!("'{}' is not a page token of stream '{stream}'", token.0))),
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Refused, message)
}
