//! What must hold in every state that can be reached. The numbers are those of the protocol's invariants.

use super::model::LeaseModel;
use super::row::{Change, END, Write};
use super::state::{Shard, State, Worker};

/// What the protocol promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Promise {
    /// L1. Whatever the workers believe, the table accepts commits of the owner alone; so of one worker at most.
    OwnerCommits,
    /// L2, L3. At most one consumer of a shard runs, as long as nobody sleeps through a deadline, steals, or deletes.
    OneConsumes,
    /// L5. No worker gives up a lease whose row names it.
    KeepsItsOwn,
    /// L6. No write moves a checkpoint back.
    NeverBack,
    /// L6. What a processor was told is committed is in the row.
    AcknowledgedIsStored,
    /// L6. What is in the row was processed.
    StoredIsProcessed,
    /// L7. No child has an owner before its parent is finished.
    ChildWaits,
    /// L8. Who gives a lease away has stopped its consumer.
    HasStopped,
    /// L8. No record is processed twice, unless the lease was lost by a crash, by expiry, or to a thief.
    NothingRepeated,
    /// From here every shard is processed to its end, if nothing more goes wrong.
    Recovers,
}

impl Promise {
    pub(super) const ALL: [Self; 10] = [
        Self::OwnerCommits,
        Self::OneConsumes,
        Self::KeepsItsOwn,
        Self::NeverBack,
        Self::AcknowledgedIsStored,
        Self::StoredIsProcessed,
        Self::ChildWaits,
        Self::HasStopped,
        Self::NothingRepeated,
        Self::Recovers,
    ];
}

/// A promise that is broken in this state, or was on the way here.
pub(super) fn broken(model: &LeaseModel, state: &State) -> Option<Promise> {
    let kept = [
        (state.broken.is_none(), state.broken),
        (owner_commits(model, state), Some(Promise::OwnerCommits)),
        (one_consumes(model, state), Some(Promise::OneConsumes)),
        (stored_is_processed(state), Some(Promise::StoredIsProcessed)),
        (child_waits(model, state), Some(Promise::ChildWaits)),
        (model.recovers(state), Some(Promise::Recovers)),
    ];
    kept.into_iter().find_map(|(is_kept, promise)| promise.filter(|_| !is_kept))
}

fn owner_commits(model: &LeaseModel, state: &State) -> bool {
    (0..).zip(&state.shards).all(|(shard, Shard { row, .. })| {
        let may_commit = |worker: &Worker| {
            let seen = worker.views[shard].held().and(worker.views[shard].seen);
            seen.is_some_and(|seen| {
                let write = Write { writer: worker.id, shard, seen, change: Change::Checkpoint(END) };
                write.is_permitted(*row, model.config.planted)
            })
        };
        state.workers.iter().filter(|worker| row.owner != Some(worker.id)).all(|worker| !may_commit(worker))
    })
}

fn one_consumes(model: &LeaseModel, state: &State) -> bool {
    let (left, first) = (state.faults, model.config.faults);
    let is_excused =
        left.pauses < first.pauses || left.impatience < first.impatience || left.deletions < first.deletions;
    let consumers = |shard: usize| {
        let held = state.workers.iter().filter_map(move |worker| worker.views[shard].held());
        held.filter(|held| held.is_consuming).count()
    };
    is_excused || (0..model.config.shards).all(|shard| consumers(shard) < 2)
}

fn stored_is_processed(state: &State) -> bool {
    state.shards.iter().all(|shard| shard.row.checkpoint <= shard.processed)
}

fn child_waits(model: &LeaseModel, state: &State) -> bool {
    let [parent, child] = state.shards;
    !model.config.is_family || child.row.owner.is_none() || parent.row.checkpoint == END
}
