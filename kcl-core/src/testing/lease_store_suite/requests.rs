//! Asking for a lease, and handing it over.

use super::{Store, check_lost_to, check_stored, checkpoint_at, create, owned_by, take, unowned, update};
use crate::lease::{Conditional, HandOverRequest, Lease, LeaseChange, LeaseStore, RequestForm};
use crate::model::{Checkpoint, WorkerId};
use crate::testing::conformance::{Case, CaseResult, cases, check_eq, fail};

pub(super) fn cases() -> Vec<Case<dyn LeaseStore>> {
    cases![
        a_request_changes_nothing_else_of_a_row,
        a_request_does_not_stand_in_the_way_of_the_owner,
        a_request_does_not_heed_the_counter,
        a_request_is_lost_to_another_owner,
        a_request_is_lost_to_an_earlier_one,
        a_request_may_replace_the_one_that_was_seen,
        a_request_can_be_withdrawn,
        a_request_for_a_lease_that_java_moves_is_lost,
        a_hand_over_commits_and_moves_the_lease,
        a_hand_over_without_a_new_position_keeps_the_old_one,
        a_hand_over_by_one_who_has_not_seen_the_request_leaves_its_mark,
        a_hand_over_to_one_who_does_not_ask_is_lost,
        a_take_and_a_release_end_a_request,
        a_lease_that_was_handed_over_is_taken_up,
        a_lease_that_java_moves_is_kept_alive_and_handed_over,
        a_lease_that_java_moves_can_be_taken,
        a_lease_that_java_has_begun_to_move_is_lost_to_its_old_form,
    ]
}

fn worker(name: &str) -> CaseResult<WorkerId> {
    Ok(WorkerId::new(name)?)
}

/// A row of ada's that bob asks for, in the table.
async fn asked(store: &Store) -> CaseResult<Lease> {
    let row = create(store, &owned_by("ada")?).await?;
    ask(store, &row, "bob").await
}

pub(super) async fn ask(store: &Store, seen: &Lease, by: &str) -> CaseResult<Lease> {
    match store.request(seen, Some(&worker(by)?)).await? {
        Conditional::Applied(row) => Ok(row),
        Conditional::Lost(row) => fail(format!("the request was not placed, since there is {row:?}")),
    }
}

/// A row of ada's that the leader of a Java KCL 3 fleet has begun to move to bob.
fn moved_by_java() -> CaseResult<Lease> {
    let request = HandOverRequest { by: worker("bob")?, form: RequestForm::CheckpointOwner };
    Ok(Lease { request: Some(request), ..owned_by("ada")? })
}

fn hand_over(to: &str, checkpoint: Option<Checkpoint>) -> CaseResult<LeaseChange> {
    Ok(LeaseChange::HandOver { to: worker(to)?, checkpoint })
}

async fn a_request_changes_nothing_else_of_a_row(store: Store) -> CaseResult {
    let row = create(&store, &super::rows::full_row()?).await?;
    let asked = ask(&store, &row, "cyd").await?;
    check_eq("the request", &asked.request.as_ref().map(|request| &request.by), &Some(&worker("cyd")?))?;
    check_stored(&store, &row.with_request(Some(&worker("cyd")?))).await
}

async fn a_request_does_not_stand_in_the_way_of_the_owner(store: Store) -> CaseResult {
    let seen = create(&store, &owned_by("ada")?).await?;
    ask(&store, &seen, "bob").await?;
    let row = update(&store, &seen, &LeaseChange::Renew).await?;
    check_eq("the request", &row.request.map(|request| request.by), &Some(worker("bob")?))
}

async fn a_request_does_not_heed_the_counter(store: Store) -> CaseResult {
    let seen = create(&store, &owned_by("ada")?).await?;
    let row = update(&store, &seen, &LeaseChange::Renew).await?;
    let asked = ask(&store, &seen, "bob").await?;
    check_eq("the counter", &asked.counter, &row.counter)
}

async fn a_request_is_lost_to_another_owner(store: Store) -> CaseResult {
    let seen = create(&store, &owned_by("ada")?).await?;
    let row = update(&store, &seen, &take("cyd")?).await?;
    check_lost_to(&store, store.request(&seen, Some(&worker("bob")?)).await?, &row).await?;
    let row = update(&store, &row, &LeaseChange::Release).await?;
    check_lost_to(&store, store.request(&seen, Some(&worker("bob")?)).await?, &row).await
}

async fn a_request_is_lost_to_an_earlier_one(store: Store) -> CaseResult {
    let seen = create(&store, &owned_by("ada")?).await?;
    let row = ask(&store, &seen, "bob").await?;
    check_lost_to(&store, store.request(&seen, Some(&worker("cyd")?)).await?, &row).await
}

async fn a_request_may_replace_the_one_that_was_seen(store: Store) -> CaseResult {
    let row = asked(&store).await?;
    let row = ask(&store, &row, "cyd").await?;
    check_stored(&store, &row).await?;
    check_eq("the request", &row.request.map(|request| request.by), &Some(worker("cyd")?))
}

