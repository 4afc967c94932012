//! Which shards need a row, which rows may start, and which are no longer needed. Pure: shards and rows in, decisions
//! out.
//!
//! Follows the family tree of shards. It must never let a child start before its parents are processed to their end,
//! and never make a row for a shard that was processed before and cleaned up.

use std::collections::{BTreeMap, BTreeSet};

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
pub(crate) fn leases_to_create(
    stream: &StreamId,
    shards: &[Shard],
    book: &LeaseBook,
    initial_position: InitialPosition,
) -> Vec<Lease> {
    let mut tree = Tree::new(stream, shards, book);
    let mut wanted: Vec<&Shard> = shards.iter().filter(|shard| tree.needs_row(&shard.shard_id)).collect();
    wanted.sort_by_key(|shard| (tree.depth(&shard.shard_id), &shard.shard_id));
    let mut leases = Vec::new();
    for shard in wanted {
        if let Some(lease) = tree.new_lease(shard, initial_position) {
            // The listing is no snapshot: it may show a parent as open beside its child.
            tree.created.insert(&shard.shard_id);
            leases.push(lease);
        }
    }
    leases
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

/// Finished rows that are of no use any more: the stream no longer lists the shard, so the row does not keep it from
/// being made again, and rows that follow it have begun, all of them, so none looks back to it.
pub(crate) fn leases_to_delete(stream: &StreamId, shards: &[Shard], book: &LeaseBook) -> Vec<Lease> {
    let listed: BTreeSet<&ShardId> = shards.iter().map(|shard| &shard.shard_id).collect();
    let parents_of_rows = |have_begun: bool| -> BTreeSet<&ShardId> {
        let rows = book.leases().filter(|lease| lease.checkpoint.has_begun() == have_begun);
        rows.flat_map(|lease| &lease.parents).collect()
    };
    let (passed, needed) = (parents_of_rows(true), parents_of_rows(false));
    let without_row = shards.iter().filter(|shard| book.get(&key(stream, shard)).is_none());
    let awaited: BTreeSet<&ShardId> = without_row.flat_map(Shard::parents).collect();
    let is_of_no_use = |shard: &ShardId| {
        !listed.contains(shard)
            && passed.contains(shard)
            && !needed.contains(shard)
            && !awaited.contains(shard)
    };
    let finished = book.leases().filter(|lease| lease.is_finished());
    finished.filter(|lease| is_of_no_use(&lease.shard.shard_id)).cloned().collect()
}

/// Finished shards with a child, as far as the rows name them, that has no row: their last owner did not get so far.
pub(crate) fn ended_without_children(book: &LeaseBook) -> BTreeSet<ShardKey> {
    let lacks_a_child =
        |lease: &&Lease| lease.children.iter().any(|child| book.get(&lease.shard.sibling(child)).is_none());
    let finished = book.leases().filter(|lease| lease.is_finished());
    finished.filter(lacks_a_child).map(|lease| lease.shard.clone()).collect()
}

/// Shards that take new records although their rows say that they have ended: the rows are those of an earlier stream
/// of the same name, or somebody has changed them.
pub(crate) fn finished_but_open(stream: &StreamId, shards: &[Shard], book: &LeaseBook) -> Vec<ShardKey> {
    let is_finished = |shard: &ShardKey| book.get(shard).is_some_and(Lease::is_finished);
    let open = shards.iter().filter(|shard| shard.is_open()).map(|shard| key(stream, shard));
    open.filter(is_finished).collect()
}

fn key(stream: &StreamId, shard: &Shard) -> ShardKey {
    ShardKey::new(stream.clone(), shard.shard_id.clone())
}

/// The family tree of the listed shards, with the rows there are.
struct Tree<'a> {
    stream: &'a StreamId,
    book: &'a LeaseBook,
    shards: BTreeMap<&'a ShardId, &'a Shard>,
    /// Every ancestor, listed or not, of a shard whose row has begun.
    passed: BTreeSet<&'a ShardId>,
    /// Shards that get a row in this pass.
    created: BTreeSet<&'a ShardId>,
}

impl<'a> Tree<'a> {
    fn new(stream: &'a StreamId, shards: &'a [Shard], book: &'a LeaseBook) -> Self {
        let shards: BTreeMap<_, _> = shards.iter().map(|shard| (&shard.shard_id, shard)).collect();
        let mut tree = Self { stream, book, shards, passed: BTreeSet::new(), created: BTreeSet::new() };
        let has_begun = |shard: &&ShardId| tree.row(shard).is_some_and(|row| row.checkpoint.has_begun());
        let begun = tree.shards.keys().copied().filter(has_begun);
        tree.passed = begun.flat_map(|shard| tree.ancestors(shard)).collect();
        tree
    }

    fn row(&self, shard: &ShardId) -> Option<&'a Lease> {
        self.book.get(&ShardKey::new(self.stream.clone(), shard.clone()))
    }

    fn needs_row(&self, shard: &ShardId) -> bool {
        self.row(shard).is_none() && !self.passed.contains(shard)
    }

    fn parents(&self, shard: &ShardId) -> impl Iterator<Item = &'a ShardId> + use<'a> {
        self.shards.get(shard).copied().into_iter().flat_map(Shard::parents)
    }

    fn ancestors(&self, shard: &ShardId) -> BTreeSet<&'a ShardId> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&ShardId> = self.parents(shard).collect();
        while let Some(ancestor) = open.pop() {
            if found.insert(ancestor) {
                open.extend(self.parents(ancestor));
            }
        }
        found
    }

    /// How many listed ancestors a shard has: more than any of its ancestors has.
    fn depth(&self, shard: &ShardId) -> usize {
        self.ancestors(shard).into_iter().filter(|ancestor| self.shards.contains_key(ancestor)).count()
    }

    fn new_lease(&self, shard: &Shard, initial_position: InitialPosition) -> Option<Lease> {
        let ancestors = self.ancestors(&shard.shard_id);
        let rows: Vec<&Lease> = ancestors.iter().filter_map(|ancestor| self.row(ancestor)).collect();
        let follows_a_row =
            !rows.is_empty() || ancestors.iter().any(|ancestor| self.created.contains(ancestor));
        let follows_a_begun_row = rows.iter().any(|row| row.checkpoint.has_begun());
        let checkpoint = match initial_position {
            InitialPosition::Latest if follows_a_row => Checkpoint::TrimHorizon,
            InitialPosition::Latest if !shard.is_open() => return None,
            InitialPosition::AtTimestamp(_) if follows_a_begun_row => Checkpoint::TrimHorizon,
            position => position.sentinel(),
        };
        let parents = shard.parents().cloned().collect();
        let mut lease = Lease::unowned(key(self.stream, shard), checkpoint, parents);
        lease.hash_key_range = Some(shard.hash_key_range);
        Some(lease)
    }
}

#[cfg(test)]
mod tests;
