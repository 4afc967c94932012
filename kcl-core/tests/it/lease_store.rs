//! The lease table in memory keeps the promises of the port.

use std::sync::Arc;

use kcl_core::lease::LeaseStore;
use kcl_core::memory::MemoryLeaseStore;
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
