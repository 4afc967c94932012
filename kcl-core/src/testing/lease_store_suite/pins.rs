//! Pinning a lease to a worker.

use super::requests::ask;
use super::rows::full_row;
use super::{Store, check_lost_to, check_stored, checkpoint_at, create, owned_by, take, unowned, update};
use crate::lease::{Conditional, Lease, LeaseChange, LeaseStore};
use crate::model::WorkerId;
use crate::testing::conformance::{Case, CaseResult, cases, check_eq, fail};

pub(super) fn cases() -> Vec<Case<dyn LeaseStore>> {
    cases![
        a_pin_changes_nothing_else_of_a_row,
        a_pin_does_not_stand_in_the_way_of_the_owner,
        a_pin_does_not_stand_in_the_way_of_a_request,
        a_pin_heeds_neither_the_counter_nor_the_owner,
        a_pin_is_lost_to_one_that_was_not_seen,
        a_pin_may_replace_the_one_that_was_seen,
        a_pin_can_be_removed,
        a_pin_makes_no_row,
        a_pin_survives_every_change,
        a_pin_goes_with_the_row,
    ]
}

fn worker(name: &str) -> CaseResult<WorkerId> {
    Ok(WorkerId::new(name)?)
}

async fn pin(store: &Store, seen: &Lease, to: Option<&str>) -> CaseResult<Lease> {
    let to = to.map(worker).transpose()?;
    match store.pin(seen, to.as_ref()).await? {
        Conditional::Applied(row) => Ok(row),
        Conditional::Lost(row) => fail(format!("the pin was not placed, since there is {row:?}")),
    }
}

async fn a_pin_changes_nothing_else_of_a_row(store: Store) -> CaseResult {
    let row = create(&store, &full_row()?).await?;
    let pinned = pin(&store, &row, Some("bob")).await?;
    check_eq("the pin", &pinned.pinned_to, &Some(worker("bob")?))?;
    check_stored(&store, &row.with_pin(Some(&worker("bob")?))).await?;
    pin(&store, &pinned, None).await?;
    check_stored(&store, &row.with_pin(None)).await
}

async fn a_pin_does_not_stand_in_the_way_of_the_owner(store: Store) -> CaseResult {
    let seen = create(&store, &owned_by("ada")?).await?;
    pin(&store, &seen, Some("bob")).await?;
    let row = update(&store, &seen, &LeaseChange::Renew).await?;
    check_eq("the pin", &row.pinned_to, &Some(worker("bob")?))
}

async fn a_pin_does_not_stand_in_the_way_of_a_request(store: Store) -> CaseResult {
    let seen = create(&store, &owned_by("ada")?).await?;
    let pinned = pin(&store, &seen, Some("bob")).await?;
    ask(&store, &seen, "bob").await?;
    check_stored(&store, &pinned.with_request(Some(&worker("bob")?))).await
}

async fn a_pin_heeds_neither_the_counter_nor_the_owner(store: Store) -> CaseResult {
    let seen = create(&store, &owned_by("ada")?).await?;
    let row = update(&store, &seen, &take("cyd")?).await?;
    let row = update(&store, &row, &LeaseChange::Release).await?;
    pin(&store, &seen, Some("bob")).await?;
    check_stored(&store, &row.with_pin(Some(&worker("bob")?))).await
}

async fn a_pin_is_lost_to_one_that_was_not_seen(store: Store) -> CaseResult {
    let seen = create(&store, &owned_by("ada")?).await?;
    let pinned = pin(&store, &seen, Some("bob")).await?;
    check_lost_to(&store, store.pin(&seen, Some(&worker("cyd")?)).await?, &pinned).await?;
    check_lost_to(&store, store.pin(&seen, None).await?, &pinned).await?;
    let other = seen.with_pin(Some(&worker("cyd")?));
    check_lost_to(&store, store.pin(&other, None).await?, &pinned).await
}

async fn a_pin_may_replace_the_one_that_was_seen(store: Store) -> CaseResult {
    let row = create(&store, &owned_by("ada")?).await?;
    let row = pin(&store, &row, Some("bob")).await?;
    let row = pin(&store, &row, Some("cyd")).await?;
    check_eq("the pin", &row.pinned_to, &Some(worker("cyd")?))?;
    check_stored(&store, &row).await
}

async fn a_pin_can_be_removed(store: Store) -> CaseResult {
    let row = create(&store, &unowned(0)?).await?;
    let pinned = pin(&store, &row, Some("bob")).await?;
    pin(&store, &pinned, None).await?;
    check_stored(&store, &row).await?;
    // It may be removed twice: whoever asks for it has what it wants.
    pin(&store, &row, None).await?;
    check_stored(&store, &row).await
}

async fn a_pin_makes_no_row(store: Store) -> CaseResult {
    store.prepare().await?;
    let seen = unowned(0)?;
    for seen in [seen.clone(), seen.with_pin(Some(&worker("bob")?))] {
        for to in [Some(worker("cyd")?), None] {
            check_eq("the outcome", &store.pin(&seen, to.as_ref()).await?, &Conditional::Lost(None))?;
            check_eq("the row", &store.get(&seen.shard).await?, &None)?;
        }
    }
    Ok(())
}

async fn a_pin_survives_every_change(store: Store) -> CaseResult {
    let row = create(&store, &owned_by("ada")?).await?;
    pin(&store, &row, Some("pia")).await?;
    // Whoever writes may not have seen it.
    let mut row = ask(&store, &row, "bob").await?.with_pin(None);
    let checkpoint = LeaseChange::Checkpoint { checkpoint: checkpoint_at("5", 0)?, children: Vec::new() };
    let changes = [
        LeaseChange::Renew,
        checkpoint,
        LeaseChange::HandOver { to: worker("bob")?, checkpoint: Some(checkpoint_at("7", 0)?) },
        take("bob")?,
        LeaseChange::Release,
        LeaseChange::Rewind { checkpoint: checkpoint_at("3", 0)? },
        take("cyd")?,
    ];
    for change in changes {
        let after = update(&store, &row, &change).await?;
        check_eq("the pin", &after.pinned_to, &Some(worker("pia")?))?;
        check_stored(&store, &after).await?;
        row = after.with_pin(None);
    }
    Ok(())
}

async fn a_pin_goes_with_the_row(store: Store) -> CaseResult {
    let row = create(&store, &unowned(0)?).await?;
    pin(&store, &row, Some("bob")).await?;
    check_eq("whether the row is gone", &store.delete(&row).await?, &true)?;
    create(&store, &row).await?;
    check_stored(&store, &row).await
}
