//! What is written comes back whole.

use bytes::Bytes;

use super::{Store, check_stored, checkpoint_at, create, owned_by, shard_id, unowned, update};
use crate::lease::{Lease, LeaseChange, LeaseStore};
use crate::model::{Checkpoint, HashKeyRange, PendingCheckpoint, Timestamp, WorkerId};
use crate::testing::conformance::{Case, CaseResult, cases, check_eq};

pub(super) fn cases() -> Vec<Case<dyn LeaseStore>> {
    cases![
        a_row_that_does_not_exist_is_none,
        a_created_row_is_returned_and_stored,
        every_checkpoint_is_created_whole,
        every_checkpoint_is_updated_whole,
        hash_key_ranges_come_back_whole,
        parents_and_children_come_back_whole,
        a_worker_id_may_be_any_text,
    ]
}

/// A row in which every attribute has a value.
pub(super) fn full_row() -> CaseResult<Lease> {
    Ok(Lease {
        owner_switches_since_checkpoint: 3,
        checkpoint: checkpoint_at("49590338271490256608559692538361571095921575989136588898", 7)?,
        pending: Some(PendingCheckpoint {
            checkpoint: checkpoint_at("49590338271490256608559692538361571095921575989136588899", 0)?,
            application_state: Bytes::from_static(b"state"),
        }),
        parents: vec![shard_id(1), shard_id(2)],
        children: vec![shard_id(3), shard_id(4)],
        hash_key_range: Some(HashKeyRange::FULL),
        latest_since: Some(Timestamp::from_millis(1_700_000_000_123)),
        hand_over_owner: Some(WorkerId::new("ada")?),
        pinned_to: Some(WorkerId::new("pia")?),
        ..owned_by("ada")?
    })
}

async fn a_row_that_does_not_exist_is_none(store: Store) -> CaseResult {
    store.prepare().await?;
    check_eq("the row", &store.get(&unowned(0)?.shard).await?, &None)
}

async fn a_created_row_is_returned_and_stored(store: Store) -> CaseResult {
    let lease = unowned(0)?;
    check_eq("the created row", &create(&store, &lease).await?, &lease)?;
    check_stored(&store, &lease).await
}

async fn every_checkpoint_is_created_whole(store: Store) -> CaseResult {
    for (number, checkpoint) in (0..).zip(every_checkpoint()?) {
        let lease = Lease { checkpoint, ..unowned(number)? };
        create(&store, &lease).await?;
        check_stored(&store, &lease).await?;
    }
    Ok(())
}

async fn every_checkpoint_is_updated_whole(store: Store) -> CaseResult {
    let mut row = create(&store, &unowned(0)?).await?;
    for checkpoint in every_checkpoint()? {
        let change = LeaseChange::Checkpoint { checkpoint, children: Vec::new() };
        let expected = row.after(&change);
        row = update(&store, &row, &change).await?;
        check_eq("the updated row", &row, &expected)?;
        check_stored(&store, &expected).await?;
    }
    Ok(())
}

async fn hash_key_ranges_come_back_whole(store: Store) -> CaseResult {
    let upper_half = HashKeyRange { start: 1 << 127, end: u128::MAX };
    for (number, hash_key_range) in (0..).zip([None, Some(HashKeyRange::FULL), Some(upper_half)]) {
        let lease = Lease { hash_key_range, ..unowned(number)? };
        create(&store, &lease).await?;
        check_stored(&store, &lease).await?;
    }
    Ok(())
}

async fn parents_and_children_come_back_whole(store: Store) -> CaseResult {
    let (one, two) = (vec![shard_id(10)], vec![shard_id(11), shard_id(12)]);
    for (number, (parents, children)) in (0..).zip([(one.clone(), two.clone()), (two, one)]) {
        let lease = Lease { parents, children, ..unowned(number)? };
        create(&store, &lease).await?;
        check_stored(&store, &lease).await?;
    }
    Ok(())
}

async fn a_worker_id_may_be_any_text(store: Store) -> CaseResult {
    let lease = Lease { owner: Some(WorkerId::new("höst/1: \"a b\"")?), ..unowned(0)? };
    create(&store, &lease).await?;
    check_stored(&store, &lease).await
}

/// Every form, in ascending order: a checkpoint only moves up.
pub(super) fn every_checkpoint() -> CaseResult<[Checkpoint; 7]> {
    let sequence_number_of_most_digits = "9".repeat(129);
    Ok([
        Checkpoint::AtTimestamp,
        Checkpoint::TrimHorizon,
        Checkpoint::Latest,
        checkpoint_at("0", 0)?,
        checkpoint_at("49590338271490256608559692538361571095921575989136588898", 7)?,
        checkpoint_at(&sequence_number_of_most_digits, i64::MAX as u64)?,
        Checkpoint::ShardEnd,
    ])
}
