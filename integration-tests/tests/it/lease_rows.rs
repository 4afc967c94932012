//! What the lease store adapter does with rows that it did not write.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use kcl_core::ErrorKind;
use kcl_core::lease::{Conditional, Consistency, LeaseChange, LeaseStore};
use kcl_core::model::{Checkpoint, PendingCheckpoint, RecordPosition, ShardId, ShardKey, StreamId, WorkerId};

use crate::backend::{Backend, unique_name};

const SHARD: &str = "shardId-000000000000";

type Item = HashMap<String, AttributeValue>;

struct Table {
    backend: Backend,
    name: String,
    stream: StreamId,
    store: Arc<dyn LeaseStore>,
}

impl Table {
    async fn new() -> Self {
        let backend = Backend::start().await;
        let name = unique_name("leases");
        let stream = StreamId::named("orders").unwrap();
        let store = backend.lease_store_in(&name, &stream);
        store.prepare().await.unwrap();
        Self { backend, name, stream, store }
    }

    fn shard(&self) -> ShardKey {
        ShardKey::new(self.stream.clone(), ShardId::new(SHARD))
    }

    async fn put(&self, item: Item) {
        let request = self.backend.dynamodb_client().put_item();
        request.table_name(&self.name).set_item(Some(item)).send().await.unwrap();
    }

    async fn item(&self) -> Item {
        let request = self.backend.dynamodb_client().get_item();
        let request = request.table_name(&self.name).key("leaseKey", s(SHARD));
        request.send().await.unwrap().item.unwrap()
    }

