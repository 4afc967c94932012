use std::collections::BTreeMap;

use bytes::Bytes;

use super::hash_key::even_ranges;
use super::iterator_token::IteratorToken;
use super::memory_shard::MemoryShard;
use super::sequence::ShardNumbering;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{HashKeyRange, SequenceNumber, Shard, ShardId, ShardKey, StreamId, Timestamp};
use crate::stream::{ChildShard, GetRecordsOutput, IteratorPosition, ShardIterator};

/// One stream. The hash ranges of its open shards cover every hash key exactly once.
#[derive(Debug)]
pub(super) struct MemoryStream {
    id: StreamId,
    shards: BTreeMap<ShardId, MemoryShard>,
    /// The number in the next shard's name; names are never used again.
    next_ordinal: u32,
}

impl MemoryStream {
    pub(super) fn new(id: StreamId, shard_count: u32, now: Timestamp) -> Result<Self> {
        let mut stream = Self { id, shards: BTreeMap::new(), next_ordinal: 0 };
        for range in even_ranges(shard_count) {
            stream.add_shard(&[], range, now)?;
        }
        Ok(stream)
    }

    /// The shards whose names are above `after`, in order.
    pub(super) fn listings(&self, after: Option<&ShardId>) -> impl Iterator<Item = &Shard> {
        self.shards
            .values()
            .map(MemoryShard::listing)
            .filter(move |shard| after.is_none_or(|after| shard.shard_id > *after))
    }

    pub(super) fn put(
        &mut self,
        partition_key: &str,
        hash_key: u128,
        data: Bytes,
        now: Timestamp,
    ) -> Result<(ShardId, SequenceNumber)> {
        let takes = |shard: &Shard| shard.is_open() && shard.hash_key_range.contains(hash_key);
        let open = self.shards.iter_mut().find(|(_, shard)| takes(shard.listing()));
        let (shard_id, shard) = open.ok_or_else(|| {
            not_found(format!("no open shard of stream '{}' takes the hash key {hash_key}", self.id))
        })?;
        Ok((shard_id.clone(), shard.put(partition_key, data, now)?))
    }

    pub(super) fn split(
        &mut self,
        shard_id: &ShardId,
        new_starting_hash_key: u128,
        now: Timestamp,
    ) -> Result<[ShardId; 2]> {
        let HashKeyRange { start, end } = self.open_shard(shard_id)?.listing().hash_key_range;
        if new_starting_hash_key <= start.saturating_add(1) || new_starting_hash_key >= end {
            return Err(refused(format!(
                "shard '{shard_id}' of stream '{}' cannot be split at {new_starting_hash_key}: the key must be \
                 greater than its starting hash key {start} plus one, and less than its ending hash key {end}",
                self.id
            )));
        }
        let (lower, upper) = (
            HashKeyRange { start, end: new_starting_hash_key - 1 },
            HashKeyRange { start: new_starting_hash_key, end },
        );
        let parents = [shard_id];
        let children = [self.add_shard(&parents, lower, now)?, self.add_shard(&parents, upper, now)?];
        self.close_shards(&parents, now)?;
        Ok(children)
    }

    pub(super) fn merge(
        &mut self,
        shard_id: &ShardId,
        adjacent: &ShardId,
        now: Timestamp,
    ) -> Result<ShardId> {
        let one = self.open_shard(shard_id)?.listing().hash_key_range;
        let other = self.open_shard(adjacent)?.listing().hash_key_range;
        if !one.is_adjacent_to(other) {
            return Err(refused(format!(
                "shards '{shard_id}' ({one}) and '{adjacent}' ({other}) of stream '{}' cannot be merged: their \
                 hash key ranges are not adjacent",
                self.id
            )));
        }
        let union = HashKeyRange { start: one.start.min(other.start), end: one.end.max(other.end) };
        let parents = [shard_id, adjacent];
        let child = self.add_shard(&parents, union, now)?;
        self.close_shards(&parents, now)?;
        Ok(child)
    }

