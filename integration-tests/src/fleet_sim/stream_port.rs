use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use kcl_core::Result;
use kcl_core::memory::MemoryKinesis;
use kcl_core::model::{ShardKey, StreamId, Timestamp};
use kcl_core::stream::{
    GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator, ShardPage, ShardPageToken,
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

    async fn list_shards(&self, stream: &StreamId, page: Option<&ShardPageToken>) -> Result<ShardPage> {
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
}
