use std::mem;

use bytes::Bytes;

use super::contents::{AGGREGATE_PARTITION_KEY, Contents, needs_aggregate};
use super::new_user_record::NewUserRecord;
use super::put::Put;
use crate::error::{Error, ErrorKind, Result};

/// The KPL's default for the size of an aggregate (`AggregationMaxSize`, `KinesisProducerConfiguration.java`).
pub const AGGREGATE_BYTES_DEFAULT: usize = 51_200;

/// The least that the KPL allows for the size of an aggregate.
pub const AGGREGATE_BYTES_MIN: usize = 64;

/// The most bytes of a record in a stream with default limits, with its partition key (Kinesis quotas). The most that the KPL
/// allows for the size of an aggregate, too.
pub const RECORD_BYTES_MAX: usize = 1_048_576;

/// The KPL's default for how many user records an aggregate may have (`AggregationMaxCount`).
pub const AGGREGATE_RECORDS_DEFAULT: u64 = 4_294_967_295;

/// The most characters of a partition key (Kinesis API reference, `PutRecord`).
pub const PARTITION_KEY_CHARS_MAX: usize = 256;

/// Puts user records together into aggregates, as the KPL lays them out.
///
/// An aggregate is stored in the shard of its first user record. So all user records that are added to one aggregator should
/// belong to one shard: a reader that filters by hash key leaves out those that do not.
///
/// ```
/// use kcl_core::aggregation::{Addition, Aggregator, NewUserRecord};
///
/// # fn main() -> kcl_core::Result<()> {
/// let mut aggregator = Aggregator::default();
/// let mut puts = Vec::new();
/// for data in [b"one", b"two"] {
///     let record = NewUserRecord { partition_key: "numbers", data, ..NewUserRecord::default() };
///     if aggregator.add(&record)? == Addition::Full {
///         puts.extend(aggregator.take());
///         aggregator.add(&record)?;
///     }
/// }
/// puts.extend(aggregator.take());
/// assert_eq!(puts[0].user_records, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Aggregator {
    bytes_max: usize,
    records_max: u64,
    contents: Contents,
}

/// What became of a user record that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addition {
    /// It is part of the aggregate.
    Added,
    /// It is not, because it would exceed a limit. [Take](Aggregator::take) what there is, and add it again.
    Full,
}

impl Default for Aggregator {
    /// With the KPL's limits.
    fn default() -> Self {
        Self {
            bytes_max: AGGREGATE_BYTES_DEFAULT,
            records_max: AGGREGATE_RECORDS_DEFAULT,
            contents: Contents::default(),
        }
    }
}

impl Aggregator {
    /// With limits of its own: from [`AGGREGATE_BYTES_MIN`] to [`RECORD_BYTES_MAX`] bytes, and at least one user record.
    ///
    /// Fails with [`ErrorKind::Refused`], naming the value, if one is outside of that.
    pub fn with_limits(bytes_max: usize, records_max: u64) -> Result<Self> {
        if !(AGGREGATE_BYTES_MIN..=RECORD_BYTES_MAX).contains(&bytes_max) {
            return Err(refused(format!(
                "bytes_max is {bytes_max}; it must be from {AGGREGATE_BYTES_MIN} to {RECORD_BYTES_MAX}"
            )));
        }
        if records_max == 0 {
            return Err(refused("records_max is 0; an aggregate has at least one user record".into()));
        }
        Ok(Self { bytes_max, records_max, contents: Contents::default() })
    }

    /// Adds a user record, unless it would exceed a limit.
    ///
    /// The first is always added, as large as it may be: alone it is put as a record of its own, to which the limits of
    /// aggregates do not apply. Fails with [`ErrorKind::Refused`] if no Kinesis record can hold it, or if Kinesis would refuse
    /// its partition key.
    pub fn add(&mut self, record: &NewUserRecord<'_>) -> Result<Addition> {
        let chars = record.partition_key.chars().count();
        if !(1..=PARTITION_KEY_CHARS_MAX).contains(&chars) {
            return Err(refused(format!(
                "a partition key has {chars} characters; it must have from 1 to {PARTITION_KEY_CHARS_MAX}"
            )));
        }
        let contents = &mut self.contents;
        let explicit_hash_key = record.explicit_hash_key.map(|key| key.to_string());
        let bytes = contents.encoded_len() + contents.growth(record, explicit_hash_key.as_deref());
        if contents.count() == 0 {
            check_alone(record, bytes)?;
        } else if contents.count() >= self.records_max
            || bytes > self.bytes_max
            || put_len(bytes) > RECORD_BYTES_MAX
        {
            return Ok(Addition::Full);
        }
        contents.add(record, explicit_hash_key.as_deref());
        Ok(Addition::Added)
    }

    /// How many user records it has.
    pub fn len(&self) -> u64 {
        self.contents.count()
    }

    /// True if it has no user record.
    pub fn is_empty(&self) -> bool {
        self.contents.count() == 0
    }

    /// The exact length of the aggregate in bytes, with its digest.
    pub fn encoded_len(&self) -> usize {
        self.contents.encoded_len()
    }

    /// The aggregate, as it is at present.
    pub fn encode(&self) -> Bytes {
        self.contents.encode()
    }

    /// What is to be put into the stream, after which it begins anew. `None` if it has no user record.
    ///
    /// As in the KPL (`kinesis_record.cc`), a single user record is put as a record of its own, and an aggregate with the
    /// partition key `a` and the hash key of its first user record. Unlike there, a single one is put as an aggregate if it has
    /// tags, or if it begins as an aggregate does.
    pub fn take(&mut self) -> Option<Put> {
        if self.is_empty() {
            return None;
        }
        Some(mem::take(&mut self.contents).into_put())
    }
}

/// `encoded_len` is that of an aggregate of this record alone.
fn check_alone(record: &NewUserRecord<'_>, encoded_len: usize) -> Result<()> {
    let plain_len = record.data.len() + record.partition_key.len();
    let bytes = if needs_aggregate(record) { put_len(encoded_len) } else { plain_len };
    if bytes <= RECORD_BYTES_MAX {
        return Ok(());
    }
    Err(refused(format!(
        "a user record takes {bytes} bytes with its partition key; a Kinesis record has at most {RECORD_BYTES_MAX}"
    )))
}

fn put_len(encoded_len: usize) -> usize {
    encoded_len + AGGREGATE_PARTITION_KEY.len()
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Refused, message)
}
