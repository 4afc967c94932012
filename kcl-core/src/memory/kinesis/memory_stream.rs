use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::MemoryKinesisSettings;
use super::arn::stream_arn;
use super::consumers::Consumers;
use super::errors::not_found;
use super::even_ranges::even_ranges;
use super::memory_shard::MemoryShard;
use super::sequence::ShardNumbering;
use crate::error::Result;
use crate::model::{HashKeyRange, SequenceNumber, ShardId, StreamArn, StreamId, Timestamp};
use crate::stream::{StreamDescription, StreamStatus};

/// One stream. The hash ranges of its open shards cover every hash key exactly once.
///
/// Nothing here looks at all shards, except what lists them. So what retention takes is forgotten when its shard is next
/// used; but a closed shard, as a whole, at once.
#[derive(Debug)]
pub(super) struct MemoryStream {
    id: StreamId,
    arn: StreamArn,
    settings: Arc<MemoryKinesisSettings>,
    created_at: Timestamp,
    /// Records that arrived before this are forgotten. It only ever moves on.
    horizon: Timestamp,
    shards: BTreeMap<ShardId, MemoryShard>,
    /// The open shards, by their starting hash keys.
    open: BTreeMap<u128, ShardId>,
    /// The closed shards, in the order of their closing.
    closed: VecDeque<(Timestamp, ShardId)>,
    resharded_at: Option<Timestamp>,
    /// The number in the next shard's name; names are never used again.
    next_ordinal: u32,
    pub(super) consumers: Consumers,
}

impl MemoryStream {
    pub(super) fn new(
        id: StreamId,
        shard_count: u32,
        settings: Arc<MemoryKinesisSettings>,
        now: Timestamp,
    ) -> Result<Self> {
        let arn = stream_arn(&id)?;
        let mut stream = Self {
            consumers: Consumers::new(arn.clone(), Arc::clone(&settings)),
            id,
            arn,
            settings,
            created_at: now,
            horizon: Timestamp::from_millis(i64::MIN),
            shards: BTreeMap::new(),
            open: BTreeMap::new(),
            closed: VecDeque::new(),
            resharded_at: None,
            next_ordinal: 0,
        };
        for range in even_ranges(shard_count) {
            stream.open(&[], range, now)?;
        }
        Ok(stream)
    }

    pub(super) fn id(&self) -> &StreamId {
        &self.id
    }

    pub(super) fn arn(&self) -> &StreamArn {
        &self.arn
    }

    pub(super) fn settings(&self) -> &MemoryKinesisSettings {
        &self.settings
    }

    /// Lets retention take what it must by `now`.
    pub(super) fn pass_time(&mut self, now: Timestamp) {
        self.trim(now.saturating_sub(self.settings.retention));
        self.consumers.pass_time(now);
    }

    /// Forgets records that arrived before `horizon`, and shards that were closed before it.
    pub(super) fn trim(&mut self, horizon: Timestamp) {
        self.horizon = self.horizon.max(horizon);
        while let Some((_, shard_id)) = self.closed.pop_front_if(|(closed_at, _)| *closed_at < self.horizon) {
            self.shards.remove(&shard_id);
        }
    }

    /// The time from which on the stream can be read.
    pub(super) fn oldest_time(&self) -> Timestamp {
        self.horizon.max(self.created_at)
    }

    pub(super) fn describe(&self, now: Timestamp) -> StreamDescription {
        StreamDescription {
            arn: self.arn.clone(),
            status: if self.is_updating(now) { StreamStatus::Updating } else { StreamStatus::Active },
            retention: self.settings.retention,
            open_shard_count: self.open.len(),
            consumer_count: self.consumers.count(),
        }
    }

    /// True for a while after a split or a merge.
    pub(super) fn is_updating(&self, now: Timestamp) -> bool {
        let transition = self.settings.reshard_transition;
        self.resharded_at.is_some_and(|resharded_at| now.saturating_since(resharded_at) < transition)
    }

    /// The shards whose names are above `after`, in order.
    pub(super) fn shards_after(&self, after: Option<&ShardId>) -> impl Iterator<Item = &MemoryShard> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.shards.range((start, Bound::Unbounded)).map(|(_, shard)| shard)
    }

    pub(super) fn has_shard(&self, shard_id: &ShardId) -> bool {
        self.shards.contains_key(shard_id)
    }

    pub(super) fn put(
        &mut self,
        partition_key: &str,
        hash_key: u128,
        data: Bytes,
        now: Timestamp,
    ) -> Result<(ShardId, SequenceNumber)> {
        let open = self.open.range(..=hash_key).next_back().map(|(_, shard_id)| shard_id.clone());
        let shard_id = open.ok_or_else(|| {
            not_found(format!("no open shard of stream '{}' takes the hash key {hash_key}", self.id))
        })?;
        let limits = self.settings.limits;
        let shard = self.shard_mut(&shard_id)?;
        shard.quotas.count_write(&shard_id, partition_key.len() + data.len(), &limits, now)?;
        let sequence_number = shard.put(partition_key, data, now)?;
        Ok((shard_id, sequence_number))
    }

    /// Opens a shard that takes the hash keys of `range` from here on.
    pub(super) fn open(
        &mut self,
        parents: &[&ShardId],
        range: HashKeyRange,
        now: Timestamp,
    ) -> Result<ShardId> {
        let numberings = parents.iter().map(|id| Ok(self.shard(id)?.numbering()));
        let numbering = ShardNumbering::new(&numberings.collect::<Result<Vec<_>>>()?, self.next_ordinal, now);
        let shard_id = ShardId::new(format!("shardId-{:012}", self.next_ordinal));
        let parents = [0, 1].map(|index| parents.get(index).map(|&id| id.clone()));
        let shard = MemoryShard::new(shard_id.clone(), parents, range, numbering, now)?;
        self.next_ordinal += 1;
        self.open.insert(range.start, shard_id.clone());
        self.shards.insert(shard_id.clone(), shard);
        Ok(shard_id)
    }

    /// Closes a shard whose hash keys `children` have taken.
    pub(super) fn close(&mut self, shard_id: &ShardId, children: &[ShardId], now: Timestamp) -> Result<()> {
        let children = children.iter().map(|id| Ok(self.shard(id)?.as_child()));
        let children = children.collect::<Result<Vec<_>>>()?;
        let shard = self.shard_mut(shard_id)?;
        shard.close(children, now)?;
        let start = shard.listing().hash_key_range.start;
        if self.open.get(&start) == Some(shard_id) {
            self.open.remove(&start);
        }
        self.resharded_at = Some(now);
        self.closed.push_back((now, shard_id.clone()));
        Ok(())
    }

    pub(super) fn shard(&self, shard_id: &ShardId) -> Result<&MemoryShard> {
        self.shards
            .get(shard_id)
            .ok_or_else(|| not_found(format!("stream '{}' has no shard '{shard_id}'", self.id)))
    }

    /// A shard, without the records that retention has taken.
    pub(super) fn shard_mut(&mut self, shard_id: &ShardId) -> Result<&mut MemoryShard> {
        let shard = self
            .shards
            .get_mut(shard_id)
            .ok_or_else(|| not_found(format!("stream '{}' has no shard '{shard_id}'", self.id)))?;
        shard.trim(self.horizon);
        Ok(shard)
    }
}
