use async_trait::async_trait;

use super::MemoryKinesis;
use super::iterator_token::IteratorToken;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{ShardId, ShardKey, StreamId};
use crate::stream::{
    GET_RECORDS_MAX, GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator, ShardPage, ShardPageToken,
};

#[async_trait]
impl Kinesis for MemoryKinesis {
    async fn list_shards(&self, stream: &StreamId, page: Option<&ShardPageToken>) -> Result<ShardPage> {
        let listed = page.map(|token| last_listed(stream, token)).transpose()?;
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
