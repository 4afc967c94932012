//! The form of answers, and of errors: HTTP status, `__type` and `message` (Kinesis API reference, "Common Errors").

use std::io;

use base64_simd::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use kcl_core::model::{Record, Shard, Timestamp};
use kcl_core::stream::{ChildShard, ConsumerDescription, ConsumerStatus, StreamDescription, StreamStatus};
use kcl_core::{Error, ErrorKind};
use serde_json::{Map, Value, json};

use super::event_body::EventBody;

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

const MILLIS_PER_SECOND: f64 = 1_000.0;

/// An error of the service.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    pub(super) code: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn invalid(message: String) -> Self {
        Self { status: 400, code: "InvalidArgumentException", message }
    }

    pub(super) fn validation(message: String) -> Self {
        Self { status: 400, code: "ValidationException", message }
    }

    pub(super) fn answer(&self) -> Response<Body> {
        refused(self.status, self.code, &self.message)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (status, code) = match error.kind() {
            ErrorKind::Throttled => (400, "ProvisionedThroughputExceededException"),
            ErrorKind::IteratorExpired => (400, "ExpiredIteratorException"),
            ErrorKind::InUse => (400, "ResourceInUseException"),
            ErrorKind::NotFound => (400, "ResourceNotFoundException"),
            ErrorKind::Refused => (400, "InvalidArgumentException"),
            _ => (500, "InternalFailure"),
        };
        Self { status, code, message: error.to_string() }
    }
}

pub(super) fn refused(status: u16, code: &str, message: &str) -> Response<Body> {
    json(status, json!({ "__type": code, "message": message }).to_string())
}

pub(super) fn json(status: u16, body: String) -> Response<Body> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    let mut response = head("application/x-amz-json-1.1", body);
    *response.status_mut() = status.try_into().expect("the statuses of this front are HTTP statuses");
    response
}

pub(super) fn stream(body: EventBody) -> Response<Body> {
    let chunks = stream::unfold(body, |mut body| async { Some((body.next_chunk().await?, body)) });
    let body = StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync();
    head("application/vnd.amazon.eventstream", body)
}

fn head(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert("content-type", hyper::header::HeaderValue::from_static(content_type));
    headers.insert("x-amzn-requestid", hyper::header::HeaderValue::from_static("wire-front"));
    response
}