    /// Forgets records that arrived before `horizon`, and shards that were closed before it.
    pub(super) fn trim(&mut self, horizon: Timestamp) {
        // Every call comes through here, and nearly none finds anything to forget.
        if self.shards.values().any(|shard| shard.was_closed_before(horizon)) {
            self.shards.retain(|_, shard| !shard.was_closed_before(horizon));
        }
        for shard in self.shards.values_mut() {
            shard.trim(horizon);
        }
    }

    pub(super) fn iterator(
        &self,
        shard_id: &ShardId,
        position: &IteratorPosition,
        now: Timestamp,
    ) -> Result<ShardIterator> {
        let next_index = self.shard(shard_id)?.index_of(position, now)?;
        Ok(self.iterator_at(shard_id, next_index, now))
    }

    pub(super) fn read(
        &self,
        token: &IteratorToken,
        limit: usize,
        now: Timestamp,
    ) -> Result<GetRecordsOutput> {
        let shard_id = &token.shard.shard_id;
        let read = self.shard(shard_id)?.read(token.next_index, limit, now);
        let children = match read.next_index {
            Some(_) => Vec::new(),
            None => self.children_of(shard_id),
        };
        Ok(GetRecordsOutput {
            records: read.records,
            next: read.next_index.map(|index| self.iterator_at(shard_id, index, now)),
            millis_behind_latest: read.millis_behind_latest,
            children,
        })
    }

    fn iterator_at(&self, shard_id: &ShardId, next_index: u64, now: Timestamp) -> ShardIterator {
        let shard = ShardKey::new(self.id.clone(), shard_id.clone());
        let token = IteratorToken { shard: shard.clone(), next_index, issued_at: now };
        ShardIterator { shard, token: token.to_string() }
    }

    fn children_of(&self, parent: &ShardId) -> Vec<ChildShard> {
        self.listings(None)
            .filter(|shard| shard.parents().any(|id| id == parent))
            .map(|shard| ChildShard {
                shard_id: shard.shard_id.clone(),
                parents: shard.parents().cloned().collect(),
                hash_key_range: shard.hash_key_range,
            })
            .collect()
    }

    fn add_shard(&mut self, parents: &[&ShardId], range: HashKeyRange, now: Timestamp) -> Result<ShardId> {
        let numberings =
            parents.iter().map(|id| Ok(self.shard(id)?.numbering())).collect::<Result<Vec<_>>>()?;
        let shard_id = ShardId::new(format!("shardId-{:012}", self.next_ordinal));
        let shard = MemoryShard::new(
            shard_id.clone(),
            [0, 1].map(|index| parents.get(index).map(|&id| id.clone())),
            range,
            ShardNumbering::new(&numberings, self.next_ordinal, now),
        )?;
        self.next_ordinal += 1;
        self.shards.insert(shard_id.clone(), shard);
        Ok(shard_id)
    }

    fn close_shards(&mut self, shard_ids: &[&ShardId], now: Timestamp) -> Result<()> {
        self.shards
            .iter_mut()
            .filter(|(id, _)| shard_ids.contains(id))
            .try_for_each(|(_, shard)| shard.close(now))
    }

    fn open_shard(&self, shard_id: &ShardId) -> Result<&MemoryShard> {
        let shard = self.shard(shard_id)?;
        if !shard.listing().is_open() {
            return Err(refused(format!(
                "shard '{shard_id}' of stream '{}' is closed: it has been split or merged before",
                self.id
            )));
        }
        Ok(shard)
    }

    fn shard(&self, shard_id: &ShardId) -> Result<&MemoryShard> {
        self.shards
            .get(shard_id)
            .ok_or_else(|| not_found(format!("stream '{}' has no shard '{shard_id}'", self.id)))
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Refused, message)
}

fn not_found(message: String) -> Error {
    Error::new(ErrorKind::NotFound, message)
}
