//! A write happens only if the row still is the one that was seen.

use bytes::Bytes;

use super::{Store, check_lost_to, check_stored, create, owned_by, take, unowned, update};
use crate::lease::{Conditional, Lease, LeaseChange, LeaseStore};
use crate::model::{Checkpoint, PendingCheckpoint, WorkerId};
use crate::testing::conformance::{Case, CaseResult, cases, check, check_eq};

pub(super) fn cases() -> Vec<Case<dyn LeaseStore>> {
    cases![
        a_row_is_created_once,
        an_update_needs_the_counter_seen,
        an_update_needs_the_owner_seen,
        an_update_needs_the_absence_of_an_owner_seen,
        a_free_row_is_not_updated_as_an_owned_one,
        every_kind_of_update_is_conditional,
        an_update_of_a_missing_row_creates_none,
        get_sees_an_update_that_has_returned,
        a_row_that_was_seen_is_deleted,
        a_row_with_another_counter_is_not_deleted,
        a_row_with_another_owner_is_not_deleted,
        a_missing_row_counts_as_deleted,
        a_deleted_row_can_be_created_again,
    ]
}

async fn a_row_is_created_once(store: Store) -> CaseResult {
    let first = create(&store, &owned_by("ada")?).await?;
    let second = Lease { checkpoint: Checkpoint::Latest, ..unowned(0)? };
    check_lost_to(&store, store.create(&second).await?, &first).await
}

async fn an_update_needs_the_counter_seen(store: Store) -> CaseResult {
    let row = create(&store, &owned_by("ada")?).await?;
    for counter in [row.counter - 1, row.counter + 1] {
        let seen = Lease { counter, ..row.clone() };
        check_lost_to(&store, store.update(&seen, &LeaseChange::Renew).await?, &row).await?;
    }
    Ok(())
}

async fn an_update_needs_the_owner_seen(store: Store) -> CaseResult {
    let row = create(&store, &owned_by("ada")?).await?;
    let seen = owned_by("bob")?;
    check_lost_to(&store, store.update(&seen, &LeaseChange::Renew).await?, &row).await
}

async fn an_update_needs_the_absence_of_an_owner_seen(store: Store) -> CaseResult {
    let row = create(&store, &owned_by("ada")?).await?;
    let seen = Lease { owner: None, ..row.clone() };
    check_lost_to(&store, store.update(&seen, &take("bob")?).await?, &row).await
}

async fn a_free_row_is_not_updated_as_an_owned_one(store: Store) -> CaseResult {
    let row = create(&store, &unowned(0)?).await?;
    let seen = Lease { owner: Some(WorkerId::new("ada")?), ..row.clone() };
    check_lost_to(&store, store.update(&seen, &LeaseChange::Renew).await?, &row).await
}

async fn every_kind_of_update_is_conditional(store: Store) -> CaseResult {
    let seen = create(&store, &owned_by("ada")?).await?;
    let row = update(&store, &seen, &LeaseChange::Renew).await?;
    let checkpoint =
        LeaseChange::Checkpoint { checkpoint: Checkpoint::ShardEnd, children: vec![super::shard_id(1)] };
    let pending = PendingCheckpoint {
        checkpoint: Checkpoint::ShardEnd,
        application_state: Bytes::from_static(b"state"),
    };
    let prepare = LeaseChange::Prepare { pending };
    for change in [take("bob")?, LeaseChange::Renew, checkpoint, prepare, LeaseChange::Release] {
        check_lost_to(&store, store.update(&seen, &change).await?, &row).await?;
    }
    Ok(())
}

async fn an_update_of_a_missing_row_creates_none(store: Store) -> CaseResult {
    store.prepare().await?;
    for seen in [unowned(0)?, owned_by("ada")?] {
        let outcome = store.update(&seen, &take("ada")?).await?;
        check_eq("the outcome", &outcome, &Conditional::Lost(None))?;
        check_eq("the row", &store.get(&seen.shard).await?, &None)?;
    }
    Ok(())
}

async fn get_sees_an_update_that_has_returned(store: Store) -> CaseResult {
    let mut row = create(&store, &owned_by("ada")?).await?;
    for _ in 0..10 {
        row = update(&store, &row, &LeaseChange::Renew).await?;
        check_stored(&store, &row).await?;
    }
    Ok(())
}

async fn a_row_that_was_seen_is_deleted(store: Store) -> CaseResult {
    for seen in [unowned(0)?, owned_by("ada")?] {
        create(&store, &seen).await?;
        check_deletes(&store, &seen, true).await?;
        check_eq("the row", &store.get(&seen.shard).await?, &None)?;
    }
    Ok(())
}

async fn a_row_with_another_counter_is_not_deleted(store: Store) -> CaseResult {
    let seen = create(&store, &owned_by("ada")?).await?;
    let row = update(&store, &seen, &LeaseChange::Renew).await?;
    check_deletes(&store, &seen, false).await?;
    check_stored(&store, &row).await
}

async fn a_row_with_another_owner_is_not_deleted(store: Store) -> CaseResult {
    let row = create(&store, &owned_by("ada")?).await?;
    let unowned = Lease { owner: None, ..row.clone() };
    for seen in [unowned, owned_by("bob")?] {
        check_deletes(&store, &seen, false).await?;
        check_stored(&store, &row).await?;
    }
    Ok(())
}

async fn a_missing_row_counts_as_deleted(store: Store) -> CaseResult {
    store.prepare().await?;
    check_deletes(&store, &owned_by("ada")?, true).await
}

async fn a_deleted_row_can_be_created_again(store: Store) -> CaseResult {
    let row = create(&store, &owned_by("ada")?).await?;
    check_deletes(&store, &row, true).await?;
    create(&store, &unowned(0)?).await?;
    check_stored(&store, &unowned(0)?).await
}

async fn check_deletes(store: &Store, seen: &Lease, expected: bool) -> CaseResult {
    let deleted = store.delete(seen).await?;
    check(deleted == expected, || {
        format!("delete of {seen:?} should return {expected}, and returned {deleted}")
    })
}
