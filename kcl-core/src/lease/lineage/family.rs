use std::collections::{BTreeMap, BTreeSet};

use crate::lease::{Lease, LeaseBook};
use crate::model::{HashKeyRange, Shard, ShardId, StreamId};

/// The family tree of a stream's shards, as far as the stream's list and the rows tell it. Its members are the shards
/// that are listed or have a row.
///
/// The list is believed where it names a shard; the rows of other shards tell who their parents are. Every question
/// takes time in proportion to the number of members, however many generations there are.
pub(super) struct Family<'a> {
    shards: BTreeMap<&'a ShardId, &'a Shard>,
    rows: BTreeMap<&'a ShardId, &'a Lease>,
    parents: Parents<'a>,
    parents_first: Vec<&'a ShardId>,
    gone: BTreeSet<&'a ShardId>,
}

/// The parents of each member; they need not be members.
type Parents<'a> = BTreeMap<&'a ShardId, Vec<&'a ShardId>>;

impl<'a> Family<'a> {
    pub(super) fn new(stream: &StreamId, shards: &'a [Shard], book: &'a LeaseBook) -> Self {
        let shards: BTreeMap<_, _> = shards.iter().map(|shard| (&shard.shard_id, shard)).collect();
        let rows = book.leases().filter(|row| row.shard.stream == *stream);
        let rows: BTreeMap<_, _> = rows.map(|row| (&row.shard.shard_id, row)).collect();
        let mut parents: Parents<'a> =
            rows.iter().map(|(shard, row)| (*shard, row.parents.iter().collect())).collect();
        parents.extend(shards.iter().map(|(id, shard)| (*id, shard.parents().collect())));
        let parents_first = parents_first(&parents);
        let mut family = Self { shards, rows, parents, parents_first, gone: BTreeSet::new() };
        family.find_gone();
        family.bridge_gaps();
        family
    }

    /// All members, each after its parents.
    pub(super) fn parents_first(&self) -> &[&'a ShardId] {
        &self.parents_first
    }

    pub(super) fn shard(&self, shard: &ShardId) -> Option<&'a Shard> {
        self.shards.get(shard).copied()
    }

    pub(super) fn row(&self, shard: &ShardId) -> Option<&'a Lease> {
        self.rows.get(shard).copied()
    }

    /// The shards that a member follows directly.
    pub(super) fn parents(&self, shard: &ShardId) -> &[&'a ShardId] {
        self.parents.get(shard).map_or(&[], Vec::as_slice)
    }

    /// True if retention has taken the shard, of which only the row is left.
    pub(super) fn is_gone(&self, shard: &ShardId) -> bool {
        self.gone.contains(shard)
    }

    /// Every shard that one whose row has begun descends from: they were processed to their end, or never needed.
    pub(super) fn passed(&self) -> BTreeSet<&'a ShardId> {
        let mut passed = BTreeSet::new();
        for shard in self.parents_first.iter().rev() {
            let has_begun = self.row(shard).is_some_and(|row| row.checkpoint.has_begun());
            if has_begun || passed.contains(shard) {
                passed.extend(self.parents(shard));
            }
        }
        passed
    }

    /// Retention takes parents before children. So an unlisted shard that follows a listed one is not gone: it is too
    /// new for this list.
    fn find_gone(&mut self) {
        for shard in &self.parents_first {
            let is_older_than_the_list =
                |parent: &&ShardId| self.gone.contains(parent) || !self.parents.contains_key(*parent);
            if !self.shards.contains_key(shard) && self.parents[shard].iter().all(is_older_than_the_list) {
                self.gone.insert(shard);
            }
        }
        // None of them follows a shard that is not gone.
        let gone = &self.gone;
        self.parents_first.sort_by_key(|shard| !gone.contains(shard));
    }

    /// A listed shard whose parent is neither listed nor has a row follows, over that gap, every shard that is gone and
    /// had some of its hash keys: each hash key is in one shard at a time.
    fn bridge_gaps(&mut self) {
        let known_range =
            |shard: &&'a ShardId| self.rows[*shard].hash_key_range.unwrap_or(HashKeyRange::FULL);
        let gone: Vec<_> = self.gone.iter().map(|shard| (*shard, known_range(shard))).collect();
        if gone.is_empty() {
            return;
        }
        for (shard_id, shard) in &self.shards {
            let is_unknown = |parent: &ShardId| !self.parents.contains_key(parent);
            if shard.parents().any(is_unknown) {
                let before = gone.iter().filter(|(_, range)| range.overlaps(shard.hash_key_range));
                let before: Vec<_> = before.map(|(shard, _)| *shard).collect();
                self.parents.entry(shard_id).or_default().extend(before);
            }
        }
    }
}

/// The members, one generation after the other. Should a list ever have a circle in it, its shards come last.
fn parents_first<'a>(parents: &Parents<'a>) -> Vec<&'a ShardId> {
    let mut children: BTreeMap<&ShardId, Vec<&'a ShardId>> = BTreeMap::new();
    let mut parents_to_come: BTreeMap<&ShardId, usize> = BTreeMap::new();
    for (shard, parents_of_shard) in parents {
        let members = parents_of_shard.iter().filter(|parent| parents.contains_key(**parent));
        parents_to_come.insert(shard, members.clone().count());
        members.for_each(|parent| children.entry(parent).or_default().push(shard));
    }
    let mut order = Vec::with_capacity(parents.len());
    let mut generation: Vec<&ShardId> =
        parents.keys().copied().filter(|shard| parents_to_come[shard] == 0).collect();
    while !generation.is_empty() {
        let mut next = Vec::new();
        for child in generation.iter().filter_map(|shard| children.get(shard)).flatten() {
            let to_come = parents_to_come.entry(child).or_default();
            *to_come -= 1;
            if *to_come == 0 {
                next.push(*child);
            }
        }
        next.sort_unstable();
        order.append(&mut generation);
        generation = next;
    }
    order.extend(parents.keys().filter(|shard| parents_to_come[*shard] > 0));
    order
}
