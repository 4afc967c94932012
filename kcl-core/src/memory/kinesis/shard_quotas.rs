use super::MemoryKinesisLimits;
use super::errors::throttled;
use super::rate_window::RateWindow;
use crate::error::Result;
use crate::model::{ShardId, Timestamp};

/// What has been used of a shard's quotas.
#[derive(Debug, Default)]
pub(super) struct ShardQuotas {
    reads: RateWindow,
    read_bytes: RateWindow,
    iterators: RateWindow,
    write_records: RateWindow,
    write_bytes: RateWindow,
}

impl ShardQuotas {
    /// Fails unless the shard may be read.
    pub(super) fn check_read(
        &self,
        shard: &ShardId,
        limits: &MemoryKinesisLimits,
        now: Timestamp,
    ) -> Result<()> {
        let checks = [
            (self.reads, limits.reads_per_second, "calls of GetRecords"),
            (self.read_bytes, limits.read_bytes_per_second, "bytes read"),
        ];
        checks.into_iter().try_for_each(|(window, limit, what)| match limit {
            Some(limit) if !window.has_room(limit, now) => Err(exceeded(shard, limit, what)),
            _ => Ok(()),
        })
    }

    /// Counts a read that returned so many bytes.
    pub(super) fn count_read(&mut self, bytes: usize, limits: &MemoryKinesisLimits, now: Timestamp) {
        add(&mut self.reads, 1, limits.reads_per_second, now);
        add(&mut self.read_bytes, bytes as u64, limits.read_bytes_per_second, now);
    }

    /// Counts an iterator, or fails.
    pub(super) fn count_iterator(
        &mut self,
        shard: &ShardId,
        limits: &MemoryKinesisLimits,
        now: Timestamp,
    ) -> Result<()> {
        let limit = limits.iterators_per_second;
        if let Some(limit) = limit.filter(|limit| !self.iterators.has_room(*limit, now)) {
            return Err(exceeded(shard, limit, "calls of GetShardIterator"));
        }
        add(&mut self.iterators, 1, limit, now);
        Ok(())
    }

    /// Counts a record of so many bytes, or fails.
    pub(super) fn count_write(
        &mut self,
        shard: &ShardId,
        bytes: usize,
        limits: &MemoryKinesisLimits,
        now: Timestamp,
    ) -> Result<()> {
        let (record_limit, byte_limit) = (limits.write_records_per_second, limits.write_bytes_per_second);
        let checks = [
            (self.write_records, 1, record_limit, "records written"),
            (self.write_bytes, bytes as u64, byte_limit, "bytes written"),
        ];
        for (window, amount, limit, what) in checks {
            if let Some(limit) = limit.filter(|limit| !window.has_room_for(amount, *limit, now)) {
                return Err(exceeded(shard, limit, what));
            }
        }
        add(&mut self.write_records, 1, record_limit, now);
        add(&mut self.write_bytes, bytes as u64, byte_limit, now);
        Ok(())
    }
}

fn add(window: &mut RateWindow, amount: u64, limit: Option<u64>, now: Timestamp) {
    if let Some(limit) = limit {
        window.add(amount, limit, now);
    }
}

fn exceeded(shard: &ShardId, limit: u64, what: &str) -> crate::Error {
    throttled(format!("shard '{shard}' is over its limit of {limit} {what} a second; try again more slowly"))
}
