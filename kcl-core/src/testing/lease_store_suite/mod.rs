//! The promises of [`LeaseStore`], one named case each.
//!
//! Each case gets a store over a table of its own that has not been prepared. All rows are of the stream
//! [`STREAM_NAME`]; a store that serves one stream must serve that one.

mod changes;
mod conditions;
mod pins;
mod preparing;
mod races;
mod requests;
mod rows;
mod table;

use std::sync::Arc;

use super::conformance::{Case, CaseResult, check_eq, fail};
use crate::lease::{Conditional, Lease, LeaseChange, LeaseStore};
use crate::model::{Checkpoint, RecordPosition, ShardId, ShardKey, StreamId, WorkerId};

/// The name of the stream that all rows of the suite are of.
pub const STREAM_NAME: &str = "orders";

/// Every case, for [`run_suite`](super::run_suite).
pub fn cases() -> Vec<Case<dyn LeaseStore>> {
    let all = [
        table::cases(),
        rows::cases(),
        conditions::cases(),
        changes::cases(),
        preparing::cases(),
        requests::cases(),
        pins::cases(),
        races::cases(),
    ];
    all.into_iter().flatten().collect()
}

/// What a case runs on.
type Store = Arc<dyn LeaseStore>;

fn shard_id(number: u32) -> ShardId {
    ShardId::new(format!("shardId-{number:012}"))
}

fn unowned(number: u32) -> CaseResult<Lease> {
    let shard = ShardKey::new(StreamId::named(STREAM_NAME)?, shard_id(number));
    Ok(Lease::unowned(shard, Checkpoint::TrimHorizon, Vec::new()))
}

fn owned_by(owner: &str) -> CaseResult<Lease> {
    Ok(Lease { counter: 7, owner: Some(WorkerId::new(owner)?), ..unowned(0)? })
}

fn take(owner: &str) -> CaseResult<LeaseChange> {
    Ok(LeaseChange::Take { by: WorkerId::new(owner)? })
}

fn checkpoint_at(sequence_number: &str, sub_sequence_number: u64) -> CaseResult<Checkpoint> {
    Ok(Checkpoint::At(RecordPosition { sequence_number: sequence_number.parse()?, sub_sequence_number }))
}

/// Prepares the table and creates `lease` in it.
async fn create(store: &Store, lease: &Lease) -> CaseResult<Lease> {
    store.prepare().await?;
    insert(store, lease).await
}

/// Creates `lease` in a table that is prepared.
async fn insert(store: &Store, lease: &Lease) -> CaseResult<Lease> {
    match store.create(lease).await? {
        Conditional::Applied(row) => Ok(row),
        Conditional::Lost(row) => fail(format!("the new row was not created, since there is {row:?}")),
    }
}

/// An update that must be applied.
async fn update(store: &Store, seen: &Lease, change: &LeaseChange) -> CaseResult<Lease> {
    match store.update(seen, change).await? {
        Conditional::Applied(row) => Ok(row),
        Conditional::Lost(row) => {
            fail(format!("{change:?} of {seen:?} was not applied, since there is {row:?}"))
        }
    }
}

/// The row must be in the table as `expected`.
async fn check_stored(store: &Store, expected: &Lease) -> CaseResult {
    let stored = store.get(&expected.shard).await?;
    check_eq("the stored row", &stored.map(normal), &Some(normal(expected.clone())))
}

/// An outcome must be a loss to `standing`, which must be in the table unchanged.
async fn check_lost_to(store: &Store, outcome: Conditional, standing: &Lease) -> CaseResult {
    match outcome {
        Conditional::Lost(Some(row)) => {
            check_eq("the row that stood in the way", &normal(row), &normal(standing.clone()))?;
        }
        other => return fail(format!("expected a loss to {standing:?}, got {other:?}")),
    }
    check_stored(store, standing).await
}

/// The row with parents and children in a fixed order: a table keeps them as sets.
fn normal(mut row: Lease) -> Lease {
    row.parents.sort();
    row.children.sort();
    row
}
