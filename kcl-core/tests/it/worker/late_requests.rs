//! A request whose write takes its time, by a worker that stops meanwhile.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::Result;
use kcl_core::lease::{Conditional, Consistency, Lease, LeaseChange, LeaseStore};
use kcl_core::model::{ShardKey, WorkerId};
use kcl_core::worker::Ports;
use tokio::time::sleep;

use super::fleet::{Fleet, secs};
use super::slow::worker;

/// A request that has left takes effect a moment later, whether or not anybody still waits for the answer.
#[derive(Debug)]
struct LateRequests(Arc<dyn LeaseStore>);

#[async_trait]
impl LeaseStore for LateRequests {
    async fn prepare(&self) -> Result<()> {
        self.0.prepare().await
    }

    async fn list(&self, consistency: Consistency) -> Result<Vec<Lease>> {
        self.0.list(consistency).await
    }

    async fn get(&self, shard: &ShardKey) -> Result<Option<Lease>> {
        self.0.get(shard).await
    }

    async fn create(&self, lease: &Lease) -> Result<Conditional> {
        self.0.create(lease).await
    }

    async fn update(&self, seen: &Lease, change: &LeaseChange) -> Result<Conditional> {
        self.0.update(seen, change).await
    }

    async fn request(&self, seen: &Lease, by: Option<&WorkerId>) -> Result<Conditional> {
        let (inner, seen, by) = (Arc::clone(&self.0), seen.clone(), by.cloned());
        let call = tokio::spawn(async move {
            sleep(Duration::from_millis(300)).await;
            inner.request(&seen, by.as_ref()).await
        });
        call.await.unwrap()
    }

    async fn pin(&self, seen: &Lease, to: Option<&WorkerId>) -> Result<Conditional> {
        self.0.pin(seen, to).await
    }

    async fn delete(&self, seen: &Lease) -> Result<bool> {
        self.0.delete(seen).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_while_it_asks_leaves_no_request_behind() {
    let mut fleet = Fleet::new(2);
    fleet.start("a");
    sleep(secs(5)).await;
    let ports = Ports { leases: Arc::new(LateRequests(Arc::clone(&fleet.leases))), ..fleet.ports() };
    fleet.start_with("b", fleet.settings("b"), ports, fleet.recorder());
    sleep(Duration::from_millis(100)).await;
    fleet.stop("b").await;
    sleep(secs(2)).await;
    let rows = fleet.rows().await;
    assert!(
        rows.iter().all(|row| row.is_owned_by(&worker("a"))),
        "handed to a worker that has gone: {rows:#?}"
    );
}
