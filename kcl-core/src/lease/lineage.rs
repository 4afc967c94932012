//! Which shards need a row, which rows may start, and which are no longer needed. Pure: shards and rows in, decisions
//! out.
//!
//! Follows the family tree of shards. It must never let a child start before its parents are processed to their end,
//! and never make a row for a shard that was processed before and cleaned up. The row of a finished shard is the sign
//! that it is finished, for as long as the stream lists the shard; from then on the rows of its children are.

mod family;

use std::collections::{BTreeMap, BTreeSet};

use self::family::Family;
use super::{Lease, LeaseBook};
use crate::model::{Checkpoint, InitialPosition, Shard, ShardId, ShardKey, StreamId};

/// Rows to create, parents before children.
///
/// A listed shard needs a row unless it has one, or a descendant's row has begun: then it was finished and cleaned up.
/// A row that somebody deleted before its shard was finished is thus made again. Where the first owner starts:
/// * a shard that follows one with a row starts at its beginning, so that nothing put after the split or merge is
///   missed. Under `AT_TIMESTAMP` that is the sentinel of the same name, as long as none of the rows it follows has
///   begun: a child of a shard that closed before the time must not deliver what arrived before it. Afterwards the time
///   in the settings may be another one;
/// * any other starts at the initial position. Under `LATEST` a closed shard then needs no row at all.
///
/// The rows must have been read after the list was: a row that the caller has not seen may be what a shard follows.
pub(crate) fn leases_to_create(
    stream: &StreamId,
    shards: &[Shard],
    book: &LeaseBook,
    initial_position: InitialPosition,
) -> Vec<Lease> {
    let has_row = |shard: &Shard| book.get(&key(stream, shard)).is_some();
    if shards.iter().all(has_row) {
        return Vec::new();
    }
    let family = Family::new(stream, shards, book);
    let passed = family.passed();
    let members = family.parents_first();
    // Whoever has a child is closed, though a page of the list that is older than the child's may show it as open.
    let followed: BTreeSet<&ShardId> =
        members.iter().flat_map(|member| family.parents(member).iter().copied()).collect();
    let start_of = |shard: &Shard, past: Past| {
        let is_open = shard.is_open() && !followed.contains(&shard.shard_id);
        start(initial_position, past, is_open).filter(|_| !passed.contains(&shard.shard_id))
    };
    let mut leases = Vec::new();
    let mut pasts: BTreeMap<&ShardId, Past> = BTreeMap::new();
    for member in members {
        let parents = family.parents(member).iter();
        let mut past = parents.filter_map(|parent| pasts.get(parent)).max().copied().unwrap_or_default();
        if let Some(row) = family.row(member) {
            past = past.max(Past::with(row));
        } else if let Some(shard) = family.shard(member)
            && let Some(checkpoint) = start_of(shard, past)
        {
            leases.push(new_lease(stream, shard, checkpoint));
        }
        pasts.insert(member, past);
    }
    leases
}

/// What came before a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Past {
    /// No ancestor has a row.
    #[default]
    Unknown,
    /// An ancestor has a row.
    Row,
    /// An ancestor's row has begun.
    BegunRow,
}

impl Past {
    fn with(row: &Lease) -> Self {
        if row.checkpoint.has_begun() { Self::BegunRow } else { Self::Row }
    }
}

/// Where the first owner of a shard starts; `None` if nobody needs to read it.
fn start(initial_position: InitialPosition, past: Past, is_open: bool) -> Option<Checkpoint> {
    match initial_position {
        InitialPosition::Latest if past > Past::Unknown => Some(Checkpoint::TrimHorizon),
        InitialPosition::Latest if !is_open => None,
        InitialPosition::AtTimestamp(_) if past == Past::BegunRow => Some(Checkpoint::TrimHorizon),
        position => Some(position.sentinel()),
    }
}

fn new_lease(stream: &StreamId, shard: &Shard, checkpoint: Checkpoint) -> Lease {
    let parents = shard.parents().cloned().collect();
    let mut lease = Lease::unowned(key(stream, shard), checkpoint, parents);
    lease.hash_key_range = Some(shard.hash_key_range);
    lease
}