/// What `GetRecords` and `SubscribeToShard` say of a page. `next` is the field that tells where it goes on, and its text. Written
/// by hand into one piece of memory, since a page has thousands of records.
pub(super) fn records_page(
    records: &[Record],
    millis_behind_latest: u64,
    next: Option<(&str, String)>,
    children: &[ChildShard],
) -> String {
    let mut page = String::with_capacity(FRAME_BYTES + records.iter().map(record_bytes).sum::<usize>());
    page.push_str(r#"{"Records":["#);
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            page.push(',');
        }
        push_record(&mut page, record);
    }
    let next = next.map(|(field, text)| format!(r#","{field}":"{text}""#)).unwrap_or_default();
    let children = child_shards(children);
    page + &format!(r#"],"MillisBehindLatest":{millis_behind_latest}{next}{children}}}"#)
}

/// What is around the data and the key of a record, and about what is around the records.
const FRAME_BYTES: usize = 200;

fn record_bytes(record: &Record) -> usize {
    BASE64.encoded_length(record.data.len()) + record.partition_key.len() + FRAME_BYTES
}

fn push_record(page: &mut String, record: &Record) {
    page.push_str(r#"{"SequenceNumber":""#);
    page.push_str(record.position.sequence_number.as_str());
    page.push_str(r#"","ApproximateArrivalTimestamp":"#);
    push_seconds(page, record.approximate_arrival);
    page.push_str(r#","PartitionKey":"#);
    page.push_str(&Value::from(record.partition_key.as_str()).to_string());
    page.push_str(r#","Data":""#);
    BASE64.encode_append(&record.data, page);
    page.push_str(r#""}"#);
}

/// With three digits after the point, as the service does.
fn push_seconds(text: &mut String, time: Timestamp) {
    let mut digits = itoa::Buffer::new();
    let millis = time.as_millis().unsigned_abs();
    if time < Timestamp::default() {
        text.push('-');
    }
    text.push_str(digits.format(millis / 1_000));
    text.push('.');
    let digits = digits.format(millis % 1_000 + 1_000);
    text.push_str(&digits[1..]);
}

pub(super) fn shard(shard: &Shard) -> Value {
    let mut numbers = json!({ "StartingSequenceNumber": shard.starting_sequence_number.as_str() });
    if let Some(end) = &shard.ending_sequence_number {
        numbers["EndingSequenceNumber"] = end.as_str().into();
    }
    let mut value = json!({
        "ShardId": shard.shard_id.as_str(),
        "HashKeyRange": {
            "StartingHashKey": shard.hash_key_range.start.to_string(),
            "EndingHashKey": shard.hash_key_range.end.to_string(),
        },
        "SequenceNumberRange": numbers,
    });
    for (field, parent) in
        [("ParentShardId", &shard.parent), ("AdjacentParentShardId", &shard.adjacent_parent)]
    {
        if let Some(parent) = parent {
            value[field] = parent.as_str().into();
        }
    }
    value
}

/// The field that only the end of a shard has, ready to be put before the end of an object.
fn child_shards(children: &[ChildShard]) -> String {
    if children.is_empty() {
        return String::new();
    }
    let children: Value = children.iter().map(child_shard).collect();
    format!(r#","ChildShards":{children}"#)
}

fn child_shard(child: &ChildShard) -> Value {
    let parents: Vec<&str> = child.parents.iter().map(kcl_core::model::ShardId::as_str).collect();
    json!({
        "ShardId": child.shard_id.as_str(),
        "ParentShards": parents,
        "HashKeyRange": {
            "StartingHashKey": child.hash_key_range.start.to_string(),
            "EndingHashKey": child.hash_key_range.end.to_string(),
        },
    })
}

pub(super) fn consumer(consumer: &ConsumerDescription) -> Map<String, Value> {
    let status = match consumer.status {
        ConsumerStatus::Creating => "CREATING",
        ConsumerStatus::Active => "ACTIVE",
        ConsumerStatus::Deleting => "DELETING",
    };
    Map::from_iter([
        ("ConsumerName".to_owned(), Value::from(consumer.name.as_str())),
        ("ConsumerARN".to_owned(), Value::from(consumer.arn.as_str())),
        ("ConsumerStatus".to_owned(), Value::from(status)),
        ("ConsumerCreationTimestamp".to_owned(), Value::from(seconds(consumer.created_at))),
    ])
}

pub(super) fn stream_summary(stream: &StreamDescription) -> Value {
    let status = match stream.status {
        StreamStatus::Creating => "CREATING",
        StreamStatus::Active => "ACTIVE",
        StreamStatus::Updating => "UPDATING",
        StreamStatus::Deleting => "DELETING",
    };
    json!({ "StreamDescriptionSummary": {
        "StreamName": stream.arn.stream_name(),
        "StreamARN": stream.arn.as_str(),
        "StreamStatus": status,
        "RetentionPeriodHours": stream.retention.as_secs() / 3_600,
        // The port does not say, and clients that read shards do not ask.
        "StreamCreationTimestamp": 0,
        "EnhancedMonitoring": [{ "ShardLevelMetrics": [] }],
        "OpenShardCount": stream.open_shard_count,
        "ConsumerCount": stream.consumer_count,
    } })
}

#[expect(clippy::cast_precision_loss, reason = "exact to the millisecond for some hundred thousand years")]
fn seconds(time: Timestamp) -> f64 {
    time.as_millis() as f64 / MILLIS_PER_SECOND
}