async fn a_request_can_be_withdrawn(store: Store) -> CaseResult {
    let row = asked(&store).await?;
    let other = ask(&store, &row, "cyd").await?;
    check_lost_to(&store, store.request(&row, None).await?, &other).await?;
    store.request(&other, None).await?;
    check_stored(&store, &other.with_request(None)).await
}

async fn a_request_for_a_lease_that_java_moves_is_lost(store: Store) -> CaseResult {
    let row = create(&store, &moved_by_java()?).await?;
    check_lost_to(&store, store.request(&row, Some(&worker("cyd")?)).await?, &row).await
}

async fn a_hand_over_commits_and_moves_the_lease(store: Store) -> CaseResult {
    let row = asked(&store).await?;
    let change = hand_over("bob", Some(checkpoint_at("5", 2)?))?;
    let moved = update(&store, &row, &change).await?;
    check_eq("the counter", &moved.counter, &(row.counter + 1))?;
    check_eq("the owner", &moved.owner, &Some(worker("bob")?))?;
    check_eq("the checkpoint", &moved.checkpoint, &checkpoint_at("5", 2)?)?;
    check_eq("that it is to be taken up", &moved.is_handed_over(), &true)?;
    check_stored(&store, &row.after(&change)).await
}

async fn a_hand_over_without_a_new_position_keeps_the_old_one(store: Store) -> CaseResult {
    let row = create(&store, &super::rows::full_row()?).await?;
    let row = ask(&store, &row, "bob").await?;
    let change = hand_over("bob", None)?;
    update(&store, &row, &change).await?;
    check_stored(&store, &row.after(&change)).await
}

/// The owner may know of the request from elsewhere than from the row as it last wrote it.
async fn a_hand_over_by_one_who_has_not_seen_the_request_leaves_its_mark(store: Store) -> CaseResult {
    let seen = create(&store, &owned_by("ada")?).await?;
    let row = ask(&store, &seen, "bob").await?;
    let change = hand_over("bob", None)?;
    let moved = update(&store, &seen, &change).await?;
    check_eq("that it is to be taken up", &moved.is_handed_over(), &true)?;
    check_stored(&store, &row.after(&change)).await
}

async fn a_hand_over_to_one_who_does_not_ask_is_lost(store: Store) -> CaseResult {
    let row = create(&store, &owned_by("ada")?).await?;
    check_lost_to(&store, store.update(&row, &hand_over("bob", None)?).await?, &row).await?;
    let row = ask(&store, &row, "cyd").await?;
    check_lost_to(&store, store.update(&row, &hand_over("bob", None)?).await?, &row).await
}

async fn a_take_and_a_release_end_a_request(store: Store) -> CaseResult {
    for (number, change) in (0..).zip([take("cyd")?, LeaseChange::Release]) {
        let lease = Lease { owner: Some(worker("ada")?), ..unowned(number)? };
        let row = create(&store, &lease).await?;
        let row = ask(&store, &row, "bob").await?;
        let row = update(&store, &row, &change).await?;
        check_eq("the request", &row.request, &None)?;
        check_stored(&store, &row).await?;
    }
    Ok(())
}

async fn a_lease_that_was_handed_over_is_taken_up(store: Store) -> CaseResult {
    let row = asked(&store).await?;
    let row = update(&store, &row, &hand_over("bob", None)?).await?;
    let row = update(&store, &row, &take("bob")?).await?;
    check_eq("that it is to be taken up", &row.is_handed_over(), &false)?;
    check_eq("the request", &row.request, &None)?;
    check_stored(&store, &row).await
}

async fn a_lease_that_java_moves_is_kept_alive_and_handed_over(store: Store) -> CaseResult {
    let mut row = create(&store, &moved_by_java()?).await?;
    let checkpoint = LeaseChange::Checkpoint { checkpoint: checkpoint_at("5", 0)?, children: Vec::new() };
    for change in [LeaseChange::Renew, checkpoint, hand_over("bob", Some(checkpoint_at("6", 0)?))?] {
        let expected = row.after(&change);
        row = update(&store, &row, &change).await?;
        check_eq("the row", &row, &expected)?;
        check_stored(&store, &expected).await?;
    }
    Ok(())
}

async fn a_lease_that_java_moves_can_be_taken(store: Store) -> CaseResult {
    let row = create(&store, &moved_by_java()?).await?;
    let change = take("cyd")?;
    update(&store, &row, &change).await?;
    check_stored(&store, &row.after(&change)).await
}

/// Java changes the owner without raising the counter: the owner is part of every condition.
async fn a_lease_that_java_has_begun_to_move_is_lost_to_its_old_form(store: Store) -> CaseResult {
    let row = create(&store, &moved_by_java()?).await?;
    let seen = owned_by("ada")?;
    for change in [LeaseChange::Renew, LeaseChange::Release, take("cyd")?] {
        check_lost_to(&store, store.update(&seen, &change).await?, &row).await?;
    }
    Ok(())
}
