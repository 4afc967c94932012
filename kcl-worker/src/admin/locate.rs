use std::time::Duration;

use kcl_core::model::{Record, SequenceNumber, Shard, ShardKey, Timestamp};
use kcl_core::stream::{GET_RECORDS_MAX, IteratorPosition, Kinesis, ShardIterator};
use tokio::time::sleep;

use super::rewind_plan::{FirstSince, end_of};
use crate::Failure;

/// The service allows five reads a second on a shard, and workers read it, too.
const READ_INTERVAL: Duration = Duration::from_millis(250);

/// How far before a time the record before it is looked for: first near, where little must be read, then farther.
const LOOK_BACKS: [Duration; 7] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(100),
    Duration::from_secs(1_000),
    Duration::from_secs(10_000),
    Duration::from_secs(100_000),
    Duration::from_secs(1_000_000),
];

/// Where in a shard the records begin that arrived at or after a time, or without one those that are still to arrive.
///
/// A checkpoint names the last record that is *not* to be delivered, so that one is looked for. A place such as "the tip"
/// would not do: what arrives before a worker begins would be left out.
pub(super) async fn locate(
    kinesis: &dyn Kinesis,
    shard: &Shard,
    key: &ShardKey,
    time: Option<Timestamp>,
) -> Result<FirstSince, Failure> {
    let mut first = None;
    if let Some(time) = time {
        let mut reader = Reader::open(kinesis, key, IteratorPosition::AtTimestamp(time)).await?;
        first = reader.next().await?.map(|record| record.position.sequence_number);
        if first.is_none() && reader.is_closed() {
            return Ok(FirstSince::Nothing);
        }
    } else if !shard.is_open() {
        return Ok(FirstSince::Nothing);
    }
    let time = time.unwrap_or_else(|| kinesis.now());
    let earlier = LOOK_BACKS.map(|back| IteratorPosition::AtTimestamp(time.saturating_sub(back)));
    for position in earlier.into_iter().chain([IteratorPosition::TrimHorizon]) {
        let reader = Reader::open(kinesis, key, position).await?;
        if let Some(last) = reader.last_before(first.as_ref()).await? {
            return Ok(FirstSince::After(end_of(last, shard.hash_key_range)));
        }
    }
    Ok(FirstSince::All)
}

/// The end of the record of this sequence number.
pub(super) async fn locate_record(
    kinesis: &dyn Kinesis,
    shard: &Shard,
    key: &ShardKey,
    number: &SequenceNumber,
) -> Result<FirstSince, Failure> {
    let position = IteratorPosition::AtSequenceNumber(number.clone());
    let found = Reader::open(kinesis, key, position).await?.next().await?;
    let record = found.filter(|record| record.position.sequence_number == *number).ok_or_else(|| {
        Failure::runtime(format!(
            "the stream has no record {number} in shard {}, or no longer",
            shard.shard_id
        ))
    })?;
    Ok(FirstSince::After(end_of(record, shard.hash_key_range)))
}

/// Reads a shard from a place to its tip, at a modest pace.
struct Reader<'a> {
    kinesis: &'a dyn Kinesis,
    iterator: Option<ShardIterator>,
    page: std::vec::IntoIter<Record>,
    is_at_tip: bool,
}

impl<'a> Reader<'a> {
    async fn open(
        kinesis: &'a dyn Kinesis,
        shard: &ShardKey,
        position: IteratorPosition,
    ) -> Result<Self, Failure> {
        loop {
            match kinesis.get_shard_iterator(shard, &position).await {
                Ok(iterator) => {
                    return Ok(Self {
                        kinesis,
                        iterator: Some(iterator),
                        page: Vec::new().into_iter(),
                        is_at_tip: false,
                    });
                }
                Err(error) if error.is_retryable() => sleep(READ_INTERVAL).await,
                Err(error) => return Err(Failure::runtime(error)),
            }
        }
    }

    /// The next record; `None` at the tip, or at the end of a closed shard.
    async fn next(&mut self) -> Result<Option<Record>, Failure> {
        loop {
            if let Some(record) = self.page.next() {
                return Ok(Some(record));
            }
            let Some(iterator) = self.iterator.as_ref().filter(|_| !self.is_at_tip) else { return Ok(None) };
            match self.kinesis.get_records(iterator, GET_RECORDS_MAX).await {
                Ok(page) => {
                    self.is_at_tip = page.millis_behind_latest == 0;
                    self.iterator = page.next;
                    self.page = page.records.into_iter();
                }
                Err(error) if error.is_retryable() => {}
                Err(error) => return Err(Failure::runtime(error)),
            }
            if self.page.len() == 0 && !self.is_at_tip {
                sleep(READ_INTERVAL).await;
            }
        }
    }

    /// True if the shard is closed, and read to its end.
    fn is_closed(&self) -> bool {
        self.iterator.is_none()
    }

    /// The last record before `end`, or before the tip.
    async fn last_before(mut self, end: Option<&SequenceNumber>) -> Result<Option<Record>, Failure> {
        let mut last = None;
        while let Some(record) = self.next().await? {
            if end.is_some_and(|end| record.position.sequence_number >= *end) {
                break;
            }
            last = Some(record);
        }
        Ok(last)
    }
}
