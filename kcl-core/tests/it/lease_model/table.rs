//! The table's part: one write at a time, each only if its condition holds.

use super::answers::Answer;
use super::config::{Config, Planted};
use super::promises::Promise;
use super::row::{Change, END, Row, Write};
use super::state::State;

/// Applies the write if its condition holds.
pub(super) fn deliver(config: &Config, state: &mut State, write: &Write) -> Answer {
    let row = state.shards[write.shard].row;
    if !write.is_permitted(row, config.planted) {
        return Answer::Lost(row);
    }
    let after = write.applied_to(row, config.planted);
    let shard = &mut state.shards[write.shard];
    shard.row = after;
    shard.before = if state.faults.stale_reads > 0 { row } else { after };
    // One that was made the owner, and has not taken the lease up, has not begun.
    let is_from_one_who_began = row.owner != Some(write.writer) && row.owner == row.hand_over_owner;
    shard.has_been_lost |= write.change == Change::Take && row.owner.is_some() && is_from_one_who_began;
    if let Some(promise) = broken_by(state, write, row, after) {
        state.note(promise);
    }
    Answer::Applied(after)
}

/// The promise that an applied write breaks.
fn broken_by(state: &State, write: &Write, row: Row, after: Row) -> Option<Promise> {
    let is_foreign = write.change.is_an_owners() && row.owner != Some(write.writer);
    let writer = state.workers.iter().find(|worker| worker.id == write.writer);
    let held = writer.and_then(|worker| worker.views[write.shard].held());
    let is_consuming = held.is_some_and(|held| held.is_consuming);
    let broken = [
        (is_foreign, Promise::OwnerCommits),
        (after.checkpoint < row.checkpoint, Promise::NeverBack),
        (write.change.is_departure() && is_consuming, Promise::HasStopped),
    ];
    broken.into_iter().find_map(|(is_broken, promise)| is_broken.then_some(promise))
}

/// Counters only rise, so a late write whose counter has passed can change nothing any more.
pub(super) fn forget_dead_writes(config: &Config, state: &mut State) {
    let is_fenced = config.planted != Planted::NoCounterCondition && config.faults.deletions == 0;
    let State { late_writes, shards, .. } = state;
    for slot in late_writes.iter_mut() {
        let is_dead = |write: &mut Write| {
            let row = shards[write.shard].row;
            match write.change {
                Change::Request { .. } => row.checkpoint == END,
                _ => is_fenced && row.counter > write.seen.counter,
            }
        };
        slot.take_if(is_dead);
    }
    late_writes.sort();
}
