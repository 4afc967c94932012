//! What each change makes of a row.

use super::{Store, check_stored, checkpoint_at, create, owned_by, shard_id, take, unowned, update};
use crate::lease::{Lease, LeaseChange, LeaseStore};
use crate::model::{Checkpoint, WorkerId};
use crate::testing::conformance::{Case, CaseResult, cases, check_eq};

pub(super) fn cases() -> Vec<Case<dyn LeaseStore>> {
    cases![
        every_change_raises_the_counter_by_one,
        taking_from_another_owner_counts_a_switch,
        taking_a_free_lease_or_ones_own_counts_no_switch,
        renewing_keeps_all_else,
        a_checkpoint_keeps_the_owner_and_resets_the_switches,
        children_survive_later_changes,
        children_come_with_the_end_of_the_shard,
        a_released_lease_has_no_owner,
        a_released_lease_can_be_taken,
        a_rewind_moves_the_checkpoint_anywhere_and_gives_the_lease_back,
        attributes_that_a_change_does_not_name_stay,
    ]
}

async fn every_change_raises_the_counter_by_one(store: Store) -> CaseResult {
    let mut row = create(&store, &owned_by("ada")?).await?;
    for change in [LeaseChange::Renew, checkpoint("5")?, LeaseChange::Release, take("bob")?] {
        let counter = row.counter + 1;
        row = update(&store, &row, &change).await?;
        check_eq("the counter", &row.counter, &counter)?;
    }
    Ok(())
}

async fn taking_from_another_owner_counts_a_switch(store: Store) -> CaseResult {
    let mut row = create(&store, &owned_by("ada")?).await?;
    for (switches, owner) in (1..).zip(["bob", "cyd"]) {
        row = update(&store, &row, &take(owner)?).await?;
        check_eq("the switches", &row.owner_switches_since_checkpoint, &switches)?;
        check_eq("the owner", &row.owner, &Some(WorkerId::new(owner)?))?;
        check_stored(&store, &row).await?;
    }
    Ok(())
}

async fn taking_a_free_lease_or_ones_own_counts_no_switch(store: Store) -> CaseResult {
    let mut row = create(&store, &unowned(0)?).await?;
    for _ in 0..2 {
        row = update(&store, &row, &take("ada")?).await?;
        check_eq("the switches", &row.owner_switches_since_checkpoint, &0)?;
        check_eq("the owner", &row.owner, &Some(WorkerId::new("ada")?))?;
        check_stored(&store, &row).await?;
    }
    Ok(())
}

async fn renewing_keeps_all_else(store: Store) -> CaseResult {
    let row = create(&store, &super::rows::full_row()?).await?;
    let renewed = Lease { counter: row.counter + 1, ..row.clone() };
    update(&store, &row, &LeaseChange::Renew).await?;
    check_stored(&store, &renewed).await
}

async fn a_checkpoint_keeps_the_owner_and_resets_the_switches(store: Store) -> CaseResult {
    let row = create(&store, &owned_by("ada")?).await?;
    let row = update(&store, &row, &take("bob")?).await?;
    let row = update(&store, &row, &checkpoint("5")?).await?;
    check_eq("the owner", &row.owner, &Some(WorkerId::new("bob")?))?;
    check_eq("the switches", &row.owner_switches_since_checkpoint, &0)?;
    check_eq("the checkpoint", &row.checkpoint, &checkpoint_at("5", 0)?)?;
    check_stored(&store, &row).await
}

async fn children_survive_later_changes(store: Store) -> CaseResult {
    let children = vec![shard_id(1), shard_id(2)];
    let mut row = create(&store, &owned_by("ada")?).await?;
    row = update(&store, &row, &shard_end(&children)).await?;
    for change in [LeaseChange::Renew, shard_end(&[]), LeaseChange::Release, take("bob")?] {
        row = update(&store, &row, &change).await?;
        let mut stored = store.get(&row.shard).await?.map(|row| row.children).unwrap_or_default();
        stored.sort();
        check_eq("the children", &stored, &children)?;
    }
    Ok(())
}

async fn children_come_with_the_end_of_the_shard(store: Store) -> CaseResult {
    let row = create(&store, &owned_by("ada")?).await?;
    let change = shard_end(&[shard_id(1), shard_id(2)]);
    update(&store, &row, &change).await?;
    check_stored(&store, &row.after(&change)).await
}

async fn a_released_lease_has_no_owner(store: Store) -> CaseResult {
    let row = create(&store, &super::rows::full_row()?).await?;
    let released = Lease { counter: row.counter + 1, owner: None, ..row.clone() };
    check_eq("who gave it back", &released.hand_over_owner, &row.owner)?;
    update(&store, &row, &LeaseChange::Release).await?;
    check_stored(&store, &released).await
}

async fn a_released_lease_can_be_taken(store: Store) -> CaseResult {
    let row = create(&store, &owned_by("ada")?).await?;
    let row = update(&store, &row, &LeaseChange::Release).await?;
    let row = update(&store, &row, &take("bob")?).await?;
    check_eq("the owner", &row.owner, &Some(WorkerId::new("bob")?))?;
    check_stored(&store, &row).await
}

async fn a_rewind_moves_the_checkpoint_anywhere_and_gives_the_lease_back(store: Store) -> CaseResult {
    let mut row = create(&store, &super::rows::full_row()?).await?;
    let by = WorkerId::new("operator")?;
    for (seq, owner) in [("7", None), ("3", Some(&by)), ("9", None)] {
        if let Some(by) = owner {
            row = update(&store, &row, &LeaseChange::Take { by: by.clone() }).await?;
        }
        row = update(&store, &row, &LeaseChange::Rewind { checkpoint: checkpoint_at(seq, 1)? }).await?;
        check_eq("the checkpoint", &row.checkpoint, &checkpoint_at(seq, 1)?)?;
        check_eq("the owner", &row.owner, &None)?;
        check_eq("what is pending", &row.pending, &None)?;
        check_eq("who gave it back", &row.hand_over_owner.is_some(), &(owner.is_some() || seq == "7"))?;
        check_stored(&store, &row).await?;
    }
    Ok(())
}

/// A caller may have seen the row long ago, as long as counter and owner are still the same.
async fn attributes_that_a_change_does_not_name_stay(store: Store) -> CaseResult {
    let row = create(&store, &super::rows::full_row()?).await?;
    let seen = owned_by("ada")?;
    let returned = update(&store, &seen, &LeaseChange::Renew).await?;
    let expected = row.after(&LeaseChange::Renew);
    check_eq("the returned row", &super::normal(returned), &super::normal(expected.clone()))?;
    check_stored(&store, &expected).await
}

fn checkpoint(sequence_number: &str) -> CaseResult<LeaseChange> {
    Ok(LeaseChange::Checkpoint { checkpoint: checkpoint_at(sequence_number, 0)?, children: Vec::new() })
}

fn shard_end(children: &[crate::model::ShardId]) -> LeaseChange {
    LeaseChange::Checkpoint { checkpoint: Checkpoint::ShardEnd, children: children.to_vec() }
}
