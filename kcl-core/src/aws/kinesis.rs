mod own_reading;
mod record_memory;
mod records_body;
mod subscription;
mod subscription_clients;
mod translate;

use std::collections::BTreeMap;
use std::sync::{Arc, Once};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{IdentityCache, SharedHttpClient};
use tracing::warn;

use self::own_reading::OwnReading;
use self::records_body::RecordsPage;
use self::subscription::AwsSubscription;
use self::subscription_clients::SubscriptionClients;
use self::translate::{PositionFields, corrupt, read_all, unreadable};
use super::clients::{KINESIS_OPERATION_TIMEOUT, kinesis_client};
use super::endpoint::Endpoint;
use super::error::ErrorContext;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{ConsumerArn, ShardKey, StreamArn, StreamId, Timestamp};
use crate::stream::{
    ConsumerDescription, ConsumerRef, GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator, ShardPage,
    ShardPageRequest, ShardPageToken, StreamDescription, Subscription,
};

/// [`Kinesis`] over the AWS SDK.
///
/// Streams are addressed by name, in the account and region of the client, unless [an ARN](Self::with_stream_arn) says
/// otherwise.
///
/// Each subscription has a connection of its own, so that one that is not read for a while holds up nothing else. For
/// that it needs an HTTP client of its own. If the configuration of the SDK client names an HTTP client, all
/// subscriptions share that one, unless the adapter is told [how to make another](Self::with_subscription_http_clients).
#[derive(Debug, Clone)]
pub struct AwsKinesis {
    client: Client,
    subscription_clients: SubscriptionClients,
    /// The streams that are addressed by ARN.
    arns: BTreeMap<StreamId, StreamArn>,
    /// How long a subscription may take to open. The SDK's own time-outs end with the head of the answer.
    opening_timeout: Duration,
    errors: ErrorContext,
}

impl AwsKinesis {
    /// Uses the configuration of `client`, with retries off and with time-outs where it sets none: see
    /// [`kinesis_client`].
    #[expect(clippy::needless_pass_by_value, reason = "a client with our settings takes its place")]
    pub fn new(client: Client) -> Self {
        let endpoint = Endpoint::default();
        let mut config = client.config().to_builder().interceptor(endpoint.clone());
        if client.config().identity_cache().is_none() {
            // One for all subscriptions, which would otherwise each ask for credentials.
            config = config.identity_cache(IdentityCache::lazy().build());
        }
        let region = client.config().region().map(ToString::to_string);
        let client = kinesis_client(config);
        let timeouts = client.config().timeout_config();
        Self {
            subscription_clients: SubscriptionClients::of(&client),
            arns: BTreeMap::new(),
            opening_timeout: timeouts
                .and_then(aws_sdk_kinesis::config::timeout::TimeoutConfig::operation_timeout)
                .unwrap_or(KINESIS_OPERATION_TIMEOUT),
            errors: ErrorContext { endpoint, region },
            client,
        }
    }

    /// Addresses `stream` by its ARN, as a stream of another account must be. The default is by name.
    pub fn with_stream_arn(mut self, stream: StreamId, arn: StreamArn) -> Self {
        self.arns.insert(stream, arn);
        self
    }

    /// Makes the HTTP client of each subscription with `make`, for configurations that name an HTTP client of their own,
    /// such as for a proxy. Each that it returns must open a connection of its own.
    pub fn with_subscription_http_clients(
        mut self,
        make: impl Fn() -> SharedHttpClient + Send + Sync + 'static,
    ) -> Self {
        self.subscription_clients = SubscriptionClients::Made(self.client.config().clone(), Arc::new(make));
        self
    }

    /// The stream's ARN, if it is addressed by that.
    fn arn(&self, stream: &StreamId) -> Option<String> {
        self.arns.get(stream).map(ToString::to_string)
    }

    /// The stream's name, unless it is addressed by its ARN.
    fn name(&self, stream: &StreamId) -> Option<String> {
        (!self.arns.contains_key(stream)).then(|| stream.name().to_owned())
    }
}

