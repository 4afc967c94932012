//! Reads the body of an answer to `GetRecords` (Kinesis API reference), most of what a worker does for a record that it polls.
//!
//! Must never make up what is not there: the SDK's own reading takes an answer without `Records`, which is how the end of a
//! shard looks, and a record without `Data`. Pure.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::record_memory::RecordMemory;
use super::translate::{hash_key_range, millis, timestamp_of_secs};
use crate::error::{Error, Result};
use crate::model::{PartitionKey, Record, RecordPosition, SequenceNumber, ShardId};
use crate::stream::ChildShard;

/// What the service says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordsPage {
    pub(super) records: Vec<Record>,
    /// The token of the next iterator.
    pub(super) next: Option<String>,
    pub(super) millis_behind_latest: u64,
    pub(super) children: Vec<ChildShard>,
}

impl RecordsPage {
    /// Fails with the field and the place of what cannot be read.
    pub(super) fn read(body: &[u8]) -> std::result::Result<Self, serde_json::Error> {
        // Without names serde would take the fields of an array in their order.
        if body.trim_ascii_start().first() == Some(&b'[') {
            return Err(serde_json::Error::custom("an array is no page"));
        }
        let body: Body = serde_json::from_slice(body)?;
        let children = body.child_shards.unwrap_or_default();
        Ok(Self {
            records: body.records.0,
            next: body.next_shard_iterator,
            millis_behind_latest: millis(body.millis_behind_latest),
            children: children
                .into_iter()
                .map(child_shard)
                .collect::<Result<_>>()
                .map_err(serde_json::Error::custom)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    records: Records,
    next_shard_iterator: Option<String>,
    millis_behind_latest: Option<i64>,
    child_shards: Option<Vec<ChildShardFields>>,
}

/// Made one by one: their fields are still in the body, and no list of them is made.
struct Records(Vec<Record>);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecordFields<'a> {
    #[serde(borrow)]
    sequence_number: Cow<'a, str>,
    /// Seconds with a fraction.
    approximate_arrival_timestamp: f64,
    /// Not there, or null, where the service chose the shard.
    #[serde(borrow)]
    partition_key: Option<Text<'a>>,
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// Of the body, without a copy unless it has escapes: serde makes a copy of what is optional unless it has a type of its own.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChildShardFields {
    shard_id: String,
    parent_shards: Vec<String>,
    hash_key_range: HashKeyRangeFields,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HashKeyRangeFields {
    starting_hash_key: String,
    ending_hash_key: String,
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_seq(RecordsVisitor)
    }
}

struct RecordsVisitor;

impl<'de> Visitor<'de> for RecordsVisitor {
    type Value = Records;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the records of a page")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> std::result::Result<Records, A::Error> {
        let (mut records, mut memory) = (Vec::new(), RecordMemory::default());
        while let Some(fields) = sequence.next_element::<RecordFields<'de>>()? {
            records.push(record(&fields, &mut memory).map_err(A::Error::custom)?);
        }
        Ok(Records(records))
    }
}

fn record(fields: &RecordFields<'_>, memory: &mut RecordMemory) -> Result<Record> {
    let sequence_number: SequenceNumber = fields.sequence_number.parse()?;
    let about =
        |error: Error| Error::new(error.kind(), format!("record {}: {error}", fields.sequence_number));
    let key = fields.partition_key.as_ref().map_or("", |Text(key)| key);
    Ok(Record {
        partition_key: PartitionKey::try_from(memory.copy(key.as_bytes())?)?,
        explicit_hash_key: None,
        approximate_arrival: timestamp_of_secs(fields.approximate_arrival_timestamp).map_err(about)?,
        data: memory.decode(&fields.data).map_err(about)?,
        position: RecordPosition { sequence_number, sub_sequence_number: 0 },
    })
}

fn child_shard(fields: ChildShardFields) -> Result<ChildShard> {
    let HashKeyRangeFields { starting_hash_key, ending_hash_key } = &fields.hash_key_range;
    Ok(ChildShard {
        hash_key_range: hash_key_range(&fields.shard_id, starting_hash_key, ending_hash_key)?,
        shard_id: ShardId::new(fields.shard_id),
        parents: fields.parent_shards.into_iter().map(ShardId::new).collect(),
    })
}
