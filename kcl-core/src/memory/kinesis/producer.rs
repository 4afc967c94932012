use bytes::Bytes;

use super::MemoryKinesis;
use super::errors::refused;
use super::memory_stream::MemoryStream;
use crate::aggregation::hash_key_of;
use crate::error::Result;
use crate::model::{SequenceNumber, ShardId, StreamId, Timestamp};

/// The most characters of a partition key (`PutRecord`, Kinesis API reference).
const PARTITION_KEY_CHARS_MAX: usize = 256;

/// The most records of one `PutRecords` call (Kinesis API reference).
const ENTRIES_MAX: usize = 500;

/// The most bytes of one `PutRecords` call, keys included (Kinesis API reference).
const ENTRIES_BYTES_MAX: usize = 10 * 1024 * 1024;

/// A record to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutRecordsEntry {
    /// Chooses the shard, unless there is an explicit hash key.
    pub partition_key: String,
    /// The hash key instead of the partition key's MD5 digest.
    pub explicit_hash_key: Option<u128>,
    /// Its content.
    pub data: Bytes,
}

/// Where a record went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutRecordOutput {
    /// The shard that took it.
    pub shard_id: ShardId,
    /// Its number there.
    pub sequence_number: SequenceNumber,
}

impl MemoryKinesis {
    /// Adds a record to the open shard that takes its hash key: `explicit_hash_key`, or else the MD5 digest of the
    /// partition key. Refused unless the key has 1 to 256 characters, and key and data together at most the bytes that
    /// the settings allow. Throttled by the limits of writes.
    pub fn put_record(
        &self,
        stream: &StreamId,
        partition_key: &str,
        explicit_hash_key: Option<u128>,
        data: Bytes,
    ) -> Result<PutRecordOutput> {
        self.check_record(partition_key, &data)?;
        self.service
            .with_stream(stream, |stream, now| put(stream, partition_key, explicit_hash_key, data, now))
    }

    /// Adds 1 to 500 records of together at most 10 MiB, in their order. The call is refused as a whole for what
    /// [`put_record`](Self::put_record) would refuse; otherwise each record has an outcome of its own.
    pub fn put_records(
        &self,
        stream: &StreamId,
        entries: Vec<PutRecordsEntry>,
    ) -> Result<Vec<Result<PutRecordOutput>>> {
        self.check_entries(&entries)?;
        self.service.with_stream(stream, |stream, now| {
            let outcomes = entries
                .into_iter()
                .map(|entry| put(stream, &entry.partition_key, entry.explicit_hash_key, entry.data, now));
            Ok(outcomes.collect())
        })
    }

    fn check_entries(&self, entries: &[PutRecordsEntry]) -> Result<()> {
        if !(1..=ENTRIES_MAX).contains(&entries.len()) {
            return Err(refused(format!(
                "{} records cannot be put at once; put 1 to {ENTRIES_MAX}",
                entries.len()
            )));
        }
        let bytes: usize = entries.iter().map(|entry| entry.partition_key.len() + entry.data.len()).sum();
        if bytes > ENTRIES_BYTES_MAX {
            return Err(refused(format!(
                "records of {bytes} bytes, their keys included, cannot be put at once; at most {ENTRIES_BYTES_MAX} are \
                 allowed"
            )));
        }
        entries.iter().try_for_each(|entry| self.check_record(&entry.partition_key, &entry.data))
    }

    fn check_record(&self, partition_key: &str, data: &Bytes) -> Result<()> {
        let key_chars = partition_key.chars().count();
        if !(1..=PARTITION_KEY_CHARS_MAX).contains(&key_chars) {
            return Err(refused(format!(
                "the partition key has {key_chars} characters; use 1 to {PARTITION_KEY_CHARS_MAX}"
            )));
        }
        let record_bytes = partition_key.len() + data.len();
        let record_bytes_max = self.service.settings().record_bytes_max;
        if record_bytes > record_bytes_max {
            return Err(refused(format!(
                "the record of partition key '{partition_key}' has {record_bytes} bytes, its key included; at most \
                 {record_bytes_max} are allowed"
            )));
        }
        Ok(())
    }
}

fn put(
    stream: &mut MemoryStream,
    partition_key: &str,
    explicit_hash_key: Option<u128>,
    data: Bytes,
    now: Timestamp,
) -> Result<PutRecordOutput> {
    let hash_key = explicit_hash_key.unwrap_or_else(|| hash_key_of(partition_key));
    let (shard_id, sequence_number) = stream.put(partition_key, hash_key, data, now)?;
    Ok(PutRecordOutput { shard_id, sequence_number })
}
