//! What goes wrong outside comes back as the right kind, in words that name the value and say what to do.
//!
//! Some answers are canned, since emulators check neither credentials nor permissions.

use aws_config::Region;
use kcl_core::aws::{AwsKinesis, DynamoDbLeaseStore, dynamodb_client, kinesis_client};
use kcl_core::lease::{Consistency, LeaseStore};
use kcl_core::model::{ShardId, ShardKey, StreamId};
use kcl_core::stream::{IteratorPosition, Kinesis, ShardIterator, ShardPageRequest, ShardPageToken};
use kcl_core::{Error, ErrorKind};

use crate::backend::{Backend, dummy_credentials, listen, unique_name};
use crate::canned::Canned;

#[track_caller]
fn check(error: &Error, kind: ErrorKind, parts: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "no '{part}' in: {error}");
    }
}

fn orders() -> StreamId {
    StreamId::named("orders").unwrap()
}

fn kinesis_config(url: &str) -> aws_sdk_kinesis::config::Builder {
    aws_sdk_kinesis::config::Builder::new().region(Region::new("eu-west-1")).endpoint_url(url)
}

fn kinesis_at(url: &str) -> AwsKinesis {
    AwsKinesis::new(kinesis_client(kinesis_config(url).credentials_provider(dummy_credentials())))
}

fn lease_store_at(url: &str) -> DynamoDbLeaseStore {
    let config = aws_sdk_dynamodb::config::Builder::new()
        .region(Region::new("eu-west-1"))
        .endpoint_url(url)
        .credentials_provider(dummy_credentials());
    DynamoDbLeaseStore::new(dynamodb_client(config), "app", orders())
}

#[tokio::test]
async fn a_stream_that_does_not_exist_is_not_found() {
    let backend = Backend::start().await;
    let kinesis = backend.kinesis();
    let name = unique_name("missing");
    let stream = StreamId::named(&name).unwrap();
    let error = kinesis.list_shards(&stream, &ShardPageRequest::ALL).await.unwrap_err();
    let code = "ResourceNotFoundException";
    check(&error, ErrorKind::NotFound, &[&name, code, "region"]);
    let shard = ShardKey::new(stream, ShardId::new("shardId-000000000000"));
    let iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::Latest);
    let error = iterator.await.unwrap_err();
    check(&error, ErrorKind::NotFound, &[&shard.to_string(), code]);
}

#[tokio::test]
async fn a_table_of_another_shape_is_refused() {
    let backend = Backend::start().await;
    let name = backend.create_foreign_table().await;
    let error = backend.lease_store_in(&name, &orders()).prepare().await.unwrap_err();
    let found = "HASH id of type N";
    check(&error, ErrorKind::Refused, &[&name, found, "HASH leaseKey of type S", "choose another"]);
}

