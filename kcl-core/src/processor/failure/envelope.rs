//! The JSON form of a [`FailedBatch`]: the invocation record of a Lambda function that reads from Kinesis ("Capturing
//! discarded batches for a Kinesis Data Streams event source", AWS Lambda developer guide), and what it lacks.
//!
//! Names of fields are read by programs of others: they may be added to, never changed.

use std::fmt::Display;
use std::str::FromStr;

use base64_simd::STANDARD as BASE64;
use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{FailedBatch, FailureCondition};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Record, RecordPosition, SequenceNumber, ShardId, ShardKey, StreamArn, StreamId, Timestamp, WorkerId,
};

/// The version of Lambda's form.
const VERSION: &str = "1.0";

/// What Lambda says of a function that failed by its own fault.
const FUNCTION_ERROR: &str = "Unhandled";

/// The most characters of an error that are written: enough to recognise it, and at most 16 KiB of the 256 KiB that the
/// smallest destination takes.
const ERROR_CHARS_MAX: usize = 4_096;

pub(super) fn write(batch: &FailedBatch) -> Result<String> {
    let envelope = Envelope::of(batch).ok_or_else(|| "it has no records".to_owned());
    let json =
        envelope.and_then(|envelope| serde_json::to_string(&envelope).map_err(|error| error.to_string()));
    json.map_err(|problem| {
        let shard = &batch.shard;
        Error::new(
            ErrorKind::Refused,
            format!("a failed batch of shard '{shard}' has no JSON form: {problem}"),
        )
    })
}

