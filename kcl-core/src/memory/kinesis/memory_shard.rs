use std::collections::VecDeque;

use bytes::Bytes;

use super::sequence::ShardNumbering;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{HashKeyRange, Record, RecordPosition, SequenceNumber, Shard, ShardId, Timestamp};
use crate::stream::IteratorPosition;

/// The most bytes that one `GetRecords` call returns (Kinesis API reference).
const READ_BYTES_MAX: usize = 10 * 1024 * 1024;

/// One shard: what the service lists of it, and the records that it still keeps.
///
/// A record's sequence index counts from 1 in the order of arrival. The kept records have consecutive indices, the last
/// one `next_index - 1`, and arrival times that never descend.
#[derive(Debug)]
pub(super) struct MemoryShard {
    listing: Shard,
    numbering: ShardNumbering,
    records: VecDeque<Record>,
    next_index: u64,
    closed_at: Option<Timestamp>,
}

/// What one read returned.
pub(super) struct ShardRead {
    pub(super) records: Vec<Record>,
    /// The sequence index to read on from; `None` at the end of a closed shard.
    pub(super) next_index: Option<u64>,
    pub(super) millis_behind_latest: u64,
}

impl MemoryShard {
    pub(super) fn new(
        shard_id: ShardId,
        parents: [Option<ShardId>; 2],
        hash_key_range: HashKeyRange,
        numbering: ShardNumbering,
    ) -> Result<Self> {
        let [parent, adjacent_parent] = parents;
        Ok(Self {
            listing: Shard {
                shard_id,
                parent,
                adjacent_parent,
                hash_key_range,
                starting_sequence_number: numbering.start()?,
                ending_sequence_number: None,
            },
            numbering,
            records: VecDeque::new(),
            next_index: 1,
            closed_at: None,
        })
    }

    /// The shard as the service lists it.
    pub(super) fn listing(&self) -> &Shard {
        &self.listing
    }

    pub(super) fn numbering(&self) -> ShardNumbering {
        self.numbering
    }

    pub(super) fn put(&mut self, partition_key: &str, data: Bytes, now: Timestamp) -> Result<SequenceNumber> {
        let sequence_number = self.numbering.record(self.next_index, now)?;
        self.records.push_back(Record {
            position: RecordPosition { sequence_number: sequence_number.clone(), sub_sequence_number: 0 },
            partition_key: partition_key.into(),
            explicit_hash_key: None,
            approximate_arrival: now,
            data,
        });
        self.next_index += 1;
        Ok(sequence_number)
    }

    /// Takes no more records from here on.
    pub(super) fn close(&mut self, now: Timestamp) -> Result<()> {
        self.listing.ending_sequence_number = Some(self.numbering.end(now)?);
        self.closed_at = Some(now);
        Ok(())
    }

    /// True if the shard was closed before `horizon`, so that nothing in it can be kept.
    pub(super) fn was_closed_before(&self, horizon: Timestamp) -> bool {
        self.closed_at.is_some_and(|closed_at| closed_at < horizon)
    }

    /// Forgets the records that arrived before `horizon`.
    pub(super) fn trim(&mut self, horizon: Timestamp) {
        while self.records.front().is_some_and(|oldest| oldest.approximate_arrival < horizon) {
            self.records.pop_front();
        }
    }

    /// The sequence index of the next record that an iterator of this type reads.
    pub(super) fn index_of(&self, position: &IteratorPosition, now: Timestamp) -> Result<u64> {
        Ok(match position {
            IteratorPosition::TrimHorizon => self.first_index(),
            IteratorPosition::Latest => self.next_index,
            IteratorPosition::AtTimestamp(time) => {
                self.check_time(*time, now)?;
                self.first_where_not(|record| record.approximate_arrival < *time)
            }
            IteratorPosition::AtSequenceNumber(number) => {
                self.check_number(number)?;
                self.first_where_not(|record| record.position.sequence_number < *number)
            }
            IteratorPosition::AfterSequenceNumber(number) => {
                self.check_number(number)?;
                self.first_where_not(|record| record.position.sequence_number <= *number)
            }
        })
    }

    /// Up to `limit` records from `index` on, or from the oldest one kept if that is later.
    pub(super) fn read(&self, index: u64, limit: usize, now: Timestamp) -> ShardRead {
        let skipped = index.saturating_sub(self.first_index());
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(self.records.len());
        let records = within_read_bytes(self.records.range(skipped..).take(limit));
        let unread = self.records.len() - skipped - records.len();
        let at_end = unread == 0 && self.closed_at.is_some();
        ShardRead {
            millis_behind_latest: millis_behind(&records, unread, now),
            next_index: (!at_end).then(|| self.next_index - unread as u64),
            records,
        }
    }

    fn first_index(&self) -> u64 {
        self.next_index - self.records.len() as u64
    }

    fn first_where_not(&self, is_before: impl Fn(&Record) -> bool) -> u64 {
        self.first_index() + self.records.partition_point(is_before) as u64
    }

    fn check_time(&self, time: Timestamp, now: Timestamp) -> Result<()> {
        if time > now {
            return Err(self.refused(&format!("the time {time} is in the future: it is {now}")));
        }
        Ok(())
    }

    fn check_number(&self, number: &SequenceNumber) -> Result<()> {
        let start = &self.listing.starting_sequence_number;
        let end = match &self.listing.ending_sequence_number {
            Some(end) => end.clone(),
            None => self.numbering.ceiling()?,
        };
        if (start..=&end).contains(&number) {
            return Ok(());
        }
        Err(self.refused(&format!(
            "the sequence number {number} is not of this shard, which holds {start} to {end}"
        )))
    }

    fn refused(&self, problem: &str) -> Error {
        Error::new(
            ErrorKind::Refused,
            format!("no iterator for shard '{}': {problem}", self.listing.shard_id),
        )
    }
}

/// As many of the records as fit one call. A record is far smaller than the limit, so there always is progress.
fn within_read_bytes<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<Record> {
    let mut bytes = 0;
    records
        .take_while(|record| {
            bytes += record.data.len() + record.partition_key.len();
            bytes <= READ_BYTES_MAX
        })
        .cloned()
        .collect()
}

/// The age of the last record read, but never 0 while there is more to read.
fn millis_behind(read: &[Record], unread: usize, now: Timestamp) -> u64 {
    match read.last() {
        Some(last) if unread > 0 => {
            let age = now.saturating_since(last.approximate_arrival);
            u64::try_from(age.as_millis()).unwrap_or(u64::MAX).max(1)
        }
        _ => 0,
    }
}