#[async_trait]
impl Kinesis for AwsKinesis {
    /// This host's clock, which hosts in AWS keep within milliseconds of the service's.
    #[expect(clippy::disallowed_methods, reason = "the edge of the system: the port asks for the wall clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::default().saturating_add(since_epoch)
    }

    /// Known if the stream is addressed by it.
    fn stream_arn(&self, stream: &StreamId) -> Option<StreamArn> {
        self.arns.get(stream).cloned()
    }

    async fn describe_stream(&self, stream: &StreamId) -> Result<StreamDescription> {
        let call = format!("DescribeStreamSummary of stream '{stream}'");
        let request = self.client.describe_stream_summary();
        let request = request.set_stream_name(self.name(stream)).set_stream_arn(self.arn(stream));
        let output = request.send().await.map_err(|error| self.errors.error(&call, &error))?;
        one(&call, output.stream_description_summary, translate::stream)
    }

    async fn list_shards(&self, stream: &StreamId, page: &ShardPageRequest) -> Result<ShardPage> {
        let call = format!("ListShards of stream '{stream}'");
        let request = self.client.list_shards();
        // The token stands for stream and filter; the service refuses a request with both.
        let request = match page {
            ShardPageRequest::First(filter) => request
                .set_stream_name(self.name(stream))
                .set_stream_arn(self.arn(stream))
                .set_shard_filter(translate::shard_filter(filter)?),
            ShardPageRequest::Next(token) => request.next_token(&token.0),
        };
        let output = request.send().await.map_err(|error| self.errors.error(&call, &error))?;
        let shards = read_all(&call, output.shards.unwrap_or_default(), translate::shard)?;
        Ok(ShardPage { shards, next: output.next_token.map(ShardPageToken) })
    }

    async fn get_shard_iterator(
        &self,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<ShardIterator> {
        let call = format!("GetShardIterator of shard '{shard}' at {position}");
        let fields = PositionFields::of(position);
        let output = self
            .client
            .get_shard_iterator()
            .set_stream_name(self.name(&shard.stream))
            .set_stream_arn(self.arn(&shard.stream))
            .shard_id(shard.shard_id.as_str())
            .shard_iterator_type(fields.kind)
            .set_starting_sequence_number(fields.sequence_number)
            .set_timestamp(fields.timestamp)
            .send()
            .await
            .map_err(|error| self.errors.error(&call, &error))?;
        one(&call, output.shard_iterator, |token| Ok(ShardIterator { shard: shard.clone(), token }))
    }

    async fn get_records(&self, iterator: &ShardIterator, limit: u32) -> Result<GetRecordsOutput> {
        let call = format!("GetRecords of shard '{}'", iterator.shard);
        let reading = OwnReading::default();
        let output = self
            .client
            .get_records()
            .set_stream_arn(self.arn(&iterator.shard.stream))
            .shard_iterator(&iterator.token)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .customize()
            .interceptor(reading.clone())
            .send()
            .await
            .map_err(|error| self.errors.error(&call, &error))?;
        let page = if let Some(page) = reading.take() {
            page
        } else {
            warn_of_the_sdks_reading();
            translate::records_page(output).map_err(|error| unreadable(&call, &error))?
        };
        let RecordsPage { records, next, millis_behind_latest, children } = page;
        let next = next.map(|token| ShardIterator { shard: iterator.shard.clone(), token });
        Ok(GetRecordsOutput { records, next, millis_behind_latest, children })
    }

    async fn subscribe_to_shard(
        &self,
        consumer: &ConsumerArn,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<Box<dyn Subscription>> {
        let call = format!("SubscribeToShard of shard '{shard}' at {position}");
        let request = self
            .subscription_clients
            .client()
            .subscribe_to_shard()
            .consumer_arn(consumer.as_str())
            .shard_id(shard.shard_id.as_str())
            .starting_position(PositionFields::of(position).starting_position()?);
        // It returns with the first frame of the stream, for which the SDK would wait for ever.
        let Ok(answer) = tokio::time::timeout(self.opening_timeout, request.send()).await else {
            let limit = self.opening_timeout;
            return Err(Error::new(ErrorKind::Transient, format!("{call} began no stream within {limit:?}")));
        };
        match answer {
            Ok(output) => {
                let errors = self.errors.clone();
                Ok(Box::new(AwsSubscription::new(output.event_stream, call, errors)))
            }
            Err(error) => Err(self.errors.opening_error(&call, &error)),
        }
    }

    async fn register_consumer(&self, stream: &StreamArn, name: &str) -> Result<ConsumerDescription> {
        let call = format!("RegisterStreamConsumer of '{name}' in '{stream}'");
        let request = self.client.register_stream_consumer().stream_arn(stream.as_str()).consumer_name(name);
        let output = request.send().await.map_err(|error| self.errors.error(&call, &error))?;
        one(&call, output.consumer, translate::registered)
    }

    async fn describe_consumer(&self, consumer: &ConsumerRef) -> Result<ConsumerDescription> {
        let call = format!("DescribeStreamConsumer of '{consumer}'");
        let request = self.client.describe_stream_consumer();
        let request = match consumer {
            ConsumerRef::Arn(arn) => request.consumer_arn(arn.as_str()),
            ConsumerRef::Name { stream, name } => request.stream_arn(stream.as_str()).consumer_name(name),
        };
        let output = request.send().await.map_err(|error| self.errors.error(&call, &error))?;
        one(&call, output.consumer_description, translate::described)
    }

    async fn deregister_consumer(&self, consumer: &ConsumerArn) -> Result<()> {
        let request = self.client.deregister_stream_consumer().consumer_arn(consumer.as_str());
        let call = format!("DeregisterStreamConsumer of '{consumer}'");
        request.send().await.map_err(|error| self.errors.error(&call, &error))?;
        Ok(())
    }
}

/// Reads the one item that an answer to `call` must have.
fn one<T, U>(call: &str, item: Option<T>, read: impl FnOnce(T) -> Result<U>) -> Result<U> {
    let item = item.ok_or_else(|| corrupt(format!("{call} returned nothing")))?;
    read(item).map_err(|error| unreadable(call, &error))
}

/// Once: shards are read all the same.
fn warn_of_the_sdks_reading() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        warn!(
            "this version of the AWS SDK reads GetRecords by itself, which is slower and takes an answer without records for the \
             end of a shard; build with the version of aws-smithy-runtime that kcl-core is tested with"
        );
    });
}
