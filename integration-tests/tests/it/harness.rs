//! The harness does what the scenarios rely on.

use std::env;

use kcl_core::lease::{Consistency, Lease};
use kcl_core::model::{Checkpoint, ShardKey};
use tokio::process::Command;

use crate::backend::Backend;

/// Tells the child of the first test what to look for.
const STREAM_VARIABLE: &str = "INTEGRATION_TEST_STREAM";

/// The test starts itself as its child, which then finds the parent's stream, as an endpoint of a user's would be.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_process_reaches_the_services_through_its_environment() {
    let backend = Backend::start().await;
    if let Ok(stream) = env::var(STREAM_VARIABLE) {
        assert_eq!(backend.shards(&stream.parse().unwrap()).await.len(), 3);
        return;
    }
    let stream = backend.create_stream(3).await;
    let name = "harness::a_child_process_reaches_the_services_through_its_environment";
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture"]);
    child.envs(backend.environment()).env(STREAM_VARIABLE, stream.name());
    let output = child.output().await.unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && report.contains("1 passed"), "{report}");
}

#[tokio::test]
async fn a_split_moves_the_records_that_follow_to_the_children() {
    let backend = Backend::start().await;
    let stream = backend.create_stream(1).await;
    let (parent, before) = backend.put(&stream, "key", b"before").await;
    let children = backend.split(&stream, &parent).await;
    let (child, after) = backend.put(&stream, "key", b"after").await;
    assert_eq!(children.len(), 2);
    assert!(children.iter().any(|shard| shard.shard_id == child), "{child}");
    assert!(before < after, "{before} {after}");
}

#[tokio::test]
async fn all_lease_stores_of_a_stream_share_their_rows() {
    let backend = Backend::start().await;
    let stream = backend.create_stream(1).await;
    let (one, other) = (backend.lease_store(&stream), backend.lease_store(&stream));
    one.prepare().await.unwrap();
    let shard = ShardKey::new(stream.clone(), backend.shards(&stream).await.remove(0).shard_id);
    let lease = Lease::unowned(shard, Checkpoint::Latest, Vec::new());
    one.create(&lease).await.unwrap();
    assert_eq!(other.list(Consistency::Strong).await.unwrap(), [lease]);
}
