//! A scan of the table may be a moment old, and show a child's row without its parent's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::lease::{Conditional, Consistency, Lease, LeaseChange, LeaseStore};
use kcl_core::model::{Checkpoint, InitialPosition, ShardKey, WorkerId};
use kcl_core::processor::for_each_record;
use kcl_core::worker::Ports;
use kcl_core::{Result, WorkerSettings};
use tokio::time::sleep;

use super::fleet::{Fleet, shard_id};

/// A store whose scans show only the rows that `is_visible` lets through.
struct Stale {
    inner: Arc<dyn LeaseStore>,
    is_visible: fn(Consistency, &Lease) -> bool,
}

impl fmt::Debug for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stale")
    }
}

#[async_trait]
impl LeaseStore for Stale {
    async fn prepare(&self) -> Result<()> {
        self.inner.prepare().await
    }

    async fn list(&self, consistency: Consistency) -> Result<Vec<Lease>> {
        let rows = self.inner.list(consistency).await?;
        Ok(rows.into_iter().filter(|row| (self.is_visible)(consistency, row)).collect())
    }

    async fn get(&self, shard: &ShardKey) -> Result<Option<Lease>> {
        self.inner.get(shard).await
    }

    async fn create(&self, lease: &Lease) -> Result<Conditional> {
        self.inner.create(lease).await
    }

    async fn update(&self, seen: &Lease, change: &LeaseChange) -> Result<Conditional> {
        self.inner.update(seen, change).await
    }

    async fn request(&self, seen: &Lease, by: Option<&WorkerId>) -> Result<Conditional> {
        self.inner.request(seen, by).await
    }

    async fn pin(&self, seen: &Lease, to: Option<&WorkerId>) -> Result<Conditional> {
        self.inner.pin(seen, to).await
    }

    async fn delete(&self, seen: &Lease) -> Result<bool> {
        self.inner.delete(seen).await
    }
}

fn start_with(fleet: &mut Fleet, settings: WorkerSettings, is_visible: fn(Consistency, &Lease) -> bool) {
    let leases = Arc::new(Stale { inner: Arc::clone(&fleet.leases), is_visible });
    let ports = Ports { leases, ..fleet.ports() };
    fleet.start_with("a", settings, ports, fleet.recorder());
}

#[tokio::test(start_paused = true)]
async fn a_child_whose_parents_row_a_scan_does_not_show_is_not_started() {
    let mut fleet = Fleet::new(1);
    fleet.put(1);
    fleet.split(&shard_id(0));
    // The first worker makes the rows, and goes without having processed anything.
    let fails = for_each_record(|_| async { Err("never".into()) });
    fleet.start_with("b", fleet.settings("b"), fleet.ports(), fails);
    fleet.until("the rows are there", || fleet.count_events("LeaseCreated") == 3).await;
    fleet.crash("b").await;
    let settings = fleet.settings("a");
    start_with(&mut fleet, settings, |_, row| !row.parents.is_empty());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fleet.count_events("a: LeaseTaken"), 0);
}

/// Under LATEST a child would start at the tip if nothing were known of its parent.
#[tokio::test(start_paused = true)]
async fn rows_are_created_from_a_consistent_scan_only() {
    let mut fleet = Fleet::new(1);
    let latest = |name: &str, fleet: &Fleet| WorkerSettings {
        initial_position: InitialPosition::Latest,
        ..fleet.settings(name)
    };
    fleet.start_with("b", latest("b", &fleet), fleet.ports(), fleet.recorder());
    fleet.until("the row is there", || fleet.count_events("LeaseCreated") == 1).await;
    fleet.stop("b").await;
    fleet.split(&shard_id(0));
    let settings = latest("a", &fleet);
    start_with(&mut fleet, settings, |consistency, _| consistency == Consistency::Strong);
    fleet.until("the children's rows are there", || fleet.count_events("LeaseCreated") == 3).await;
    for child in [1, 2] {
        assert_eq!(fleet.row(&shard_id(child)).await.checkpoint, Checkpoint::TrimHorizon);
    }
}
