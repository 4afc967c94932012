//! The front serves what the adapter does not use: the calls of producers and operators.

use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use integration_tests::wire::Transport;
use kcl_core::stream::{IteratorPosition, Kinesis};

use super::world::{Wire, quick};
use crate::backend::unique_name;

#[tokio::test]
async fn a_producer_and_an_operator_work_over_the_wire() {
    let wire = Wire::with(quick(), Transport::Tls).await;
    let (client, name) = (wire.client(), unique_name("stream"));
    client.create_stream().stream_name(&name).shard_count(1).send().await.unwrap();
    let entry = |key: &str| {
        PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(*b"data")).build().unwrap()
    };
    let many = client.put_records().stream_name(&name).records(entry("a")).records(entry("b"));
    let many = many.send().await.unwrap();
    assert_eq!((many.failed_record_count, many.records.len()), (Some(0), 2));
    let put = client.put_record().stream_name(&name).partition_key("c").explicit_hash_key("0");
    let put = put.data(Blob::new(*b"data")).send().await.unwrap();
    let split = client.split_shard().stream_name(&name).shard_to_split(&put.shard_id);
    split.new_starting_hash_key((1_u128 << 127).to_string()).send().await.unwrap();
    let merge = client.merge_shards().stream_name(&name).shard_to_merge("shardId-000000000001");
    merge.adjacent_shard_to_merge("shardId-000000000002").send().await.unwrap();

    let stream = name.parse().unwrap();
    assert_eq!(wire.front.kinesis().shards(&stream).unwrap().len(), 4);
    let parent = kcl_core::model::ShardKey::new(stream, kcl_core::model::ShardId::new(put.shard_id));
    let kinesis = wire.kinesis();
    let iterator = kinesis.get_shard_iterator(&parent, &IteratorPosition::TrimHorizon).await.unwrap();
    let read = kinesis.get_records(&iterator, 10).await.unwrap().records;
    let keys: Vec<&str> = read.iter().map(|record| record.partition_key.as_str()).collect();
    assert_eq!(keys, ["a", "b", "c"]);
    assert_eq!(read[2].position.sequence_number.as_str(), put.sequence_number);
}

#[tokio::test]
async fn an_error_of_the_front_has_the_form_of_the_service() {
    let wire = Wire::with(quick(), Transport::Plain).await;
    let put = wire.client().put_record().stream_name("missing").partition_key("a").data(Blob::new(*b"data"));
    let error = put.send().await.unwrap_err();
    assert_eq!(error.code(), Some("ResourceNotFoundException"));
    let raw = error.raw_response().unwrap();
    assert_eq!(raw.status().as_u16(), 400);
}
