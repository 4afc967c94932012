use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::Fault;
use crate::error::Result;
use crate::model::{ShardKey, StreamId};
use crate::stream::{GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator, ShardPage, ShardPageToken};

/// A call on its way to Kinesis.
#[derive(Debug, Clone, Copy)]
pub enum KinesisCall<'a> {
    /// [`Kinesis::list_shards`].
    ListShards(&'a StreamId),
    /// [`Kinesis::get_shard_iterator`].
    GetShardIterator(&'a ShardKey, &'a IteratorPosition),
    /// [`Kinesis::get_records`].
    GetRecords(&'a ShardIterator),
}

/// A Kinesis that fails as a network makes it fail, call by call, as a function decides.
pub struct FaultyKinesis {
    inner: Arc<dyn Kinesis>,
    decide: Box<dyn Fn(KinesisCall<'_>) -> Fault + Send + Sync>,
}

impl FaultyKinesis {
    /// Passes calls on to `inner`, except as `decide` says.
    pub fn new(
        inner: Arc<dyn Kinesis>,
        decide: impl Fn(KinesisCall<'_>) -> Fault + Send + Sync + 'static,
    ) -> Self {
        Self { inner, decide: Box::new(decide) }
    }
}

#[async_trait]
impl Kinesis for FaultyKinesis {
    async fn list_shards(&self, stream: &StreamId, page: Option<&ShardPageToken>) -> Result<ShardPage> {
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
}

impl fmt::Debug for FaultyKinesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyKinesis").field("inner", &self.inner).finish_non_exhaustive()
    }
}
