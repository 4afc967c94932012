use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::Fault;
use crate::error::Result;
use crate::lease::{Conditional, Consistency, Lease, LeaseChange, LeaseStore};
use crate::model::{ShardKey, WorkerId};

/// A call on its way to the store.
#[derive(Debug, Clone, Copy)]
pub enum LeaseCall<'a> {
    /// [`LeaseStore::prepare`].
    Prepare,
    /// [`LeaseStore::list`].
    List(Consistency),
    /// [`LeaseStore::get`].
    Get(&'a ShardKey),
    /// [`LeaseStore::create`].
    Create(&'a Lease),
    /// [`LeaseStore::update`].
    Update(&'a Lease, &'a LeaseChange),
    /// [`LeaseStore::request`].
    Request(&'a Lease, Option<&'a WorkerId>),
    /// [`LeaseStore::pin`].
    Pin(&'a Lease, Option<&'a WorkerId>),
    /// [`LeaseStore::delete`].
    Delete(&'a Lease),
}

/// A lease store that fails as a network makes it fail, call by call, as a function decides.
pub struct FaultyLeaseStore {
    inner: Arc<dyn LeaseStore>,
    decide: Box<dyn Fn(LeaseCall<'_>) -> Fault + Send + Sync>,
}

impl FaultyLeaseStore {
    /// Passes calls on to `inner`, except as `decide` says.
    pub fn new(
        inner: Arc<dyn LeaseStore>,
        decide: impl Fn(LeaseCall<'_>) -> Fault + Send + Sync + 'static,
    ) -> Self {
        Self { inner, decide: Box::new(decide) }
    }

    async fn pass<T>(&self, call: LeaseCall<'_>, inner: impl Future<Output = Result<T>> + Send) -> Result<T> {
        (self.decide)(call).strike(inner).await
    }
}

#[async_trait]
impl LeaseStore for FaultyLeaseStore {
    async fn prepare(&self) -> Result<()> {
        self.pass(LeaseCall::Prepare, self.inner.prepare()).await
    }

    async fn list(&self, consistency: Consistency) -> Result<Vec<Lease>> {
        self.pass(LeaseCall::List(consistency), self.inner.list(consistency)).await
    }

    async fn get(&self, shard: &ShardKey) -> Result<Option<Lease>> {
        self.pass(LeaseCall::Get(shard), self.inner.get(shard)).await
    }

    async fn create(&self, lease: &Lease) -> Result<Conditional> {
        self.pass(LeaseCall::Create(lease), self.inner.create(lease)).await
    }

    async fn update(&self, seen: &Lease, change: &LeaseChange) -> Result<Conditional> {
        self.pass(LeaseCall::Update(seen, change), self.inner.update(seen, change)).await
    }

    async fn request(&self, seen: &Lease, by: Option<&WorkerId>) -> Result<Conditional> {
        self.pass(LeaseCall::Request(seen, by), self.inner.request(seen, by)).await
    }

    async fn pin(&self, seen: &Lease, to: Option<&WorkerId>) -> Result<Conditional> {
        self.pass(LeaseCall::Pin(seen, to), self.inner.pin(seen, to)).await
    }

    async fn delete(&self, seen: &Lease) -> Result<bool> {
        self.pass(LeaseCall::Delete(seen), self.inner.delete(seen)).await
    }
}

impl fmt::Debug for FaultyLeaseStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyLeaseStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}
