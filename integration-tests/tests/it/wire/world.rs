//! The adapter under test, and what it talks to.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::Region;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::{Builder, SharedHttpClient};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use bytes::Bytes;
use integration_tests::wire::{Transport, WireFront};
use kcl_core::Result;
use kcl_core::aws::{AwsKinesis, kinesis_client};
use kcl_core::memory::{MemoryFanOutSettings, MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings};
use kcl_core::model::{ConsumerArn, SequenceNumber, ShardKey, StreamId, Timestamp};
use kcl_core::stream::{ConsumerStatus, IteratorPosition, Kinesis, Subscription, SubscriptionEvent};

use crate::backend::{WAIT_MAX, dummy_credentials, unique_name, until};

/// Consumers are active and records pushed at once, one subscription takes over from another at any time, and nothing
/// comes unasked.
pub(crate) fn quick() -> MemoryKinesisSettings {
    MemoryKinesisSettings {
        limits: MemoryKinesisLimits::none(),
        fan_out: MemoryFanOutSettings {
            consumer_transition: Duration::ZERO,
            push_delay: Duration::ZERO,
            heartbeat_interval: NEVER,
            take_over_after: Duration::ZERO,
            ..MemoryFanOutSettings::default()
        },
        ..MemoryKinesisSettings::default()
    }
}

/// Longer than any test.
pub(crate) const NEVER: Duration = Duration::from_hours(1);

/// A strict Kinesis behind sockets.
pub(crate) struct Wire {
    pub(crate) front: WireFront,
}

impl Wire {
    /// Begins now, since the adapter's clock is that of this machine.
    pub(crate) async fn with(settings: MemoryKinesisSettings, transport: Transport) -> Self {
        let settings = MemoryKinesisSettings { started_at: wall_clock(), ..settings };
        let kinesis = Arc::new(MemoryKinesis::new(settings));
        Self { front: WireFront::start(kinesis, transport).await.unwrap() }
    }

    /// A configuration that reaches it, without an HTTP client.
    pub(crate) fn config(&self) -> Builder {
        Builder::new()
            .region(Region::new("eu-west-1"))
            .endpoint_url(self.front.url())
            .credentials_provider(dummy_credentials())
    }

    /// An HTTP client that trusts it. Each has connections of its own.
    pub(crate) fn http_client(&self) -> SharedHttpClient {
        trusting(self.front.certificate_pem())
    }

    /// The adapter under test.
    pub(crate) fn kinesis(&self) -> AwsKinesis {
        self.kinesis_with(self.config())
    }

    /// The adapter under test, with these time-outs.
    pub(crate) fn kinesis_within(&self, limit: Duration) -> AwsKinesis {
        let timeouts = TimeoutConfig::builder().read_timeout(limit).operation_timeout(limit);
        self.kinesis_with(self.config().timeout_config(timeouts.build()))
    }

    fn kinesis_with(&self, config: Builder) -> AwsKinesis {
        let Some(pem) = self.front.certificate_pem().map(str::to_owned) else {
            return AwsKinesis::new(kinesis_client(config));
        };
        let client = kinesis_client(config.http_client(trusting(Some(&pem))));
        AwsKinesis::new(client).with_subscription_http_clients(move || trusting(Some(&pem)))
    }

    /// A bare client, for what the port cannot do.
    pub(crate) fn client(&self) -> aws_sdk_kinesis::Client {
        kinesis_client(self.config().http_client(self.http_client()))
    }

    /// A new stream.
    pub(crate) fn create_stream(&self, shard_count: usize) -> StreamId {
        let stream = StreamId::named(unique_name("stream")).unwrap();
        self.front.kinesis().create_stream(&stream, shard_count).unwrap();
        stream
    }

    /// A new stream of one shard.
    pub(crate) fn one_shard(&self) -> ShardKey {
        let stream = self.create_stream(1);
        let shard = self.front.kinesis().shards(&stream).unwrap().remove(0);
        ShardKey::new(stream, shard.shard_id)
    }

    /// Puts one record for each number into a stream of one shard.
    pub(crate) fn put(&self, stream: &StreamId, numbers: std::ops::Range<usize>) {
        for number in numbers {
            self.put_data(stream, Bytes::from(number.to_string()));
        }
    }

    pub(crate) fn put_data(&self, stream: &StreamId, data: Bytes) -> SequenceNumber {
        self.front.kinesis().put_record(stream, "key", None, data).unwrap().sequence_number
    }

    /// A consumer that may subscribe.
    pub(crate) async fn consumer(&self, stream: &StreamId) -> ConsumerArn {
        active_consumer(&self.kinesis(), stream).await
    }
}

/// Registers a consumer and waits until it may subscribe.
pub(crate) async fn active_consumer(kinesis: &AwsKinesis, stream: &StreamId) -> ConsumerArn {
    let stream = kinesis.describe_stream(stream).await.unwrap().arn;
    let name = unique_name("consumer");
    let arn = kinesis.register_consumer(&stream, &name).await.unwrap().arn;
    let consumer = kcl_core::stream::ConsumerRef::Arn(arn.clone());
    until(&format!("consumer '{name}' is active"), || async {
        kinesis.describe_consumer(&consumer).await.unwrap().status == ConsumerStatus::Active
    })
    .await;
    arn
}

/// An HTTP client with connections of its own, which trusts this certificate, if any, and nothing else.
fn trusting(pem: Option<&str>) -> SharedHttpClient {
    let trusted = pem.map_or_else(TrustStore::empty, |pem| TrustStore::empty().with_pem_certificate(pem));
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(TlsContext::builder().with_trust_store(trusted).build().unwrap())
        .build_https()
}

#[expect(clippy::disallowed_methods, reason = "the adapter reads this clock, too")]
fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::default().saturating_add(since_epoch)
}

/// Reads a subscription until it has delivered this many records.
pub(crate) async fn take(subscription: &mut dyn Subscription, records: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < records {
        let event = next_event(subscription).await.unwrap().expect("it ended early");
        texts.extend(event.records.iter().map(|record| text(&record.data)));
    }
    texts
}

pub(crate) async fn next_event(subscription: &mut dyn Subscription) -> Result<Option<SubscriptionEvent>> {
    let event = tokio::time::timeout(WAIT_MAX, subscription.next_event()).await;
    event.expect("no event came")
}

/// Subscribes from the oldest record on.
pub(crate) async fn subscribe(
    kinesis: &AwsKinesis,
    consumer: &ConsumerArn,
    shard: &ShardKey,
) -> Result<Box<dyn Subscription>> {
    kinesis.subscribe_to_shard(consumer, shard, &IteratorPosition::TrimHorizon).await
}

/// The texts that [`Wire::put`] put.
pub(crate) fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn text(data: &Bytes) -> String {
    String::from_utf8_lossy(data).into_owned()
}
