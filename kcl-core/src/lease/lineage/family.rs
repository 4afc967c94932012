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
        let gone = gone(&shards, &parents);
        bridge_gaps(&shards, &rows, &mut parents);
        let parents_first = parents_first(&parents);
        Self { shards, rows, parents, parents_first, gone }
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
}

/// The shards that retention has taken, of which only the rows are left. It takes parents before children, so an
/// unlisted shard that follows a listed one is not taken for gone: it may be too new for this list. So may one whose name
/// is above all that are listed: names ascend in the order of creation, and the newest shard of a stream is open, so it
/// is listed.
fn gone<'a>(shards: &BTreeMap<&ShardId, &Shard>, parents: &Parents<'a>) -> BTreeSet<&'a ShardId> {
    let newest = shards.keys().next_back().copied();
    let mut gone = BTreeSet::new();
    for shard in parents_first(parents) {
        let is_older_than_the_list =
            |parent: &&ShardId| gone.contains(parent) || !parents.contains_key(*parent);
        let is_too_new = newest.is_some_and(|newest| shard > newest);
        if !shards.contains_key(shard) && !is_too_new && parents[shard].iter().all(is_older_than_the_list) {
            gone.insert(shard);
        }
    }
    gone
}

/// A listed shard whose parent is neither listed nor has a row follows, over that gap, every earlier shard that had some
/// of its hash keys: each hash key is in one shard at a time. Of those that only have a row, the names tell which are
/// earlier. They count even if they follow a listed shard: the page that lists that one may be from before retention
/// took both, and the next page from after it.
fn bridge_gaps<'a>(
    shards: &BTreeMap<&'a ShardId, &'a Shard>,
    rows: &BTreeMap<&'a ShardId, &'a Lease>,
    parents: &mut Parents<'a>,
) {
    let is_unknown = |parent: &ShardId| !parents.contains_key(parent);
    let after_a_gap: Vec<&Shard> =
        shards.values().copied().filter(|shard| shard.parents().any(is_unknown)).collect();
    let mut closed: Vec<&Shard> = shards.values().copied().filter(|shard| !shard.is_open()).collect();
    closed.sort_by_key(|shard| &shard.starting_sequence_number);
    let unlisted = rows.iter().filter(|(shard, _)| !shards.contains_key(**shard));
    let unlisted: Vec<_> =
        unlisted.map(|(shard, row)| (*shard, row.hash_key_range.unwrap_or(HashKeyRange::FULL))).collect();
    for shard in after_a_gap {
        let is_earlier = |other: &&Shard| other.starting_sequence_number < shard.starting_sequence_number;
        let earlier = closed.split_at(closed.partition_point(is_earlier)).0.iter();
        let earlier = earlier.map(|shard| (&shard.shard_id, shard.hash_key_range));
        let has_lower_name = |(other, _): &(&ShardId, HashKeyRange)| *other < &shard.shard_id;
        let earlier_rows = unlisted.split_at(unlisted.partition_point(has_lower_name)).0.iter().copied();
        let had_its_keys =
            earlier.chain(earlier_rows).filter(|(_, range)| range.overlaps(shard.hash_key_range));
        let before = had_its_keys.map(|(shard, _)| shard);
        parents.entry(&shard.shard_id).or_default().extend(before);
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
