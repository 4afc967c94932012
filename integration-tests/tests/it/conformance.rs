//! The SDK adapters keep the promises of the two ports.

use std::sync::Arc;

use kcl_core::model::StreamId;
use kcl_core::testing::{lease_store_suite, run_suite};

use crate::backend::{Backend, unique_name};

/// Real parallel threads, for the races of the suite.
#[tokio::test(flavor = "multi_thread")]
async fn the_dynamodb_lease_store_keeps_the_suite() {
    let backend = Arc::new(Backend::start().await);
    let stream = StreamId::named(lease_store_suite::STREAM_NAME).unwrap();
    let new_store = async || backend.lease_store_in(&unique_name("leases"), &stream);
    run_suite(lease_store_suite::cases(), new_store, &[]).await;
}