/// The parents that a lease still waits for. A parent without a row is finished and cleaned up, or was never needed:
/// rows are created parents first, so a child's row says that its parents had theirs.
pub(crate) fn unfinished_parents(lease: &Lease, book: &LeaseBook) -> Vec<ShardId> {
    let is_unfinished = |parent: &&ShardId| {
        let row = book.get(&lease.shard.sibling(parent));
        row.is_some_and(|row| !row.is_finished())
    };
    lease.parents.iter().filter(is_unfinished).cloned().collect()
}

/// True if a lease has not begun, and a parent of it has no row. The parent was never needed, or has left the stream; or
/// somebody has deleted the row of a parent that is not finished. Only a sync can tell.
pub(crate) fn has_unknown_parents(lease: &Lease, book: &LeaseBook) -> bool {
    let is_unknown = |parent: &ShardId| book.get(&lease.shard.sibling(parent)).is_none();
    !lease.checkpoint.has_begun() && lease.parents.iter().any(is_unknown)
}

/// Finished rows that are of no use any more, parents before children: the stream no longer lists the shard, so the row
/// does not keep it from being made again, and rows that follow it have begun, all of them, so none looks back to it.
///
/// A row goes with or after those of its parents. Otherwise one that stays would name a child that seems to be missing.
pub(crate) fn leases_to_delete(stream: &StreamId, shards: &[Shard], book: &LeaseBook) -> Vec<Lease> {
    let listed: BTreeSet<&ShardId> = shards.iter().map(|shard| &shard.shard_id).collect();
    let may_be_of_no_use = |row: &Lease| row.is_finished() && !listed.contains(&row.shard.shard_id);
    if !book.leases().any(may_be_of_no_use) {
        return Vec::new();
    }
    let family = Family::new(stream, shards, book);
    let passed = family.passed();
    let members = family.parents_first();
    let is_behind = |shard: &&&ShardId| {
        passed.contains(**shard) || family.row(shard).is_some_and(|row| row.checkpoint.has_begun())
    };
    let waiting = members.iter().filter(|shard| !is_behind(shard));
    let needed: BTreeSet<&ShardId> =
        waiting.flat_map(|shard| family.parents(shard).iter().copied()).collect();
    let mut deleted = BTreeSet::new();
    let mut leases = Vec::new();
    for shard in members {
        let Some(row) = family.row(shard) else { continue };
        let is_of_no_use = family.is_gone(shard) && passed.contains(shard) && !needed.contains(shard);
        let mut parents = family.parents(shard).iter();
        let outlives_no_parent =
            parents.all(|parent| family.row(parent).is_none() || deleted.contains(parent));
        if row.is_finished() && is_of_no_use && outlives_no_parent {
            deleted.insert(*shard);
            leases.push(row.clone());
        }
    }
    leases
}

/// Finished shards with a child, as far as the rows name them, that has no row: their last owner did not get so far. A
/// child whose own children have begun was finished and cleaned up.
pub(crate) fn ended_without_children(book: &LeaseBook) -> BTreeSet<ShardKey> {
    let finished = book.leases().filter(|lease| lease.is_finished());
    let children = finished.flat_map(|lease| {
        lease.children.iter().map(|child| (lease.shard.clone(), lease.shard.sibling(child)))
    });
    let mut missing: Vec<(ShardKey, ShardKey)> =
        children.filter(|(_, child)| book.get(child).is_none()).collect();
    if !missing.is_empty() {
        let begun = book.leases().filter(|lease| lease.checkpoint.has_begun());
        let passed: BTreeSet<ShardKey> =
            begun.flat_map(|lease| lease.parents.iter().map(|parent| lease.shard.sibling(parent))).collect();
        missing.retain(|(_, child)| !passed.contains(child));
    }
    missing.into_iter().map(|(parent, _)| parent).collect()
}

/// Shards that take new records although the rows say that they have ended, their own or, if a sync made them none, those
/// of shards that follow them: the rows are those of an earlier stream of the same name, or somebody has changed them.
///
/// To be asked after a sync.
pub(crate) fn finished_but_open(stream: &StreamId, shards: &[Shard], book: &LeaseBook) -> Vec<ShardKey> {
    let will_be_read = |shard: &ShardKey| book.get(shard).is_some_and(|row| !row.is_finished());
    let open = shards.iter().filter(|shard| shard.is_open()).map(|shard| key(stream, shard));
    open.filter(|shard| !will_be_read(shard)).collect()
}

fn key(stream: &StreamId, shard: &Shard) -> ShardKey {
    ShardKey::new(stream.clone(), shard.shard_id.clone())
}

#[cfg(test)]
mod tests;
