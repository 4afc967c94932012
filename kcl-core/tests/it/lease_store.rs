//! The lease table in memory keeps the promises of the port.

use std::sync::Arc;

use kcl_core::ErrorKind;
use kcl_core::lease::{Consistency, Lease, LeaseStore};
use kcl_core::memory::MemoryLeaseStore;
use kcl_core::model::{Checkpoint, ShardId, ShardKey, StreamId};
use kcl_core::testing::{lease_store_suite, run_suite};

async fn new_store() -> Arc<dyn LeaseStore> {
    Arc::new(MemoryLeaseStore::new())
}

#[tokio::test(start_paused = true)]
async fn the_memory_store_keeps_the_suite() {
    run_suite(lease_store_suite::cases(), new_store, &[]).await;
}

/// The races of the suite meet real parallel threads here.
#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_keeps_the_suite_on_many_threads() {
    run_suite(lease_store_suite::cases(), new_store, &[]).await;
}

#[tokio::test]
async fn the_memory_store_refuses_rows_that_dynamodb_refuses() {
    let store = new_store().await;
    store.prepare().await.unwrap();
    let lease = |id: &str, parents| {
        let shard = ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new(id));
        Lease::unowned(shard, Checkpoint::TrimHorizon, parents)
    };
    let twice = vec![ShardId::new("shardId-000000000001"); 2];
    for (lease, problem) in [(lease("", vec![]), "empty"), (lease("shardId-000000000002", twice), "twice")] {
        let error = store.create(&lease).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains(problem), "{error}");
    }
    assert_eq!(store.list(Consistency::Strong).await.unwrap(), []);
}
