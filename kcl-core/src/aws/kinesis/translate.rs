//! Ours to the SDK's types, and back. Never drops or invents a value: what cannot be read is an error that names it.

use std::time::Duration;

use aws_sdk_kinesis::error::BuildError;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{self as sdk, ShardFilterType, ShardIteratorType};
use bytes::Bytes;

use super::records_body::RecordsPage;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{HashKeyRange, Record, RecordPosition, SequenceNumber, Shard, ShardId, Timestamp};
use crate::stream::{
    ChildShard, ConsumerDescription, ConsumerStatus, IteratorPosition, ShardFilter, StreamDescription,
    StreamStatus,
};

const SECONDS_PER_HOUR: u64 = 3_600;

const NANOS_PER_MILLI: i128 = 1_000_000;

const MILLIS_PER_SECOND: f64 = 1_000.0;

/// Up to here a binary number of this size is a whole number that is known exactly.
const MILLIS_END: f64 = 9_007_199_254_740_992.0;

/// A position in the three fields that `GetShardIterator` and `SubscribeToShard` share.
pub(super) struct PositionFields {
    pub(super) kind: ShardIteratorType,
    pub(super) sequence_number: Option<String>,
    pub(super) timestamp: Option<DateTime>,
}

impl PositionFields {
    pub(super) fn of(position: &IteratorPosition) -> Self {
        let (kind, sequence_number, timestamp) = match position {
            IteratorPosition::TrimHorizon => (ShardIteratorType::TrimHorizon, None, None),
            IteratorPosition::Latest => (ShardIteratorType::Latest, None, None),
            IteratorPosition::AtTimestamp(time) => (ShardIteratorType::AtTimestamp, None, Some(*time)),
            IteratorPosition::AtSequenceNumber(number) => {
                (ShardIteratorType::AtSequenceNumber, Some(number), None)
            }
            IteratorPosition::AfterSequenceNumber(number) => {
                (ShardIteratorType::AfterSequenceNumber, Some(number), None)
            }
        };
        Self {
            kind,
            sequence_number: sequence_number.map(ToString::to_string),
            timestamp: timestamp.map(date_time),
        }
    }

    pub(super) fn starting_position(self) -> Result<sdk::StartingPosition> {
        let position = sdk::StartingPosition::builder()
            .r#type(self.kind)
            .set_sequence_number(self.sequence_number)
            .set_timestamp(self.timestamp);
        position.build().map_err(|error| unbuildable(&error))
    }
}

/// Nothing for all shards: a request without a filter.
pub(super) fn shard_filter(filter: &ShardFilter) -> Result<Option<sdk::ShardFilter>> {
    let request = sdk::ShardFilter::builder();
    let request = match filter {
        ShardFilter::All => return Ok(None),
        ShardFilter::AfterShardId(shard) => {
            request.r#type(ShardFilterType::AfterShardId).shard_id(shard.as_str())
        }
        ShardFilter::AtTrimHorizon => request.r#type(ShardFilterType::AtTrimHorizon),
        ShardFilter::FromTrimHorizon => request.r#type(ShardFilterType::FromTrimHorizon),
        ShardFilter::AtLatest => request.r#type(ShardFilterType::AtLatest),
        ShardFilter::AtTimestamp(time) => {
            request.r#type(ShardFilterType::AtTimestamp).timestamp(date_time(*time))
        }
        ShardFilter::FromTimestamp(time) => {
            request.r#type(ShardFilterType::FromTimestamp).timestamp(date_time(*time))
        }
    };
    request.build().map(Some).map_err(|error| unbuildable(&error))
}

/// Reads each item of an answer to `call`, which the error names.
pub(super) fn read_all<T, U>(call: &str, items: Vec<T>, read: fn(T) -> Result<U>) -> Result<Vec<U>> {
    items.into_iter().map(read).collect::<Result<_>>().map_err(|error| unreadable(call, &error))
}

/// The error of an answer to `call` that does not have the form it must have.
pub(super) fn unreadable(call: &str, error: &Error) -> Error {
    corrupt(format!("{call} returned what cannot be read: {error}"))
}