pub(super) fn read(json: &[u8]) -> Result<FailedBatch> {
    let envelope = serde_json::from_slice::<Envelope>(json).map_err(|error| error.to_string());
    envelope
        .and_then(Envelope::into_batch)
        .map_err(|problem| Error::new(ErrorKind::Corrupt, format!("this is not a failed batch: {problem}")))
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    request_context: RequestContext,
    /// Absent if the processor was never called.
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext>,
    version: String,
    timestamp: Rfc3339,
    #[serde(rename = "KinesisBatchInfo")]
    batch_info: BatchInfo,
    worker: String,
    fencing_token: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_failure_at: Option<Rfc3339>,
    idempotency_key: String,
    /// Absent from what was written before it was known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parent_shard_ids: Vec<String>,
    records: Vec<EnvelopeRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    request_id: String,
    condition: Text<FailureCondition>,
    approximate_invoke_count: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext {
    function_error: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchInfo {
    shard_id: String,
    start_sequence_number: Text<SequenceNumber>,
    end_sequence_number: Text<SequenceNumber>,
    approximate_arrival_of_first_record: Rfc3339,
    approximate_arrival_of_last_record: Rfc3339,
    batch_size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_arn: Option<Text<StreamArn>>,
    stream_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_identifier: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeRecord {
    sequence_number: Text<SequenceNumber>,
    sub_sequence_number: u64,
    partition_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit_hash_key: Option<Text<u128>>,
    approximate_arrival_timestamp: Rfc3339,
    data: Base64,
}

impl Envelope {
    /// Nothing if the batch has no records.
    fn of(batch: &FailedBatch) -> Option<Self> {
        let key = batch.idempotency_key();
        Some(Self {
            request_context: RequestContext {
                request_id: key.clone(),
                condition: Text(batch.condition),
                approximate_invoke_count: batch.attempts,
            },
            response_context: (batch.attempts > 0)
                .then(|| ResponseContext { function_error: FUNCTION_ERROR.to_owned() }),
            version: VERSION.to_owned(),
            timestamp: Rfc3339(batch.given_up_at),
            batch_info: BatchInfo::of(batch)?,
            worker: batch.worker.to_string(),
            fencing_token: batch.fencing_token,
            error_message: batch.error.as_ref().map(|error| error.chars().take(ERROR_CHARS_MAX).collect()),
            first_failure_at: batch.first_failed_at.map(Rfc3339),
            idempotency_key: key,
            parent_shard_ids: batch.parents.iter().map(ToString::to_string).collect(),
            records: batch.records.iter().map(EnvelopeRecord::of).collect(),
        })
    }

    fn into_batch(self) -> Result<FailedBatch, String> {
        if self.version != VERSION {
            return Err(format!("its version is '{}', and only '{VERSION}' is known", self.version));
        }
        let shard = self.batch_info.shard().map_err(|error| error.to_string())?;
        let worker = WorkerId::new(self.worker).map_err(|error| error.to_string())?;
        let records: Vec<Record> = self.records.into_iter().map(EnvelopeRecord::into_record).collect();
        self.batch_info.check(&records)?;
        Ok(FailedBatch {
            shard,
            parents: self.parent_shard_ids.into_iter().map(ShardId::new).collect(),
            stream_arn: self.batch_info.stream_arn.map(|arn| arn.0),
            worker,
            fencing_token: self.fencing_token,
            records,
            condition: self.request_context.condition.0,
            attempts: self.request_context.approximate_invoke_count,
            error: self.error_message,
            first_failed_at: self.first_failure_at.map(|time| time.0),
            given_up_at: self.timestamp.0,
        })
    }
}

impl BatchInfo {
    fn of(batch: &FailedBatch) -> Option<Self> {
        let (first, last) = (batch.records.first()?, batch.records.last()?);
        let stream = &batch.shard.stream;
        let identifier = stream.to_string();
        Some(Self {
            shard_id: batch.shard.shard_id.to_string(),
            start_sequence_number: Text(first.position.sequence_number.clone()),
            end_sequence_number: Text(last.position.sequence_number.clone()),
            approximate_arrival_of_first_record: Rfc3339(first.approximate_arrival),
            approximate_arrival_of_last_record: Rfc3339(last.approximate_arrival),
            batch_size: batch.records.len(),
            stream_arn: batch.stream_arn.clone().map(Text),
            stream_name: stream.name().to_owned(),
            stream_identifier: (identifier != stream.name()).then_some(identifier),
        })
    }

    fn shard(&self) -> Result<ShardKey> {
        let stream: StreamId = self.stream_identifier.as_ref().unwrap_or(&self.stream_name).parse()?;
        Ok(ShardKey::new(stream, ShardId::new(&self.shard_id)))
    }

    /// Finds records that were cut off, or moved.
    fn check(&self, records: &[Record]) -> Result<(), String> {
        if records.len() != self.batch_size {
            return Err(format!(
                "its batchSize is {}, but its records are {}",
                self.batch_size,
                records.len()
            ));
        }
        if records.is_empty() {
            return Err("it has no records".to_owned());
        }
        match records.windows(2).find(|pair| pair[0].position >= pair[1].position) {
            None => Ok(()),
            Some(pair) => Err(format!("record {} comes before {}", pair[0].position, pair[1].position)),
        }
    }
}

impl EnvelopeRecord {
    fn of(record: &Record) -> Self {
        Self {
            sequence_number: Text(record.position.sequence_number.clone()),
            sub_sequence_number: record.position.sub_sequence_number,
            partition_key: record.partition_key.to_string(),
            explicit_hash_key: record.explicit_hash_key.map(Text),
            approximate_arrival_timestamp: Rfc3339(record.approximate_arrival),
            data: Base64(record.data.clone()),
        }
    }

    fn into_record(self) -> Record {
        Record {
            position: RecordPosition {
                sequence_number: self.sequence_number.0,
                sub_sequence_number: self.sub_sequence_number,
            },
            partition_key: self.partition_key.into(),
            explicit_hash_key: self.explicit_hash_key.map(|key| key.0),
            approximate_arrival: self.approximate_arrival_timestamp.0,
            data: self.data.0,
        }
    }
}

/// A value in the words of its `Display`, from which its `FromStr` reads it. Numbers beyond 53 bits are no JSON numbers to
/// many readers.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|error| D::Error::custom(format!("'{text}': {error}")))
    }
}

struct Rfc3339(Timestamp);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = self.0.as_millis();
        let nearest = if millis < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(nearest);
        serializer.collect_str(&format_args!("{time:.3}"))
    }
}

impl<'de> Deserialize<'de> for Rfc3339 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(time) = Text::<jiff::Timestamp>::deserialize(deserializer)?;
        Ok(Self(Timestamp::from_millis(time.as_millisecond())))
    }
}

struct Base64(Bytes);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode_to_string(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let data = BASE64
            .decode_to_vec(text)
            .map_err(|_| D::Error::custom("the data is not base64, with its padding"))?;
        Ok(Self(data.into()))
    }
}

#[cfg(test)]
mod tests;
