//! The SDK adapters keep the promises of the two ports.

use std::process::Command;
use std::sync::Arc;

use integration_tests::conformance::Emulator;
use kcl_core::model::StreamId;
use kcl_core::testing::kinesis_suite::{self, KinesisFixture};
use kcl_core::testing::{lease_store_suite, run_suite};

use crate::backend::{Backend, unique_name};

/// Real parallel threads, for the races of the suite.
#[tokio::test(flavor = "multi_thread")]
async fn the_dynamodb_lease_store_keeps_the_suite() {
    let backend = Backend::start().await;
    let stream = StreamId::named(lease_store_suite::STREAM_NAME).unwrap();
    let new_store = async || backend.lease_store_in(&unique_name("leases"), &stream);
    run_suite(lease_store_suite::cases(), new_store, &[]).await;
}

/// Always in this process, since the departures are those of this emulator.
#[tokio::test]
async fn the_kinesis_adapter_keeps_the_suite() {
    let backend = Backend::in_process().await;
    let fixture = async || Arc::clone(backend.fixture()) as Arc<dyn KinesisFixture>;
    run_suite(kinesis_suite::cases(), fixture, &Emulator::Ferrokinesis.departures()).await;
}

/// A run of nothing must not look like one in which all went well.
#[test]
fn a_name_that_no_case_has_is_a_mistake() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinesis-conformance"));
    command.args(["--endpoint-url", "http://127.0.0.1:9", "--emulator", "kinesis-mock", "--case", "splitt"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("'splitt'"), "{said}");
}
