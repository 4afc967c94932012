use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::errors::refused;
use super::sequence::ShardNumbering;
use super::shard_quotas::ShardQuotas;
use crate::error::{Error, Result};
use crate::model::{HashKeyRange, Record, RecordPosition, SequenceNumber, Shard, ShardId, Timestamp};
use crate::stream::{ChildShard, IteratorPosition};

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
    opened_at: Timestamp,
    closed: Option<Closed>,
    pub(super) quotas: ShardQuotas,
    /// Wakes the subscriptions to this shard.
    news: Arc<Notify>,
}

/// How a shard ended.
#[derive(Debug)]
struct Closed {
    at: Timestamp,
    children: Vec<ChildShard>,
}

/// How much one read may return. A single record may be larger.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadMax {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// What one read returned.
pub(super) struct ShardRead {
    pub(super) records: Vec<Record>,
    pub(super) bytes: usize,
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
        now: Timestamp,
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
            opened_at: now,
            closed: None,
            quotas: ShardQuotas::default(),
            news: Arc::default(),
        })
    }

    /// The shard as the service lists it.
    pub(super) fn listing(&self) -> &Shard {
        &self.listing
    }

    pub(super) fn numbering(&self) -> ShardNumbering {
        self.numbering
    }

    /// When it was opened, and when it was closed.
    pub(super) fn lifetime(&self) -> (Timestamp, Option<Timestamp>) {
        (self.opened_at, self.closed.as_ref().map(|closed| closed.at))
    }

    /// The shard as the end of a parent names it.
    pub(super) fn as_child(&self) -> ChildShard {
        ChildShard {
            shard_id: self.listing.shard_id.clone(),
            parents: self.listing.parents().cloned().collect(),
            hash_key_range: self.listing.hash_key_range,
        }
    }

    /// The shards that follow it; none while it is open.
    pub(super) fn children(&self) -> &[ChildShard] {
        self.closed.as_ref().map_or(&[], |closed| &closed.children)
    }

    /// Notified whenever a subscription to this shard may have something to do.
    pub(super) fn news(&self) -> &Arc<Notify> {
        &self.news
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
        self.news.notify_waiters();
        Ok(sequence_number)
    }

    /// Takes no more records from here on.
    pub(super) fn close(&mut self, children: Vec<ChildShard>, now: Timestamp) -> Result<()> {
        self.listing.ending_sequence_number = Some(self.numbering.end(now)?);
        self.closed = Some(Closed { at: now, children });
        self.news.notify_waiters();
        Ok(())
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

    /// Records from `index` on, or from the oldest one kept if that is later.
    pub(super) fn read(&self, index: u64, max: ReadMax, now: Timestamp) -> ShardRead {
        let skipped = self.skipped(index);
        let (count, bytes) = fitting(self.records.range(skipped..), max);
        let records: Vec<Record> = self.records.range(skipped..skipped + count).cloned().collect();
        let unread = self.records.range(skipped + count..);
        let at_end = unread.len() == 0 && self.closed.is_some();
        ShardRead {
            next_index: (!at_end).then(|| self.next_index - unread.len() as u64),
            millis_behind_latest: millis_behind(records.last(), unread, now),
            records,
            bytes,
        }
    }

    /// When what lies from `index` on is pushed to a subscription: its first record `delay` after it arrived, and the end of
    /// a shard with all that is left as soon as it is closed. `None` if there is nothing.
    pub(super) fn push_at(&self, index: u64, delay: Duration) -> Option<Timestamp> {
        let next = self.records.get(self.skipped(index));
        let closed_at = self.closed.as_ref().map(|closed| closed.at);
        closed_at.or_else(|| next.map(|record| record.approximate_arrival.saturating_add(delay)))
    }

    /// A number above that of every record before `index`, and below that of every one from there on, that moves on
    /// with the time.
    pub(super) fn number_before(&self, index: u64, now: Timestamp) -> Result<SequenceNumber> {
        self.numbering.record(index.max(self.first_index()) - 1, now)
    }

    /// How many of the kept records lie before `index`.
    fn skipped(&self, index: u64) -> usize {
        let skipped = index.saturating_sub(self.first_index());
        usize::try_from(skipped).unwrap_or(usize::MAX).min(self.records.len())
    }

    fn first_index(&self) -> u64 {
        self.next_index - self.records.len() as u64
    }

    fn first_where_not(&self, is_before: impl Fn(&Record) -> bool) -> u64 {
        self.first_index() + self.records.partition_point(is_before) as u64
    }

    fn check_time(&self, time: Timestamp, now: Timestamp) -> Result<()> {
        if time > now {
            return Err(self.no_place(&format!("the time {time} is in the future: it is {now}")));
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
        Err(self.no_place(&format!(
            "the sequence number {number} is not of this shard, which holds {start} to {end}"
        )))
    }

    fn no_place(&self, problem: &str) -> Error {
        refused(format!("no place to read from in shard '{}': {problem}", self.listing.shard_id))
    }
}

/// How many of the records one read returns, and their bytes. Always one, if there is one, so there is progress.
fn fitting<'a>(records: impl Iterator<Item = &'a Record>, max: ReadMax) -> (usize, usize) {
    let (mut count, mut bytes) = (0, 0);
    for record in records.take(max.records) {
        let with_this = bytes + record.data.len() + record.partition_key.len();
        if count > 0 && with_this > max.bytes {
            break;
        }
        (count, bytes) = (count + 1, with_this);
    }
    (count, bytes)
}

/// The age of the last record read, or else of the next one, but never 0 while there is more to read.
fn millis_behind<'a>(
    last_read: Option<&'a Record>,
    mut unread: impl Iterator<Item = &'a Record>,
    now: Timestamp,
) -> u64 {
    let Some(next) = unread.next() else { return 0 };
    let age = now.saturating_since(last_read.unwrap_or(next).approximate_arrival);
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX).max(1)
}
