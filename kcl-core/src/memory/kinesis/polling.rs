use super::iterator_token::IteratorToken;
use super::memory_shard::ReadMax;
use super::memory_stream::MemoryStream;
use crate::error::Result;
use crate::model::{ShardId, ShardKey, Timestamp};
use crate::stream::{GetRecordsOutput, IteratorPosition, ShardIterator};

/// The most bytes that one `GetRecords` call returns (Kinesis API reference).
const READ_BYTES_MAX: usize = 10 * 1024 * 1024;

/// `GetShardIterator` and `GetRecords`.
impl MemoryStream {
    pub(super) fn iterator(
        &mut self,
        shard_id: &ShardId,
        position: &IteratorPosition,
        now: Timestamp,
    ) -> Result<ShardIterator> {
        let limits = self.settings().limits;
        let shard = self.shard_mut(shard_id)?;
        shard.quotas.count_iterator(shard_id, &limits, now)?;
        let next_index = shard.index_of(position, now)?;
        Ok(self.iterator_at(shard_id, next_index, now))
    }

    pub(super) fn read(
        &mut self,
        token: &IteratorToken,
        limit: usize,
        now: Timestamp,
    ) -> Result<GetRecordsOutput> {
        token.check_age(self.settings().iterator_lifetime, now)?;
        let shard_id = &token.shard.shard_id;
        let limits = self.settings().limits;
        let shard = self.shard_mut(shard_id)?;
        shard.quotas.check_read(shard_id, &limits, now)?;
        let max = ReadMax { records: limit, bytes: READ_BYTES_MAX };
        let read = shard.read(token.next_index, max, now);
        shard.quotas.count_read(read.bytes, &limits, now);
        let children = match read.next_index {
            Some(_) => Vec::new(),
            None => shard.children().to_vec(),
        };
        Ok(GetRecordsOutput {
            records: read.records,
            next: read.next_index.map(|index| self.iterator_at(shard_id, index, now)),
            millis_behind_latest: read.millis_behind_latest,
            children,
        })
    }

    fn iterator_at(&self, shard_id: &ShardId, next_index: u64, now: Timestamp) -> ShardIterator {
        let shard = ShardKey::new(self.id().clone(), shard_id.clone());
        let token = IteratorToken { shard: shard.clone(), next_index, issued_at: now };
        ShardIterator { shard, token: token.to_string() }
    }
}
