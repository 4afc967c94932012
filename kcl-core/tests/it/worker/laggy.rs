//! Ports that take their time, or answer from the past.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::Result;
use kcl_core::lease::{Conditional, Consistency, Lease, LeaseChange, LeaseStore};
use kcl_core::model::{ShardKey, StreamId, Timestamp};
use kcl_core::stream::{
    GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator, ShardPage, ShardPageToken,
};
use tokio::time::{Instant, sleep};

/// Half the latency before the call takes effect, half after; eventual scans show the table as it was `stale` ago.
#[derive(Debug)]
pub(super) struct LaggyStore {
    inner: Arc<dyn LeaseStore>,
    latency: Duration,
    stale: Duration,
    history: Mutex<History>,
}

impl LaggyStore {
    pub(super) fn new(inner: Arc<dyn LeaseStore>, latency: Duration, stale: Duration) -> Self {
        Self { inner, latency, stale, history: Mutex::default() }
    }
    async fn lag(&self) {
        if !self.latency.is_zero() {
            sleep(self.latency / 2).await;
        }
    }
    /// Remembers the table as it is now.
    async fn snapshot(&self) {
        let rows = self.inner.list(Consistency::Strong).await.unwrap_or_default();
        self.history.lock().unwrap().push_back((Instant::now(), rows));
    }
}

/// Tables of the past, the newest last.
type History = VecDeque<(Instant, Vec<Lease>)>;

#[async_trait]
impl LeaseStore for LaggyStore {
    async fn prepare(&self) -> Result<()> {
        self.inner.prepare().await
    }
    async fn list(&self, consistency: Consistency) -> Result<Vec<Lease>> {
        self.lag().await;
        let now = Instant::now();
        let rows = self.inner.list(consistency).await;
        let rows = if consistency == Consistency::Eventual && !self.stale.is_zero() {
            let history = self.history.lock().unwrap();
            let old =
                history.iter().rev().find(|(at, _)| *at + self.stale <= now).map(|(_, rows)| rows.clone());
            Ok(old.unwrap_or_default())
        } else {
            rows
        };
        self.lag().await;
        rows
    }
    async fn get(&self, shard: &ShardKey) -> Result<Option<Lease>> {
        self.lag().await;
        let out = self.inner.get(shard).await;
        self.lag().await;
        out
    }
    async fn create(&self, lease: &Lease) -> Result<Conditional> {
        self.lag().await;
        let out = self.inner.create(lease).await;
        self.snapshot().await;
        self.lag().await;
        out
    }
    async fn update(&self, seen: &Lease, change: &LeaseChange) -> Result<Conditional> {
        self.lag().await;
        let out = self.inner.update(seen, change).await;
        self.snapshot().await;
        self.lag().await;
        out
    }
    async fn delete(&self, seen: &Lease) -> Result<bool> {
        self.lag().await;
        let out = self.inner.delete(seen).await;
        self.snapshot().await;
        self.lag().await;
        out
    }
}

/// `ListShards` takes its time.
#[derive(Debug)]
pub(super) struct SlowListing {
    pub(super) inner: Arc<dyn Kinesis>,
    pub(super) delay: Duration,
}

#[async_trait]
impl Kinesis for SlowListing {
    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    async fn list_shards(&self, stream: &StreamId, page: Option<&ShardPageToken>) -> Result<ShardPage> {
        let out = self.inner.list_shards(stream, page).await;
        sleep(self.delay).await;
        out
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
}
