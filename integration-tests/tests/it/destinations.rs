//! The on-failure destinations in AWS: a Kinesis stream of an emulator, and an SQS queue whose answers are canned.

use aws_config::Region;
use bytes::Bytes;
use kcl_core::aws::{KinesisDestination, SqsDestination, kinesis_client, sqs_client};
use kcl_core::model::{Record, RecordPosition, ShardId, ShardKey, StreamId, Timestamp, WorkerId};
use kcl_core::processor::{FailedBatch, FailureCondition, OnFailureDestination, Sent};
use kcl_core::stream::IteratorPosition;
use kcl_core::{Error, ErrorKind};
use serde_json::Value;

use crate::backend::{Backend, dummy_credentials, unique_name};
use crate::canned::Canned;

const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/failures";

fn batch(data: &[u8]) -> FailedBatch {
    let record = Record {
        position: RecordPosition { sequence_number: "49590".parse().unwrap(), sub_sequence_number: 3 },
        partition_key: "a \"b\" \u{ffff}".into(),
        explicit_hash_key: Some(7),
        approximate_arrival: Timestamp::from_millis(1_700_000_000_120),
        data: Bytes::copy_from_slice(data),
    };
    FailedBatch {
        shard: ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-000000000002")),
        parents: Vec::new(),
        stream_arn: None,
        worker: WorkerId::new("host-1").unwrap(),
        fencing_token: 41,
        records: vec![record],
        condition: FailureCondition::RetryAttemptsExhausted,
        attempts: 3,
        error: Some("no".to_owned()),
        first_failed_at: Some(Timestamp::from_millis(1_700_000_001_000)),
        given_up_at: Timestamp::from_millis(1_700_000_009_999),
    }
}

/// A batch whose JSON and this key have exactly so many bytes in all.
fn batch_of(bytes: usize, key: &str) -> FailedBatch {
    let empty = batch(b"");
    let rest = bytes - key.len() - empty.to_json().unwrap().len();
    assert!(rest >= 4);
    let mut batch = batch(&vec![b'x'; rest / 4 * 3]);
    // Base64 grows in steps of four, the error in steps of one.
    batch.error = Some("n".repeat("no".len() + rest % 4));
    assert_eq!(batch.to_json().unwrap().len() + key.len(), bytes);
    batch
}

fn queue_at(server: &Canned, url: &str) -> SqsDestination {
    let config = aws_sdk_sqs::config::Builder::new()
        .region(Region::new("eu-west-1"))
        .endpoint_url(&server.url)
        .credentials_provider(dummy_credentials());
    SqsDestination::new(sqs_client(config), url)
}

async fn refusal(body: &str) -> Result<Sent, Error> {
    let server = Canned::answering("400 Bad Request", body).await;
    let sent = queue_at(&server, QUEUE).send(&batch(b"data")).await;
    assert_eq!(server.requests().len(), 1, "a failed call is not repeated");
    sent
}