    async fn apply(&self, change: LeaseChange) {
        let seen = self.store.get(&self.shard()).await.unwrap().unwrap();
        let outcome = self.store.update(&seen, &change).await.unwrap();
        assert_eq!(outcome, Conditional::Applied(seen.after(&change)));
    }
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

fn row<const N: usize>(more: [(&str, AttributeValue); N]) -> Item {
    let always = [
        ("leaseKey", s(SHARD)),
        ("leaseCounter", n("5")),
        ("leaseOwner", s("java")),
        ("ownerSwitchesSinceCheckpoint", n("1")),
        ("checkpoint", s("TRIM_HORIZON")),
        ("checkpointSubSequenceNumber", n("0")),
    ];
    let all = always.into_iter().chain(more);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

#[tokio::test]
async fn attributes_that_are_not_ours_survive_every_change() {
    let table = Table::new().await;
    table.put(row([("throughputKBps", n("12.5")), ("entityType", s("LEASE")), ("ours", s("kept"))])).await;
    let by = WorkerId::new("me").unwrap();
    let checkpoint = LeaseChange::Checkpoint {
        checkpoint: Checkpoint::ShardEnd,
        children: vec![ShardId::new("shardId-000000000001")],
    };
    for change in [LeaseChange::Take { by }, LeaseChange::Renew, checkpoint, LeaseChange::Release] {
        table.apply(change).await;
    }
    let item = table.item().await;
    for (name, value) in [("throughputKBps", n("12.5")), ("entityType", s("LEASE")), ("ours", s("kept"))] {
        assert_eq!(item.get(name), Some(&value), "{name}");
    }
    assert_eq!(item.get("leaseOwner"), None);
    assert_eq!(item.get("leaseCounter"), Some(&n("9")));
}

#[tokio::test]
async fn a_take_ends_a_hand_over_between_java_workers() {
    let table = Table::new().await;
    table.put(row([("checkpointOwner", s("java-too"))])).await;
    table.apply(LeaseChange::Take { by: WorkerId::new("me").unwrap() }).await;
    let item = table.item().await;
    assert_eq!(item.get("checkpointOwner"), None);
    assert_eq!(item.get("ownerSwitchesSinceCheckpoint"), Some(&n("2")));
}

#[tokio::test]
async fn a_checkpoint_drops_the_one_that_java_had_prepared() {
    let table = Table::new().await;
    table
        .put(row([
            ("pendingCheckpoint", s("123")),
            ("pendingCheckpointSubSequenceNumber", n("0")),
            ("pendingCheckpointState", AttributeValue::B(vec![1].into())),
        ]))
        .await;
    table.apply(LeaseChange::Checkpoint { checkpoint: Checkpoint::Latest, children: Vec::new() }).await;
    let item = table.item().await;
    assert!(item.keys().all(|name| !name.starts_with("pending")), "{item:?}");
}

#[tokio::test]
async fn a_prepared_checkpoint_looks_like_javas_and_stays_over_a_move() {
    let table = Table::new().await;
    table.put(row([])).await;
    let prepare = |state: &'static [u8]| {
        let position = RecordPosition { sequence_number: "123".parse().unwrap(), sub_sequence_number: 7 };
        let application_state = Bytes::from_static(state);
        let pending = PendingCheckpoint { checkpoint: Checkpoint::At(position), application_state };
        LeaseChange::Prepare { pending }
    };
    let prepared = [("pendingCheckpoint", s("123")), ("pendingCheckpointSubSequenceNumber", n("7"))];
    let state = ("pendingCheckpointState", AttributeValue::B(vec![0, 159, 255].into()));
    table.apply(prepare(&[0, 159, 255])).await;
    let [position, sub_sequence_number] = prepared.clone();
    let expected = row([("leaseCounter", n("6")), position, sub_sequence_number, state.clone()]);
    assert_eq!(table.item().await, expected);
    let by = WorkerId::new("me").unwrap();
    for change in [LeaseChange::Renew, LeaseChange::Take { by }, LeaseChange::Release] {
        table.apply(change).await;
    }
    let item = table.item().await;
    for (name, value) in prepared.iter().chain([&state]) {
        assert_eq!(item.get(*name), Some(value), "{name}");
    }
    table.apply(prepare(&[])).await;
    let item = table.item().await;
    assert!(
        item.contains_key("pendingCheckpoint") && !item.contains_key("pendingCheckpointState"),
        "{item:?}"
    );
}

/// The state of a Java KCL 3.5 fleet, in the lease table; before that it was in a table of its own.
#[tokio::test]
async fn a_fleet_whose_leader_assigns_all_leases_is_not_joined() {
    let table = Table::new().await;
    for (state, is_led) in [
        ("CLIENT_VERSION_INIT", false),
        ("CLIENT_VERSION_UPGRADE_FROM_2X", false),
        ("CLIENT_VERSION_2X", false),
        ("CLIENT_VERSION_3X_WITH_ROLLBACK", true),
        ("CLIENT_VERSION_3X", true),
    ] {
        let row = [("leaseKey", "Migration3.0"), ("entityType", "CLIENT_VERSION_MIGRATION"), ("cv", state)];
        table.put(row.into_iter().map(|(name, value)| (name.to_owned(), s(value))).collect()).await;
        let prepared = table.store.prepare().await;
        match prepared {
            Ok(()) => assert!(!is_led, "{state}"),
            Err(error) => {
                assert!(is_led && error.kind() == ErrorKind::Refused, "{error}");
                assert!(
                    error.to_string().contains(state) && error.to_string().contains(&table.name),
                    "{error}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_pin_looks_like_this_and_leaves_no_trace() {
    let table = Table::new().await;
    table.put(row([])).await;
    let seen = table.store.get(&table.shard()).await.unwrap().unwrap();
    table.store.pin(&seen, Some(&WorkerId::new("me").unwrap())).await.unwrap();
    assert_eq!(table.item().await, row([("pinnedTo", s("me"))]));
    let pinned = table.store.get(&table.shard()).await.unwrap().unwrap();
    table.store.pin(&pinned, None).await.unwrap();
    assert_eq!(table.item().await, row([]));
}

#[tokio::test]
async fn a_request_and_a_hand_over_look_like_this() {
    let table = Table::new().await;
    table.put(row([("handOverOwner", s("java"))])).await;
    let seen = table.store.get(&table.shard()).await.unwrap().unwrap();
    let me = WorkerId::new("me").unwrap();
    table.store.request(&seen, Some(&me)).await.unwrap();
    assert_eq!(table.item().await, row([("handOverOwner", s("java")), ("handOverTo", s("me"))]));
    table.apply(LeaseChange::HandOver { to: me, checkpoint: Some(Checkpoint::Latest) }).await;
    let moved = [
        ("leaseCounter", n("6")),
        ("leaseOwner", s("me")),
        ("checkpoint", s("LATEST")),
        ("handOverOwner", s("java")),
        ("handOverTo", s("me")),
    ];
    assert_eq!(table.item().await, row(moved));
}

#[tokio::test]
async fn a_lease_that_java_moves_stays_in_its_form_until_it_is_handed_over() {
    let table = Table::new().await;
    table.put(row([("checkpointOwner", s("me"))])).await;
    table.apply(LeaseChange::Renew).await;
    assert_eq!(table.item().await, row([("leaseCounter", n("6")), ("checkpointOwner", s("me"))]));
    table.apply(LeaseChange::HandOver { to: WorkerId::new("java").unwrap(), checkpoint: None }).await;
    // `assignLease`, which the Java KCL ends a hand-over with, counts the switch, too.
    assert_eq!(table.item().await, row([("leaseCounter", n("7")), ("ownerSwitchesSinceCheckpoint", n("2"))]));
}

#[tokio::test]
async fn rows_about_something_else_are_not_listed_and_never_taken_for_a_lease() {
    let table = Table::new().await;
    table
        .put(Item::from([
            ("leaseKey".to_owned(), s(SHARD)),
            ("entityType".to_owned(), s("WORKER_METRIC_STATS")),
        ]))
        .await;
    assert_eq!(table.store.list(Consistency::Strong).await.unwrap(), []);
    let error = table.store.get(&table.shard()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let table = Table::new().await;
    let mut item = row([]);
    item.remove("checkpoint");
    table.put(item).await;
    let error = table.store.list(Consistency::Strong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    for part in [SHARD, &table.name, "'checkpoint'"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// More than the 1 MB of a page of `Scan`.
#[tokio::test]
async fn a_table_of_several_pages_is_listed_whole() {
    let table = Table::new().await;
    let filler = "x".repeat(300_000);
    let keys: Vec<String> = (0..8).map(|number| format!("shardId-{number:012}")).collect();
    for key in &keys {
        table.put(row([("leaseKey", s(key)), ("filler", s(&filler))])).await;
    }
    let leases = table.store.list(Consistency::Strong).await.unwrap();
    let mut listed: Vec<String> = leases.iter().map(|lease| lease.shard.shard_id.to_string()).collect();
    listed.sort();
    assert_eq!(listed, keys);
}