#[tokio::test]
async fn missing_credentials_are_refused_at_once() {
    let (_listener, url) = listen().await;
    let no_credentials = AwsKinesis::new(kinesis_client(kinesis_config(&url)));
    let error = no_credentials.list_shards(&orders(), &ShardPageRequest::ALL).await.unwrap_err();
    check(&error, ErrorKind::Refused, &["'orders'", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"]);
}

#[tokio::test]
async fn a_missing_region_is_refused_at_once() {
    let config = aws_sdk_kinesis::config::Builder::new().credentials_provider(dummy_credentials());
    let no_region = AwsKinesis::new(kinesis_client(config));
    let error = no_region.list_shards(&orders(), &ShardPageRequest::ALL).await.unwrap_err();
    check(&error, ErrorKind::Refused, &["'orders'", "AWS_REGION"]);
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_refused() {
    let error = kinesis_at("not a url").list_shards(&orders(), &ShardPageRequest::ALL).await.unwrap_err();
    check(&error, ErrorKind::Refused, &["`not a url`", "AWS_ENDPOINT_URL"]);
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_transient_and_named() {
    let (listener, url) = listen().await;
    drop(listener);
    let kinesis = kinesis_at(&url).list_shards(&orders(), &ShardPageRequest::ALL).await.unwrap_err();
    check(&kinesis, ErrorKind::Transient, &["'orders'", &url, "AWS_ENDPOINT_URL"]);
    let table = lease_store_at(&url).list(Consistency::Strong).await.unwrap_err();
    check(&table, ErrorKind::Transient, &["'app'", &url, "AWS_ENDPOINT_URL"]);
}

/// A lost response must be seen: the SDK would send the same request again.
#[tokio::test]
async fn a_failed_call_is_not_repeated() {
    let server = Canned::answering("500 Oops", r#"{"__type":"InternalFailure"}"#).await;
    let kinesis = kinesis_at(&server.url);
    let error = kinesis.list_shards(&orders(), &ShardPageRequest::ALL).await.unwrap_err();
    check(&error, ErrorKind::Transient, &["InternalFailure", "HTTP 500"]);
    assert_eq!(server.requests().len(), 1);
    let error = lease_store_at(&server.url).list(Consistency::Strong).await.unwrap_err();
    check(&error, ErrorKind::Transient, &["'app'"]);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_missing_permission_is_refused_in_the_words_of_the_service() {
    let body = r#"{"__type":"AccessDeniedException","Message":"User ada may not dynamodb:Scan"}"#;
    let server = Canned::answering("400 Bad Request", body).await;
    let error = lease_store_at(&server.url).list(Consistency::Strong).await.unwrap_err();
    let words = "User ada may not dynamodb:Scan";
    check(&error, ErrorKind::Refused, &["'app'", words, "request R-1", "policy"]);
}

#[tokio::test]
async fn an_expired_iterator_is_known_as_such() {
    let server = Canned::answering("400 Bad Request", r#"{"__type":"ExpiredIteratorException"}"#).await;
    let iterator = ShardIterator {
        shard: ShardKey::new(orders(), ShardId::new("shardId-000000000007")),
        token: "old".to_owned(),
    };
    let error = kinesis_at(&server.url).get_records(&iterator, 1).await.unwrap_err();
    check(&error, ErrorKind::IteratorExpired, &["orders:shardId-000000000007"]);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_transient_and_one_of_another_service_is_not() {
    let cut = Canned::sending("200 OK", 500, r#"{"Shards":["#).await;
    let error = kinesis_at(&cut.url).list_shards(&orders(), &ShardPageRequest::ALL).await.unwrap_err();
    check(&error, ErrorKind::Transient, &["'orders'"]);
    let other = Canned::answering("200 OK", "<html>hello</html>").await;
    let error = kinesis_at(&other.url).list_shards(&orders(), &ShardPageRequest::ALL).await.unwrap_err();
    check(&error, ErrorKind::Corrupt, &["'orders'", &other.url, "proxies"]);
}

#[tokio::test]
async fn a_shard_that_cannot_be_read_is_named() {
    let shard =
        r#"{"ShardId":"shardId-000000000007","HashKeyRange":{"StartingHashKey":"x","EndingHashKey":"1"}}"#;
    let server = Canned::answering("200 OK", &format!(r#"{{"Shards":[{shard}]}}"#)).await;
    let error = kinesis_at(&server.url).list_shards(&orders(), &ShardPageRequest::ALL).await.unwrap_err();
    check(&error, ErrorKind::Corrupt, &["'orders'", "'shardId-000000000007'", "'x'"]);
}

/// The service refuses a request that has both.
#[tokio::test]
async fn a_request_for_the_next_page_carries_the_token_without_the_stream() {
    let server = Canned::answering("200 OK", r#"{"Shards":[],"NextToken":"page-2"}"#).await;
    let kinesis = kinesis_at(&server.url);
    let page = kinesis.list_shards(&orders(), &ShardPageRequest::ALL).await.unwrap();
    assert_eq!(page.next, Some(ShardPageToken("page-2".to_owned())));
    kinesis.list_shards(&orders(), &ShardPageRequest::Next(page.next.unwrap())).await.unwrap();
    assert_eq!(server.requests(), [r#"{"StreamName":"orders"}"#, r#"{"NextToken":"page-2"}"#]);
}