async fn accepting_queue() -> Canned {
    Canned::answering("200 OK", r#"{"MessageId":"M-1","MD5OfMessageBody":"0"}"#).await
}

fn requests(server: &Canned) -> Vec<Value> {
    server.requests().iter().map(|body| serde_json::from_str(body).unwrap()).collect()
}

fn message(request: &Value) -> FailedBatch {
    let body = request["MessageBody"].as_str().unwrap();
    assert!(!body.contains('\u{ffff}'), "the service would replace it");
    FailedBatch::from_json(body.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_stream_takes_a_batch_as_one_record_of_its_shard() {
    let backend = Backend::in_process().await;
    let stream = backend.create_stream(1).await;
    let destination = KinesisDestination::new(backend.kinesis_client(), stream.clone());
    for data in [&b"one"[..], b"two"] {
        assert_eq!(destination.send(&batch(data)).await.unwrap(), Sent::Taken);
    }
    let shard = ShardKey::new(stream.clone(), backend.shards(&stream).await[0].shard_id.clone());
    let kinesis = backend.kinesis();
    let iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::TrimHorizon).await.unwrap();
    let records = kinesis.get_records(&iterator, 10).await.unwrap().records;
    let read = records.iter().map(|record| FailedBatch::from_json(&record.data).unwrap());
    assert_eq!(read.collect::<Vec<_>>(), [batch(b"one"), batch(b"two")]);
    assert!(records.iter().all(|record| record.partition_key.as_str() == "orders:shardId-000000000002"));
}

#[tokio::test]
async fn a_stream_that_does_not_exist_takes_nothing() {
    let backend = Backend::in_process().await;
    let name = unique_name("missing");
    let stream = StreamId::named(&name).unwrap();
    let error =
        KinesisDestination::new(backend.kinesis_client(), stream).send(&batch(b"")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains(&name), "{error}");
}

#[tokio::test]
async fn a_record_of_a_stream_is_bounded_with_its_key() {
    let server = Canned::answering("200 OK", r#"{"ShardId":"s","SequenceNumber":"1"}"#).await;
    let config = aws_sdk_kinesis::config::Builder::new()
        .region(Region::new("eu-west-1"))
        .endpoint_url(&server.url)
        .credentials_provider(dummy_credentials());
    let stream = StreamId::named("failures").unwrap();
    let destination = KinesisDestination::new(kinesis_client(config), stream).with_record_bytes_max(2_000);
    let key = "orders:shardId-000000000002";
    assert_eq!(destination.send(&batch_of(2_000, key)).await.unwrap(), Sent::Taken);
    assert_eq!(server.requests().len(), 1);
    let too_large = destination.send(&batch_of(2_001, key)).await.unwrap();
    assert_eq!(too_large, Sent::TooLarge { limit_bytes: 2_000 });
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_queue_takes_a_batch_as_one_message() {
    let server = accepting_queue().await;
    assert_eq!(queue_at(&server, QUEUE).send(&batch(b"data")).await.unwrap(), Sent::Taken);
    let request = &requests(&server)[0];
    assert_eq!(request["QueueUrl"], QUEUE);
    assert_eq!(message(request), batch(b"data"));
    assert_eq!(request.get("MessageGroupId"), None);
    assert_eq!(request.get("MessageDeduplicationId"), None);
}

#[tokio::test]
async fn a_fifo_queue_keeps_the_order_of_a_shard_and_drops_copies() {
    let server = accepting_queue().await;
    let url = format!("{QUEUE}.fifo");
    assert_eq!(queue_at(&server, &url).send(&batch(b"data")).await.unwrap(), Sent::Taken);
    let request = &requests(&server)[0];
    assert_eq!(message(request), batch(b"data"));
    assert_eq!(request["MessageGroupId"], "orders:shardId-000000000002");
    assert_eq!(request["MessageDeduplicationId"], batch(b"data").idempotency_key());
}

#[tokio::test]
async fn a_message_is_bounded() {
    let server = accepting_queue().await;
    // The one character that is escaped makes three bytes more of itself.
    let destination = queue_at(&server, QUEUE).with_message_bytes_max(2_003);
    assert_eq!(destination.send(&batch_of(2_000, "")).await.unwrap(), Sent::Taken);
    let too_large = destination.send(&batch_of(2_001, "")).await.unwrap();
    assert_eq!(too_large, Sent::TooLarge { limit_bytes: 2_003 });
    assert_eq!(server.requests().len(), 1);
}

/// An older queue has a limit of its own, which no setting told us of.
#[tokio::test]
async fn a_message_that_the_queue_finds_too_large_is() {
    let words = "One or more parameters are invalid. Reason: Message must be shorter than 262144 bytes.";
    let body = format!(r#"{{"__type":"com.amazonaws.sqs#InvalidParameterValue","message":"{words}"}}"#);
    assert_eq!(refusal(&body).await.unwrap(), Sent::TooLarge { limit_bytes: 262_144 });
}

#[tokio::test]
async fn a_queue_that_does_not_exist_takes_nothing() {
    let body = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"No such queue."}"#;
    let error = refusal(body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    for part in [QUEUE, "orders:shardId-000000000002", "No such queue"] {
        assert!(error.to_string().contains(part), "no {part} in: {error}");
    }
}
