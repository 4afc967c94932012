//! How a stream, a position and a filter are named to the service.

use std::sync::{Arc, Mutex};

use integration_tests::wire::{Transport, WireFault};
use kcl_core::model::{ShardId, StreamId, Timestamp};
use kcl_core::stream::{ConsumerRef, IteratorPosition, Kinesis, ShardFilter, ShardPageRequest};
use serde_json::{Value, json};

use super::world::{Wire, quick};
use crate::backend::unique_name;

type Requests = Arc<Mutex<Vec<(String, Value)>>>;

fn recorded(wire: &Wire) -> Requests {
    let requests = Requests::default();
    let seen = Arc::clone(&requests);
    wire.front.inject(move |call| {
        seen.lock().unwrap().push((call.operation.to_owned(), call.arguments.clone()));
        WireFault::None
    });
    requests
}

/// A stream of another account is found by its ARN alone.
#[tokio::test]
async fn a_stream_with_an_arn_is_addressed_by_it_in_every_call() {
    let wire = Wire::with(quick(), Transport::Plain).await;
    let shard = wire.one_shard();
    let arn = wire.kinesis().describe_stream(&shard.stream).await.unwrap().arn;
    let kinesis = wire.kinesis().with_stream_arn(shard.stream.clone(), arn.clone());
    assert_eq!(kinesis.stream_arn(&shard.stream), Some(arn.clone()));
    assert_eq!(wire.kinesis().stream_arn(&shard.stream), None, "not without a call");
    let requests = recorded(&wire);
    kinesis.describe_stream(&shard.stream).await.unwrap();
    kinesis.list_shards(&shard.stream, &ShardPageRequest::ALL).await.unwrap();
    let iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::TrimHorizon).await.unwrap();
    kinesis.get_records(&iterator, 1).await.unwrap();
    let requests = requests.lock().unwrap();
    let operations: Vec<&str> = requests.iter().map(|(operation, _)| operation.as_str()).collect();
    assert_eq!(operations, ["DescribeStreamSummary", "ListShards", "GetShardIterator", "GetRecords"]);
    for (operation, arguments) in requests.iter() {
        assert_eq!(arguments["StreamARN"], arn.as_str(), "{operation}");
        assert_eq!(arguments["StreamName"], Value::Null, "{operation}");
    }
}

/// The id may be one of our own choice: only the ARN is sent.
#[tokio::test]
async fn a_stream_with_an_arn_needs_no_name_of_its_own() {
    let wire = Wire::with(quick(), Transport::Plain).await;
    let shard = wire.one_shard();
    let arn = wire.kinesis().describe_stream(&shard.stream).await.unwrap().arn;
    let alias = StreamId::with_incarnation("210987654321", unique_name("alias"), 1).unwrap();
    let kinesis = wire.kinesis().with_stream_arn(alias.clone(), arn);
    let page = kinesis.list_shards(&alias, &ShardPageRequest::ALL).await.unwrap();
    assert_eq!(page.shards.len(), 1);
}

#[tokio::test]
async fn every_filter_is_sent_in_the_words_of_the_service() {
    let wire = Wire::with(quick(), Transport::Plain).await;
    let stream = wire.create_stream(1);
    let kinesis = wire.kinesis();
    let requests = recorded(&wire);
    let time = Timestamp::from_millis(kinesis.now().as_millis() / 1_000 * 1_000 - 1_875);
    #[expect(clippy::cast_precision_loss, reason = "as the service writes times")]
    let seconds = time.as_millis() as f64 / 1_000.0;
    let table = [
        (ShardFilter::All, Value::Null),
        (
            ShardFilter::AfterShardId(ShardId::new("shardId-000000000000")),
            json!({"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000000"}),
        ),
        (ShardFilter::AtTrimHorizon, json!({"Type": "AT_TRIM_HORIZON"})),
        (ShardFilter::FromTrimHorizon, json!({"Type": "FROM_TRIM_HORIZON"})),
        (ShardFilter::AtLatest, json!({"Type": "AT_LATEST"})),
        (ShardFilter::AtTimestamp(time), json!({"Type": "AT_TIMESTAMP", "Timestamp": seconds})),
        (ShardFilter::FromTimestamp(time), json!({"Type": "FROM_TIMESTAMP", "Timestamp": seconds})),
    ];
    for (filter, sent) in table {
        // Whether the service likes this time is not what is asked here.
        let _ = kinesis.list_shards(&stream, &ShardPageRequest::First(filter.clone())).await;
        let (_, arguments) = requests.lock().unwrap().pop().unwrap();
        assert_eq!(arguments["ShardFilter"], sent, "{filter:?}");
    }
}

#[tokio::test]
async fn a_consumer_is_found_by_its_arn_and_by_its_name() {
    let wire = Wire::with(quick(), Transport::Plain).await;
    let kinesis = wire.kinesis();
    let stream = kinesis.describe_stream(&wire.create_stream(3)).await.unwrap();
    assert_eq!((stream.open_shard_count, stream.consumer_count), (3, 0));
    let registered = kinesis.register_consumer(&stream.arn, "billing").await.unwrap();
    let by_name = ConsumerRef::Name { stream: stream.arn, name: "billing".to_owned() };
    for consumer in [ConsumerRef::Arn(registered.arn.clone()), by_name] {
        let found = kinesis.describe_consumer(&consumer).await.unwrap();
        assert_eq!((found.arn, found.created_at), (registered.arn.clone(), registered.created_at));
    }
    kinesis.deregister_consumer(&registered.arn).await.unwrap();
}