pub(super) fn shard(shard: sdk::Shard) -> Result<Shard> {
    let hash_key_range = sdk_hash_key_range(&shard.shard_id, shard.hash_key_range)?;
    let numbers = shard
        .sequence_number_range
        .ok_or_else(|| corrupt(format!("shard '{}' has no sequence number range", shard.shard_id)))?;
    Ok(Shard {
        hash_key_range,
        shard_id: ShardId::new(shard.shard_id),
        parent: shard.parent_shard_id.map(ShardId::new),
        adjacent_parent: shard.adjacent_parent_shard_id.map(ShardId::new),
        starting_sequence_number: numbers.starting_sequence_number.parse()?,
        ending_sequence_number: numbers.ending_sequence_number.as_deref().map(str::parse).transpose()?,
    })
}

pub(super) fn child_shard(child: sdk::ChildShard) -> Result<ChildShard> {
    Ok(ChildShard {
        hash_key_range: sdk_hash_key_range(&child.shard_id, child.hash_key_range)?,
        shard_id: ShardId::new(child.shard_id),
        parents: child.parent_shards.into_iter().map(ShardId::new).collect(),
    })
}

fn sdk_hash_key_range(shard_id: &str, range: Option<sdk::HashKeyRange>) -> Result<HashKeyRange> {
    let (start, end) =
        range.map(|range| (range.starting_hash_key, range.ending_hash_key)).unwrap_or_default();
    hash_key_range(shard_id, &start, &end)
}

pub(super) fn hash_key_range(shard_id: &str, start: &str, end: &str) -> Result<HashKeyRange> {
    match (start.parse(), end.parse()) {
        (Ok(start), Ok(end)) => Ok(HashKeyRange { start, end }),
        _ => Err(corrupt(format!("shard '{shard_id}' has the hash keys '{start}' to '{end}'"))),
    }
}

pub(super) fn records_page(output: GetRecordsOutput) -> Result<RecordsPage> {
    let children = output.child_shards.unwrap_or_default();
    Ok(RecordsPage {
        records: output.records.into_iter().map(record).collect::<Result<_>>()?,
        next: output.next_shard_iterator,
        millis_behind_latest: millis(output.millis_behind_latest),
        children: children.into_iter().map(child_shard).collect::<Result<_>>()?,
    })
}

pub(super) fn record(record: sdk::Record) -> Result<Record> {
    let sequence_number: SequenceNumber = record.sequence_number.parse()?;
    let Some(arrival) = record.approximate_arrival_timestamp else {
        return Err(corrupt(format!("record {sequence_number} has no arrival time")));
    };
    Ok(Record {
        position: RecordPosition { sequence_number, sub_sequence_number: 0 },
        partition_key: record.partition_key.unwrap_or_default().into(),
        explicit_hash_key: None,
        approximate_arrival: timestamp(&arrival)?,
        data: Bytes::from(record.data.into_inner()),
    })
}

pub(super) fn millis(millis: Option<i64>) -> u64 {
    millis.and_then(|millis| u64::try_from(millis).ok()).unwrap_or(0)
}

pub(super) fn stream(stream: sdk::StreamDescriptionSummary) -> Result<StreamDescription> {
    let status = match stream.stream_status {
        sdk::StreamStatus::Creating => StreamStatus::Creating,
        sdk::StreamStatus::Active => StreamStatus::Active,
        sdk::StreamStatus::Updating => StreamStatus::Updating,
        sdk::StreamStatus::Deleting => StreamStatus::Deleting,
        other => return Err(corrupt(format!("the stream has the status '{other}'"))),
    };
    Ok(StreamDescription {
        arn: stream.stream_arn.parse()?,
        status,
        retention: Duration::from_secs(
            u64::try_from(stream.retention_period_hours).unwrap_or(0) * SECONDS_PER_HOUR,
        ),
        open_shard_count: count(stream.open_shard_count),
        consumer_count: count(stream.consumer_count.unwrap_or(0)),
    })
}

pub(super) fn registered(consumer: sdk::Consumer) -> Result<ConsumerDescription> {
    Ok(ConsumerDescription {
        name: consumer.consumer_name,
        arn: consumer.consumer_arn.parse()?,
        status: consumer_status(&consumer.consumer_status)?,
        created_at: timestamp(&consumer.consumer_creation_timestamp)?,
    })
}

