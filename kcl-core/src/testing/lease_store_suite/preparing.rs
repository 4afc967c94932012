//! What becomes of a checkpoint that is prepared.

use bytes::Bytes;

use super::{Store, check_stored, checkpoint_at, create, owned_by, take, unowned, update};
use crate::lease::{Lease, LeaseChange, LeaseStore};
use crate::model::{Checkpoint, PendingCheckpoint, WorkerId};
use crate::testing::conformance::{Case, CaseResult, cases, check_eq};

/// The longest that `Checkpointer::prepare` takes.
const LONGEST_STATE: usize = 16 * 1024;

pub(super) fn cases() -> Vec<Case<dyn LeaseStore>> {
    cases![
        preparing_keeps_the_checkpoint_and_the_switches,
        every_state_comes_back_whole,
        every_prepared_position_comes_back_whole,
        what_is_prepared_stays_while_the_lease_moves,
        every_checkpoint_removes_what_was_prepared,
        a_preparation_replaces_the_one_before,
    ]
}

fn pending(sequence_number: &str, state: &'static [u8]) -> CaseResult<PendingCheckpoint> {
    let application_state = Bytes::from_static(state);
    Ok(PendingCheckpoint { checkpoint: checkpoint_at(sequence_number, 3)?, application_state })
}

fn prepare(sequence_number: &str, state: &'static [u8]) -> CaseResult<LeaseChange> {
    Ok(LeaseChange::Prepare { pending: pending(sequence_number, state)? })
}

/// A row of ada's with something prepared.
async fn prepared(store: &Store) -> CaseResult<Lease> {
    let row = create(store, &owned_by("ada")?).await?;
    update(store, &row, &prepare("9", b"state")?).await
}

async fn preparing_keeps_the_checkpoint_and_the_switches(store: Store) -> CaseResult {
    let row = create(&store, &super::rows::full_row()?).await?;
    let expected = Lease {
        counter: row.counter + 1,
        pending: Some(pending("49590338271490256608559692538361571095921575989136588899", b"new")?),
        ..row.clone()
    };
    let change = prepare("49590338271490256608559692538361571095921575989136588899", b"new")?;
    let row = update(&store, &row, &change).await?;
    check_eq("the row", &super::normal(row), &super::normal(expected.clone()))?;
    check_stored(&store, &expected).await
}

async fn every_state_comes_back_whole(store: Store) -> CaseResult {
    let all_bytes: Bytes = (0..=u8::MAX).collect();
    let mut row = create(&store, &owned_by("ada")?).await?;
    for application_state in [Bytes::new(), all_bytes, vec![7; LONGEST_STATE].into()] {
        let pending = PendingCheckpoint { application_state, ..pending("9", b"")? };
        row = update(&store, &row, &LeaseChange::Prepare { pending: pending.clone() }).await?;
        check_eq("what is prepared", &row.pending, &Some(pending))?;
        check_stored(&store, &row).await?;
    }
    Ok(())
}

async fn every_prepared_position_comes_back_whole(store: Store) -> CaseResult {
    for (number, checkpoint) in (0..).zip(super::rows::every_checkpoint()?) {
        let pending = Some(PendingCheckpoint { checkpoint, ..pending("9", b"state")? });
        let lease = Lease { pending, ..unowned(number)? };
        create(&store, &lease).await?;
        check_stored(&store, &lease).await?;
    }
    Ok(())
}

async fn what_is_prepared_stays_while_the_lease_moves(store: Store) -> CaseResult {
    let mut row = prepared(&store).await?;
    row = super::requests::ask(&store, &row, "bob").await?;
    let hand_over = LeaseChange::HandOver { to: WorkerId::new("bob")?, checkpoint: None };
    for change in [LeaseChange::Renew, hand_over, take("bob")?, LeaseChange::Release, take("cyd")?] {
        row = update(&store, &row, &change).await?;
        check_eq("what is prepared", &row.pending, &Some(pending("9", b"state")?))?;
        check_stored(&store, &row).await?;
    }
    Ok(())
}

async fn every_checkpoint_removes_what_was_prepared(store: Store) -> CaseResult {
    let committed = Some(checkpoint_at("9", 3)?);
    let mut row = prepared(&store).await?;
    for checkpoint in [checkpoint_at("8", 0)?, checkpoint_at("9", 3)?, Checkpoint::ShardEnd] {
        row = update(&store, &row, &prepare("10", b"state")?).await?;
        row = update(&store, &row, &LeaseChange::Checkpoint { checkpoint, children: Vec::new() }).await?;
        check_eq("what is prepared", &row.pending, &None)?;
        check_stored(&store, &row).await?;
    }
    row = update(&store, &row, &prepare("10", b"state")?).await?;
    row = super::requests::ask(&store, &row, "bob").await?;
    let hand_over = LeaseChange::HandOver { to: WorkerId::new("bob")?, checkpoint: committed };
    row = update(&store, &row, &hand_over).await?;
    check_eq("what is prepared", &row.pending, &None)?;
    check_stored(&store, &row).await
}

async fn a_preparation_replaces_the_one_before(store: Store) -> CaseResult {
    let mut row = prepared(&store).await?;
    for (sequence_number, state) in [("12", &b"other"[..]), ("10", b""), ("11", b"third")] {
        row = update(&store, &row, &prepare(sequence_number, state)?).await?;
        check_eq("what is prepared", &row.pending, &Some(pending(sequence_number, state)?))?;
        check_stored(&store, &row).await?;
    }
    Ok(())
}
