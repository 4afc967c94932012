//! The services that the tests talk to: emulators in this process, or the endpoints that the environment names.
//!
//! `AWS_ENDPOINT_URL`, or `AWS_ENDPOINT_URL_KINESIS` and `AWS_ENDPOINT_URL_DYNAMODB`, point the tests at a LocalStack
//! or its like. What they create there has names of its own for each run, and stays behind.
//!
//! Nothing here may know what a test is about, and nothing may wait for a fixed time.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use bytes::Bytes;
use ferrokinesis::store::StoreOptions;
use integration_tests::conformance::{RemoteKinesis, has_credentials, sdk_config, variable};
pub(crate) use integration_tests::conformance::{dummy_credentials, unique_name};
use kcl_core::aws::DynamoDbLeaseStore;
use kcl_core::lease::LeaseStore;
use kcl_core::model::{SequenceNumber, Shard, ShardId, StreamId};
use kcl_core::stream::{Kinesis, ShardPageRequest};
use kcl_core::testing::kinesis_suite::KinesisFixture;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How often [`until`] looks.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long a test waits for anything: far longer than it takes, so that only a hang runs into it.
pub(crate) const WAIT_MAX: Duration = Duration::from_mins(1);

/// How long the Kinesis emulator takes to create, split or merge, in milliseconds: not nothing, as in the service.
const TRANSITION_MS: u64 = 20;

/// A Kinesis and a DynamoDB. Emulators stop when it is dropped.
pub(crate) struct Backend {
    config: SdkConfig,
    kinesis_url: String,
    dynamodb_url: String,
    kinesis: Arc<RemoteKinesis>,
    dynamodb: aws_sdk_dynamodb::Client,
    /// Dropping it stops the servers.
    _servers: JoinSet<()>,
}

impl Backend {
    /// Starts an emulator for each service that the environment names no endpoint for.
    pub(crate) async fn start() -> Self {
        Self::at(endpoint("AWS_ENDPOINT_URL_KINESIS"), endpoint("AWS_ENDPOINT_URL_DYNAMODB")).await
    }

    /// Starts both emulators, whatever the environment says: for tests that know their quirks.
    pub(crate) async fn in_process() -> Self {
        Self::at(None, None).await
    }

    /// In front of this Kinesis, with an emulator of DynamoDB.
    #[cfg(feature = "java-daemon")]
    pub(crate) async fn before(kinesis_url: &str) -> Self {
        Self::at(Some(kinesis_url.to_owned()), None).await
    }

