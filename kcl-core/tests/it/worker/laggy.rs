//! A lease table that takes its time, and answers from the past.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::Result;
use kcl_core::lease::{Conditional, Consistency, Lease, LeaseChange, LeaseStore};
use kcl_core::model::{ShardKey, WorkerId};
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
        let now = Instant::now();
        let mut history = self.history.lock().unwrap();
        history.push_back((now, rows));
        // The newest that no scan can show is the oldest to keep.
        while history.get(1).is_some_and(|(at, _)| *at + self.stale <= now) {
            history.pop_front();
        }
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

    async fn request(&self, seen: &Lease, by: Option<&WorkerId>) -> Result<Conditional> {
        self.lag().await;
        let out = self.inner.request(seen, by).await;
        self.snapshot().await;
        self.lag().await;
        out
    }

    async fn pin(&self, seen: &Lease, to: Option<&WorkerId>) -> Result<Conditional> {
        self.lag().await;
        let out = self.inner.pin(seen, to).await;
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
