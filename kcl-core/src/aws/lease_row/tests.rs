use proptest::prelude::*;

use super::*;

const PARENT: &str = "shardId-000000000000";
const OTHER_PARENT: &str = "shardId-000000000001";
const SHARD: &str = "shardId-000000000002";
const CHILD: &str = "shardId-000000000003";
const POSITION: &str = "49590338271490256608559692538361571095921575989136588898";

fn rows() -> LeaseRows {
    LeaseRows { table: "app".to_owned(), stream: StreamId::named("orders").unwrap() }
}

fn s(text: &str) -> AttributeValue {
    string(text)
}

fn n(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

fn ss(members: &[&str]) -> AttributeValue {
    AttributeValue::Ss(members.iter().map(ToString::to_string).collect())
}

/// A row of these attributes, on top of what every row has.
fn item<const N: usize>(checkpoint: &str, attributes: [(&str, AttributeValue); N]) -> Item {
    let always = [
        (LEASE_KEY, s(SHARD)),
        ("leaseCounter", n("184")),
        ("ownerSwitchesSinceCheckpoint", n("3")),
        ("checkpoint", s(checkpoint)),
        ("checkpointSubSequenceNumber", n("0")),
    ];
    let all = always.into_iter().chain(attributes);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn lease(checkpoint: Checkpoint) -> Lease {
    let shard = ShardKey::new(rows().stream, ShardId::new(SHARD));
    let mut lease = Lease::unowned(shard, checkpoint, Vec::new());
    lease.counter = 184;
    lease.owner_switches_since_checkpoint = 3;
    lease
}

fn at(sub_sequence_number: u64) -> Checkpoint {
    Checkpoint::At(RecordPosition { sequence_number: POSITION.parse().unwrap(), sub_sequence_number })
}

fn ids(names: &[&str]) -> Vec<ShardId> {
    names.iter().copied().map(ShardId::new).collect()
}

#[track_caller]
fn both_ways(item: &Item, lease: &Lease) {
    assert_eq!(rows().decode(item).unwrap().as_ref(), Some(lease));
    assert_eq!(&rows().encode(lease).unwrap(), item);
}

#[track_caller]
fn corrupt(item: &Item, attribute: &str) -> String {
    let error = rows().decode(item).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let message = error.to_string();
    for part in [attribute, "'app'"] {
        assert!(message.contains(part), "{message}");
    }
    message
}

#[test]
fn a_fresh_row_of_a_merged_shard() {
    let end = "340282366920938463463374607431768211455";
    let item = item(
        "TRIM_HORIZON",
        [
            ("parentShardId", ss(&[PARENT, OTHER_PARENT])),
            ("startingHashKey", s("0")),
            ("endingHashKey", s(end)),
            ("leaseCounter", n("0")),
            ("ownerSwitchesSinceCheckpoint", n("0")),
        ],
    );
    let mut lease = lease(Checkpoint::TrimHorizon);
    lease.counter = 0;
    lease.owner_switches_since_checkpoint = 0;
    lease.parents = ids(&[PARENT, OTHER_PARENT]);
    lease.hash_key_range = Some(HashKeyRange::FULL);
    both_ways(&item, &lease);
}

#[test]
fn the_starting_sentinels() {
    both_ways(&item("LATEST", []), &lease(Checkpoint::Latest));
    both_ways(&item("AT_TIMESTAMP", []), &lease(Checkpoint::AtTimestamp));
}

#[test]
fn an_owned_row() {
    let mut lease = lease(Checkpoint::TrimHorizon);
    lease.owner = Some(WorkerId::new("worker-a").unwrap());
    both_ways(&item("TRIM_HORIZON", [("leaseOwner", s("worker-a"))]), &lease);
}

#[test]
fn a_row_with_a_checkpoint_inside_an_aggregate() {
    let item = item(POSITION, [("checkpointSubSequenceNumber", n("7"))]);
    both_ways(&item, &lease(at(7)));
}

#[test]
fn a_finished_parent_with_its_children() {
    let mut lease = lease(Checkpoint::ShardEnd);
    lease.children = ids(&[CHILD]);
    both_ways(&item("SHARD_END", [("childShardIds", ss(&[CHILD]))]), &lease);
}

#[test]
fn what_later_versions_of_the_java_kcl_add_does_not_disturb() {
    let item = item(
        POSITION,
        [("leaseOwner", s("worker-b")), ("throughputKBps", n("12.5")), ("entityType", s("LEASE"))],
    );
    let mut lease = lease(at(0));
    lease.owner = Some(WorkerId::new("worker-b").unwrap());
    assert_eq!(rows().decode(&item).unwrap(), Some(lease));
}

fn pending(checkpoint: Checkpoint, state: &'static [u8]) -> PendingCheckpoint {
    PendingCheckpoint { checkpoint, application_state: Bytes::from_static(state) }
}

/// As `DynamoDBLeaseSerializer` writes it: the state is binary, and absent if there is none.
#[test]
fn a_row_with_a_prepared_checkpoint() {
    let prepared = [("pendingCheckpoint", s(POSITION)), ("pendingCheckpointSubSequenceNumber", n("9"))];
    let state = AttributeValue::B(vec![0, 159, 255].into());
    let [position, sub_sequence_number] = prepared.clone();
    let with_state = [position, sub_sequence_number, ("pendingCheckpointState", state)];
    let expected = |state| Lease { pending: Some(pending(at(9), state)), ..lease(Checkpoint::TrimHorizon) };
    both_ways(&item("TRIM_HORIZON", prepared), &expected(b""));
    both_ways(&item("TRIM_HORIZON", with_state), &expected(&[0, 159, 255]));
}

#[test]
fn a_row_whose_end_java_has_prepared() {
    let prepared = [("pendingCheckpoint", s("SHARD_END")), ("pendingCheckpointSubSequenceNumber", n("0"))];
    let expected = Lease { pending: Some(pending(Checkpoint::ShardEnd, b"")), ..lease(at(0)) };
    both_ways(&item(POSITION, prepared), &expected);
}

#[test]
fn a_state_without_a_position_is_not_prepared() {
    let state = AttributeValue::B(vec![1].into());
    let item = item("LATEST", [("pendingCheckpointState", state)]);
    assert_eq!(rows().decode(&item).unwrap(), Some(lease(Checkpoint::Latest)));
}

fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

#[test]
fn an_owned_row_of_ours() {
    let mut lease = lease(Checkpoint::Latest);
    lease.owner = Some(worker("worker-a"));
    lease.hand_over_owner = Some(worker("worker-a"));
    lease.latest_since = Some(Timestamp::from_millis(1_700_000_000_123));
    let item = item(
        "LATEST",
        [
            ("leaseOwner", s("worker-a")),
            ("handOverOwner", s("worker-a")),
            ("latestSince", n("1700000000123")),
        ],
    );
    both_ways(&item, &lease);
    assert!(lease.answers_requests());
}

#[test]
fn a_row_of_ours_that_was_given_back() {
    let mut lease = lease(at(0));
    lease.hand_over_owner = Some(worker("worker-a"));
    both_ways(&item(POSITION, [("handOverOwner", s("worker-a"))]), &lease);
}

#[test]
fn a_row_of_ours_that_is_pinned() {
    let lease = lease(at(0)).with_pin(Some(&worker("worker-c")));
    both_ways(&item(POSITION, [("pinnedTo", s("worker-c"))]), &lease);
}

#[test]
fn a_row_of_ours_that_another_worker_asks_for() {
    let mut lease = lease(at(0));
    lease.owner = Some(worker("worker-a"));
    lease.hand_over_owner = Some(worker("worker-a"));
    let lease = lease.with_request(Some(&worker("worker-b")));
    let item = item(
        POSITION,
        [("leaseOwner", s("worker-a")), ("handOverOwner", s("worker-a")), ("handOverTo", s("worker-b"))],
    );
    both_ways(&item, &lease);
    assert_eq!(lease.requested_by(), Some(&worker("worker-b")));
}

#[test]
fn a_row_that_was_handed_over_and_not_taken_up() {
    let mut lease = lease(at(0));
    lease.owner = Some(worker("worker-b"));
    lease.hand_over_owner = Some(worker("worker-a"));
    let lease = lease.with_request(Some(&worker("worker-b")));
    let item = item(
        POSITION,
        [("leaseOwner", s("worker-b")), ("handOverOwner", s("worker-a")), ("handOverTo", s("worker-b"))],
    );
    both_ways(&item, &lease);
    assert!(lease.is_handed_over() && !lease.answers_requests());
    assert!(lease.awaits_taking_up_by(&worker("worker-b")));
}

#[test]
fn a_row_that_java_took_from_us_while_it_was_asked_for() {
    let mut lease = lease(at(0));
    lease.owner = Some(worker("java"));
    lease.hand_over_owner = Some(worker("worker-a"));
    let lease = lease.with_request(Some(&worker("worker-b")));
    let item = item(
        POSITION,
        [("leaseOwner", s("java")), ("handOverOwner", s("worker-a")), ("handOverTo", s("worker-b"))],
    );
    both_ways(&item, &lease);
    assert!(!lease.answers_requests() && lease.requested_by().is_none());
}

/// `initiateGracefulLeaseHandoff`: the owner is already the next one, and `checkpointOwner` still processes.
#[test]
fn a_row_that_a_java_3_fleet_moves() {
    let mut lease = lease(at(0));
    lease.owner = Some(worker("worker-a"));
    lease.request = Some(HandOverRequest { by: worker("worker-b"), form: RequestForm::CheckpointOwner });
    let item = item(POSITION, [("leaseOwner", s("worker-b")), ("checkpointOwner", s("worker-a"))]);
    both_ways(&item, &lease);
    assert!(lease.is_owned_by(&worker("worker-a")) && !lease.awaits_taking_up_by(&worker("worker-b")));
    assert_eq!(lease.requested_by(), Some(&worker("worker-b")));
}

#[test]
fn a_checkpoint_owner_without_an_owner_owns_nothing() {
    let item = item(POSITION, [("checkpointOwner", s("worker-a"))]);
    assert_eq!(rows().decode(&item).unwrap(), Some(lease(at(0))));
}

#[test]
fn a_row_about_something_else_is_no_lease() {
    for kind in ["LEADER", "WORKER_METRIC_STATS", "SOMETHING_NEW"] {
        let item = Item::from([(LEASE_KEY.to_owned(), s("Leader")), (ENTITY_TYPE.to_owned(), s(kind))]);
        assert_eq!(rows().decode(&item).unwrap(), None);
    }
}

#[test]
fn a_missing_attribute_is_named() {
    for attribute in ["leaseCounter", "ownerSwitchesSinceCheckpoint", "checkpoint"] {
        let mut item = item("LATEST", []);
        item.remove(attribute);
        assert!(corrupt(&item, attribute).contains(SHARD));
    }
    corrupt(&Item::new(), LEASE_KEY);
}

#[test]
fn an_attribute_that_cannot_be_read_is_named() {
    let bad = [
        ("leaseCounter", s("184")),
        ("leaseCounter", n("-1")),
        ("ownerSwitchesSinceCheckpoint", n("1.5")),
        ("leaseOwner", s("")),
        ("leaseOwner", n("1")),
        ("checkpointOwner", s("")),
        ("handOverTo", s("")),
        ("handOverOwner", n("1")),
        ("latestSince", s("yesterday")),
        ("latestSince", n("18446744073709551615")),
        ("checkpoint", s("SOMEWHERE")),
        ("pendingCheckpoint", s("SOMEWHERE")),
        ("pendingCheckpoint", n("1")),
        ("parentShardId", s(PARENT)),
        ("startingHashKey", s("zero")),
        ("endingHashKey", s("340282366920938463463374607431768211456")),
        ("entityType", n("1")),
        ("streamName", s("123456789012:orders:1700000000")),
    ];
    for (attribute, value) in bad {
        let message = corrupt(&item("LATEST", [(attribute, value)]), attribute);
        assert!(message.contains(SHARD), "{message}");
    }
    corrupt(&item(POSITION, [("checkpointSubSequenceNumber", s("7"))]), "checkpointSubSequenceNumber");
    corrupt(&item("LATEST", [("startingHashKey", s("0"))]), "endingHashKey");
    for (attribute, value) in
        [("pendingCheckpointSubSequenceNumber", s("7")), ("pendingCheckpointState", n("7"))]
    {
        corrupt(&item("LATEST", [("pendingCheckpoint", s(POSITION)), (attribute, value)]), attribute);
    }
}

#[test]
fn a_shard_of_another_stream_has_no_row_here() {
    let shard = ShardKey::new(StreamId::named("returns").unwrap(), ShardId::new(SHARD));
    let error = rows().key(&shard).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    for part in ["'app'", "'orders'", "'returns:shardId-000000000002'"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

fn checkpoints() -> impl Strategy<Value = Checkpoint> {
    prop_oneof![
        Just(Checkpoint::AtTimestamp),
        Just(Checkpoint::TrimHorizon),
        Just(Checkpoint::Latest),
        Just(Checkpoint::ShardEnd),
        ("[1-9][0-9]{0,128}", any::<u64>()).prop_map(|(digits, sub_sequence_number)| {
            Checkpoint::At(RecordPosition { sequence_number: digits.parse().unwrap(), sub_sequence_number })
        }),
    ]
}

fn shard_sets() -> impl Strategy<Value = Vec<ShardId>> {
    proptest::collection::btree_set("shardId-[0-9]{12}", 0..3)
        .prop_map(|ids| ids.into_iter().map(ShardId::new).collect())
}

proptest! {
    #[test]
    fn every_lease_survives_a_round_trip(
        shard_id in "shardId-[0-9]{12}",
        (counter, switches) in any::<(u64, u64)>(),
        [owner, hand_over_owner, asker, pinned_to] in proptest::array::uniform4(proptest::option::of("\\PC+")),
        is_moved_by_java in any::<bool>(),
        latest_since in proptest::option::of(0..=i64::MAX),
        checkpoint in checkpoints(),
        (parents, children) in (shard_sets(), shard_sets()),
        range in any::<Option<(u128, u128)>>(),
        pending in proptest::option::of((checkpoints(), any::<Vec<u8>>())),
    ) {
        let lease = Lease {
            shard: ShardKey::new(rows().stream, ShardId::new(shard_id)),
            counter,
            request: asker.map(|name| HandOverRequest {
                by: worker(&name),
                // Java moves no lease that nobody owns.
                form: if is_moved_by_java && owner.is_some() { RequestForm::CheckpointOwner } else { RequestForm::Attribute },
            }),
            owner: owner.map(|name| worker(&name)),
            hand_over_owner: hand_over_owner.map(|name| worker(&name)),
            pinned_to: pinned_to.map(|name| worker(&name)),
            latest_since: latest_since.map(Timestamp::from_millis),
            owner_switches_since_checkpoint: switches,
            checkpoint,
            pending: pending.map(|(checkpoint, state)| PendingCheckpoint {
                checkpoint,
                application_state: state.into(),
            }),
            parents,
            children,
            hash_key_range: range.map(|(start, end)| HashKeyRange { start, end }),
        };
        let item = rows().encode(&lease).unwrap();
        prop_assert_eq!(rows().decode(&item).unwrap(), Some(lease));
    }
}
