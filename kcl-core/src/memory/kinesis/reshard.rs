use super::errors::{in_use, refused};
use super::memory_stream::MemoryStream;
use crate::error::Result;
use crate::model::{HashKeyRange, ShardId, Timestamp};

/// `SplitShard` and `MergeShards`.
impl MemoryStream {
    pub(super) fn split(
        &mut self,
        shard_id: &ShardId,
        new_starting_hash_key: u128,
        now: Timestamp,
    ) -> Result<[ShardId; 2]> {
        self.check_not_updating(now)?;
        let HashKeyRange { start, end } = self.open_range(shard_id)?;
        if new_starting_hash_key <= start.saturating_add(1) || new_starting_hash_key >= end {
            return Err(refused(format!(
                "shard '{shard_id}' of stream '{}' cannot be split at {new_starting_hash_key}: the key must be \
                 greater than its starting hash key {start} plus one, and less than its ending hash key {end}",
                self.id()
            )));
        }
        let lower = HashKeyRange { start, end: new_starting_hash_key - 1 };
        let upper = HashKeyRange { start: new_starting_hash_key, end };
        let children = [self.open(&[shard_id], lower, now)?, self.open(&[shard_id], upper, now)?];
        self.close(shard_id, &children, now)?;
        Ok(children)
    }

    pub(super) fn merge(
        &mut self,
        shard_id: &ShardId,
        adjacent: &ShardId,
        now: Timestamp,
    ) -> Result<ShardId> {
        self.check_not_updating(now)?;
        let one = self.open_range(shard_id)?;
        let other = self.open_range(adjacent)?;
        if !one.is_adjacent_to(other) {
            return Err(refused(format!(
                "shards '{shard_id}' ({one}) and '{adjacent}' ({other}) of stream '{}' cannot be merged: their \
                 hash key ranges are not adjacent",
                self.id()
            )));
        }
        let union = HashKeyRange { start: one.start.min(other.start), end: one.end.max(other.end) };
        let child = self.open(&[shard_id, adjacent], union, now)?;
        for parent in [shard_id, adjacent] {
            self.close(parent, std::slice::from_ref(&child), now)?;
        }
        Ok(child)
    }

    fn check_not_updating(&self, now: Timestamp) -> Result<()> {
        if self.is_updating(now) {
            return Err(in_use(format!(
                "stream '{}' is being resharded; wait until it is active",
                self.id()
            )));
        }
        Ok(())
    }

    /// The hash keys of an open shard. Refused for a closed one.
    fn open_range(&self, shard_id: &ShardId) -> Result<HashKeyRange> {
        let shard = self.shard(shard_id)?.listing();
        if !shard.is_open() {
            return Err(refused(format!(
                "shard '{shard_id}' of stream '{}' is closed: it has been split or merged before",
                self.id()
            )));
        }
        Ok(shard.hash_key_range)
    }
}