pub(super) fn described(consumer: sdk::ConsumerDescription) -> Result<ConsumerDescription> {
    Ok(ConsumerDescription {
        name: consumer.consumer_name,
        arn: consumer.consumer_arn.parse()?,
        status: consumer_status(&consumer.consumer_status)?,
        created_at: timestamp(&consumer.consumer_creation_timestamp)?,
    })
}

fn consumer_status(status: &sdk::ConsumerStatus) -> Result<ConsumerStatus> {
    match status {
        sdk::ConsumerStatus::Creating => Ok(ConsumerStatus::Creating),
        sdk::ConsumerStatus::Active => Ok(ConsumerStatus::Active),
        sdk::ConsumerStatus::Deleting => Ok(ConsumerStatus::Deleting),
        other => Err(corrupt(format!("the consumer has the status '{other}'"))),
    }
}

fn date_time(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millis())
}

/// To the nearest millisecond. The service sends seconds with a fraction, of which the SDK makes a binary number that is
/// often a little less; cut off, a record would seem to have arrived a millisecond early.
fn timestamp(time: &DateTime) -> Result<Timestamp> {
    let millis = (time.as_nanos() + NANOS_PER_MILLI / 2).div_euclid(NANOS_PER_MILLI);
    let millis = i64::try_from(millis).map_err(|_| corrupt(format!("the time {time} is too far")))?;
    Ok(Timestamp::from_millis(millis))
}

/// As above, of what the service sends.
pub(super) fn timestamp_of_secs(secs: f64) -> Result<Timestamp> {
    let millis = (secs * MILLIS_PER_SECOND).round();
    if millis.abs() >= MILLIS_END {
        return Err(corrupt(format!("the time {secs:e} is too far")));
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number that an i64 has room for")]
    let millis = millis as i64;
    Ok(Timestamp::from_millis(millis))
}

fn count(count: i32) -> usize {
    usize::try_from(count).unwrap_or(0)
}

fn unbuildable(error: &BuildError) -> Error {
    Error::new(ErrorKind::Refused, format!("the request could not be built: {error}"))
}

pub(super) fn corrupt(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::primitives::Blob;

    use super::*;

    /// What is read where the SDK reads for itself.
    #[test]
    fn a_page_of_the_sdks_types_is_taken_as_it_is() {
        let record = sdk::Record::builder()
            .sequence_number("497")
            .partition_key("key")
            .data(Blob::new("data"))
            .approximate_arrival_timestamp(DateTime::from_millis(1_700_000_000_123));
        let range = sdk::HashKeyRange::builder().starting_hash_key("0").ending_hash_key("9").build().unwrap();
        let child =
            sdk::ChildShard::builder().shard_id("child").parent_shards("parent").hash_key_range(range);
        let output = GetRecordsOutput::builder()
            .records(record.build().unwrap())
            .next_shard_iterator("next")
            .millis_behind_latest(5)
            .child_shards(child.build().unwrap());
        let body = br#"{"Records":[{"SequenceNumber":"497","PartitionKey":"key","Data":"ZGF0YQ==",
            "ApproximateArrivalTimestamp":1700000000.123}],"NextShardIterator":"next","MillisBehindLatest":5,
            "ChildShards":[{"ShardId":"child","ParentShards":["parent"],
                "HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"9"}}]}"#;
        assert_eq!(records_page(output.build().unwrap()).unwrap(), RecordsPage::read(body).unwrap());
    }

    #[test]
    fn a_time_survives_the_fraction_of_a_second() {
        for millis in [1_700_000_000_000, 1_700_000_000_001, 1_700_000_000_123, 1_700_000_000_999, 0, -1] {
            #[expect(
                clippy::cast_precision_loss,
                reason = "what the SDK makes of the number that the service sends"
            )]
            let sent = DateTime::from_secs_f64(millis as f64 / 1_000.0);
            assert_eq!(timestamp(&sent).unwrap(), Timestamp::from_millis(millis));
        }
    }
}
