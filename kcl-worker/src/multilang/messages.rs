//! The messages of the MultiLang protocol: one JSON object for each line.
//!
//! What is written has the fields, their order and the nulls of the Java daemon's classes
//! (`software.amazon.kinesis.multilang.messages`), because libraries of children index fields that could be left out. It is
//! ASCII, so that no locale of a child can misread it. What is read is as lenient as that daemon: a line that is no message
//! is noise, never an error. Pure.

#[cfg(test)]
mod tests;
mod text;

use std::fmt::Display;
use std::io::Write as _;

use base64_simd::{AsOut, STANDARD as BASE64};
use kcl_core::model::{Checkpoint, Record, ShardId};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a child may be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Initialize,
    ProcessRecords,
    LeaseLost,
    ShardEnded,
    ShutdownRequested,
}

/// What a child says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FromChild {
    /// It has done what it names.
    Status { response_for: Option<String> },
    /// It asks for a checkpoint, and waits for the answer.
    Checkpoint(CheckpointRequest),
}

/// Up to where a child wants to commit; without a number, everything it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CheckpointRequest {
    pub(super) sequence_number: Option<String>,
    pub(super) sub_sequence_number: Option<i64>,
}

/// Every field that a message of a child may have. As with the Java daemon, a line with any other is noise.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line<'a> {
    action: String,
    response_for: Option<String>,
    #[serde(borrow)]
    sequence_number: Option<&'a RawValue>,
    #[serde(borrow)]
    sub_sequence_number: Option<&'a RawValue>,
    /// In the class of the Java daemon; it means nothing from a child.
    #[serde(rename = "error")]
    _error: Option<String>,
}

impl Action {
    /// Its name in the protocol.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::ProcessRecords => "processRecords",
            Self::LeaseLost => "leaseLost",
            Self::ShardEnded => "shardEnded",
            Self::ShutdownRequested => "shutdownRequested",
        }
    }
}

impl FromChild {
    /// What a line of standard output says; `None` if it is noise. What follows the object on its line is ignored.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let line = Line::deserialize(&mut serde_json::Deserializer::from_slice(line)).ok()?;
        match line.action.as_str() {
            "status" => Some(Self::Status { response_for: line.response_for }),
            "checkpoint" => Some(Self::Checkpoint(CheckpointRequest {
                sequence_number: optional(line.sequence_number, text_of).ok()?,
                sub_sequence_number: optional(line.sub_sequence_number, number_of).ok()?,
            })),
            _ => None,
        }
    }
}

/// `Err` if there is a value and it is not what `read` takes.
fn optional<T>(value: Option<&RawValue>, read: fn(&RawValue) -> Option<T>) -> Result<Option<T>, ()> {
    value.map(|value| read(value).ok_or(())).transpose()
}

/// A text, or the digits of a number, which may have more of them than any type has room for.
fn text_of(value: &RawValue) -> Option<String> {
    let json = value.get();
    match json.bytes().next()? {
        b'"' => serde_json::from_str(json).ok(),
        b'-' | b'0'..=b'9' => Some(json.to_owned()),
        _ => None,
    }
}

/// A whole number, also as text.
fn number_of(value: &RawValue) -> Option<i64> {
    text_of(value)?.trim().parse().ok()
}

/// Tells a child which shard it has, and how far that is processed.
pub(super) fn initialize(shard_id: &ShardId, checkpoint: &Checkpoint) -> Vec<u8> {
    let (sequence_number, sub_sequence_number) = match checkpoint {
        Checkpoint::At(position) => (position.sequence_number.to_string(), position.sub_sequence_number),
        sentinel => (sentinel.to_string(), 0),
    };
    let mut line = begin(Action::Initialize.name());
    field(&mut line, "shardId", Some(shard_id.as_str()));
    field(&mut line, "sequenceNumber", Some(&sequence_number));
    number_field(&mut line, "subSequenceNumber", Some(sub_sequence_number));
    end(line)
}

/// Gives a child records.
pub(super) fn process_records(records: &[Record], millis_behind_latest: u64) -> Vec<u8> {
    let mut line = begin(Action::ProcessRecords.name());
    line.reserve(records.iter().map(room_for).sum());
    line.extend_from_slice(b",\"records\":[");
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        write_record(&mut line, record);
    }
    line.push(b']');
    number_field(&mut line, "millisBehindLatest", Some(millis_behind_latest));
    end(line)
}

/// Tells a child something that has no fields.
pub(super) fn bare(action: Action) -> Vec<u8> {
    end(begin(action.name()))
}

/// Answers a checkpoint: the request, and the simple name of a Java exception if it failed.
pub(super) fn checkpoint_reply(request: &CheckpointRequest, error: Option<&str>) -> Vec<u8> {
    let mut line = begin("checkpoint");
    field(&mut line, "sequenceNumber", request.sequence_number.as_deref());
    number_field(&mut line, "subSequenceNumber", request.sub_sequence_number);
    field(&mut line, "error", error);
    end(line)
}

/// Enough for nearly every record.
fn room_for(record: &Record) -> usize {
    record.data.len().div_ceil(3) * 4 + record.partition_key.len() + RECORD_FRAME_BYTES
}

/// What is around the data and the key: names of fields, and numbers.
const RECORD_FRAME_BYTES: usize = 256;

/// Most of what a child is sent is this, so nothing here is looked up, formatted or scanned that need not be.
fn write_record(line: &mut Vec<u8>, record: &Record) {
    let mut digits = itoa::Buffer::new();
    line.extend_from_slice(b"{\"data\":\"");
    write_base64(line, &record.data);
    line.extend_from_slice(b"\",\"partitionKey\":");
    text::write(line, &record.partition_key);
    line.extend_from_slice(b",\"sequenceNumber\":\"");
    line.extend_from_slice(record.position.sequence_number.as_str().as_bytes());
    line.extend_from_slice(b"\",\"approximateArrivalTimestamp\":");
    line.extend_from_slice(digits.format(record.approximate_arrival.as_millis()).as_bytes());
    line.extend_from_slice(b",\"subSequenceNumber\":");
    line.extend_from_slice(digits.format(record.position.sub_sequence_number).as_bytes());
    line.extend_from_slice(b",\"action\":\"record\"}");
}

/// In place.
fn write_base64(line: &mut Vec<u8>, data: &[u8]) {
    let start = line.len();
    line.resize(start + BASE64.encoded_length(data.len()), 0);
    let _written = BASE64.encode(data, line[start..].as_out());
}

fn begin(action: &str) -> Vec<u8> {
    format!("{{\"action\":\"{action}\"").into_bytes()
}

/// A text after others, or null.
fn field(line: &mut Vec<u8>, name: &str, value: Option<&str>) {
    begin_field(line, name);
    match value {
        Some(value) => text::write(line, value),
        None => line.extend_from_slice(b"null"),
    }
}

/// A number after others, or null.
fn number_field(line: &mut Vec<u8>, name: &str, value: Option<impl Display>) {
    begin_field(line, name);
    match value {
        // Memory takes everything.
        Some(value) => {
            let _taken = write!(line, "{value}");
        }
        None => line.extend_from_slice(b"null"),
    }
}

fn begin_field(line: &mut Vec<u8>, name: &str) {
    for part in [",\"", name, "\":"] {
        line.extend_from_slice(part.as_bytes());
    }
}

fn end(mut line: Vec<u8>) -> Vec<u8> {
    line.extend_from_slice(b"}\n");
    line
}