    async fn at(kinesis_url: Option<String>, dynamodb_url: Option<String>) -> Self {
        let mut servers = JoinSet::new();
        let kinesis_url = match kinesis_url {
            Some(url) => url,
            None => start_kinesis(&mut servers).await,
        };
        let dynamodb_url = match dynamodb_url {
            Some(url) => url,
            None => start_dynamodb(&mut servers).await,
        };
        let config = sdk_config().await;
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&config).endpoint_url(&dynamodb_url);
        Self {
            kinesis: Arc::new(RemoteKinesis::new(&config, &kinesis_url)),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            config,
            kinesis_url,
            dynamodb_url,
            _servers: servers,
        }
    }

    /// The adapter under test.
    pub(crate) fn kinesis(&self) -> Arc<dyn Kinesis> {
        self.kinesis.kinesis()
    }

    /// A producer and an operator.
    pub(crate) fn fixture(&self) -> &Arc<RemoteKinesis> {
        &self.kinesis
    }

    /// The adapter under test, over the one table of `stream`: all stores of a stream share their rows.
    pub(crate) fn lease_store(&self, stream: &StreamId) -> Arc<dyn LeaseStore> {
        self.lease_store_in(stream.name(), stream)
    }

    /// The adapter under test, over a table of this name.
    pub(crate) fn lease_store_in(&self, table: &str, stream: &StreamId) -> Arc<dyn LeaseStore> {
        Arc::new(DynamoDbLeaseStore::new(self.dynamodb.clone(), table, stream.clone()))
    }

    /// A bare client, to look behind the adapter.
    pub(crate) fn dynamodb_client(&self) -> &aws_sdk_dynamodb::Client {
        &self.dynamodb
    }

    /// A bare client of Kinesis, for adapters that take one.
    pub(crate) fn kinesis_client(&self) -> aws_sdk_kinesis::Client {
        let config = aws_sdk_kinesis::config::Builder::from(&self.config).endpoint_url(&self.kinesis_url);
        aws_sdk_kinesis::Client::from_conf(config.build())
    }

    /// What a child process needs in its environment to talk to this backend.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("AWS_ENDPOINT_URL_KINESIS", self.kinesis_url.clone()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb_url.clone()),
        ];
        if let Some(region) = self.config.region() {
            variables.push(("AWS_REGION", region.to_string()));
        }
        if !has_credentials() {
            let dummy = dummy_credentials();
            variables.push(("AWS_ACCESS_KEY_ID", dummy.access_key_id().to_owned()));
            variables.push(("AWS_SECRET_ACCESS_KEY", dummy.secret_access_key().to_owned()));
        }
        variables
    }

    /// The name of a new table of something else: its key is a number, `id`.
    pub(crate) async fn create_foreign_table(&self) -> String {
        let name = unique_name("other");
        let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
        let definition =
            AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::N);
        let request = self.dynamodb.create_table().table_name(&name);
        request
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key.build().unwrap())
            .attribute_definitions(definition.build().unwrap())
            .send()
            .await
            .unwrap();
        name
    }

    /// A new stream of `shards` shards, ready for use.
    pub(crate) async fn create_stream(&self, shards: usize) -> StreamId {
        self.kinesis.create_stream(shards).await.unwrap()
    }

    /// Puts one record. Returns the shard that took it, and its sequence number.
    pub(crate) async fn put(
        &self,
        stream: &StreamId,
        partition_key: &str,
        data: &[u8],
    ) -> (ShardId, SequenceNumber) {
        let data = Bytes::copy_from_slice(data);
        self.kinesis.put(stream, partition_key, None, data).await.unwrap()
    }

    /// All shards that the stream lists, ordered by id.
    pub(crate) async fn shards(&self, stream: &StreamId) -> Vec<Shard> {
        let mut page = self.kinesis().list_shards(stream, &ShardPageRequest::ALL).await.unwrap();
        assert_eq!(page.next, None, "a test needs no stream of several pages");
        page.shards.sort_by(|one, other| one.shard_id.cmp(&other.shard_id));
        page.shards
    }

    /// Splits a shard in the middle, and returns its two children.
    pub(crate) async fn split(&self, stream: &StreamId, shard_id: &ShardId) -> Vec<Shard> {
        let shards = self.shards(stream).await;
        let parent = shards.iter().find(|shard| shard.shard_id == *shard_id).unwrap();
        let range = parent.hash_key_range;
        let middle = range.start + (range.end - range.start) / 2 + 1;
        self.kinesis.split(stream, shard_id, middle).await.unwrap();
        self.children(stream, shard_id).await
    }

    /// Merges two neighbours, and returns their child.
    pub(crate) async fn merge(&self, stream: &StreamId, shard_id: &ShardId, neighbour: &ShardId) -> Shard {
        self.kinesis.merge(stream, shard_id, neighbour).await.unwrap();
        self.children(stream, shard_id).await.remove(0)
    }

    async fn children(&self, stream: &StreamId, parent: &ShardId) -> Vec<Shard> {
        let mut shards = self.shards(stream).await;
        shards.retain(|shard| shard.parents().any(|id| id == parent));
        shards
    }
}

/// Waits until `condition` holds, looking again and again.
///
/// # Panics
/// If that takes longer than [`WAIT_MAX`], naming `what`.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let wait = tokio::time::timeout(WAIT_MAX, async {
        while !condition().await {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    });
    assert!(wait.await.is_ok(), "waited {WAIT_MAX:?} in vain until {what}");
}

/// A port of this machine, and a listener on it.
pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

async fn start_kinesis(servers: &mut JoinSet<()>) -> String {
    let (listener, url) = listen().await;
    let (app, _) = ferrokinesis::create_app(StoreOptions {
        create_stream_ms: TRANSITION_MS,
        update_stream_ms: TRANSITION_MS,
        // The default of 10 is for all streams together.
        shard_limit: 1_000,
        ..StoreOptions::default()
    });
    servers.spawn(async move {
        ferrokinesis::serve_plain_http(listener, app, pending()).await.unwrap();
    });
    url
}

async fn start_dynamodb(servers: &mut JoinSet<()>) -> String {
    let (listener, url) = listen().await;
    let database = dynoxide::Database::memory().unwrap();
    servers.spawn(dynoxide::server::serve_on(listener, database));
    url
}

fn endpoint(of_service: &str) -> Option<String> {
    variable(of_service).or_else(|| variable("AWS_ENDPOINT_URL"))
}
