use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::StreamStatus;
use bytes::Bytes;
use kcl_core::aws::{AwsKinesis, kinesis_client};
use kcl_core::model::{SequenceNumber, ShardId, StreamId};
use kcl_core::stream::Kinesis;
use kcl_core::testing::kinesis_suite::KinesisFixture;
use kcl_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, sleep};

use super::sdk::unique_name;

/// How often a stream is looked at that is not ACTIVE yet. `DescribeStreamSummary` may be called 20 times a second.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long a stream may take to become ACTIVE: far longer than it takes, so that only a hang runs into it.
const ACTIVE_WITHIN: Duration = Duration::from_mins(2);

/// A Kinesis at an endpoint, with a producer and an operator of its own.
#[derive(Debug)]
pub struct RemoteKinesis {
    client: Client,
    /// The names of the streams that have been made and not been deleted.
    streams: Mutex<Vec<String>>,
}

impl RemoteKinesis {
    /// The Kinesis at this endpoint.
    pub fn new(config: &SdkConfig, endpoint_url: &str) -> Self {
        let config = aws_sdk_kinesis::config::Builder::from(config).endpoint_url(endpoint_url);
        // No retries: a refusal is what cases of limits are about.
        let client = kinesis_client(config);
        Self { client, streams: Mutex::default() }
    }

    /// Deletes the streams that it has made so far. Those that cannot be deleted stay.
    pub async fn delete_streams(&self) {
        let names = mem::take(&mut *self.streams.lock().unwrap_or_else(PoisonError::into_inner));
        for name in names {
            let request = self.client.delete_stream().stream_name(name);
            // A stream that stays harms nobody but the one who pays for it.
            let _stays = request.enforce_consumer_deletion(true).send().await;
        }
    }

    /// A stream is not ACTIVE while it is created, split or merged.
    async fn until_active(&self, stream: &StreamId) -> Result<()> {
        let started_at = Instant::now();
        while started_at.elapsed() < ACTIVE_WITHIN {
            let request = self.client.describe_stream_summary().stream_name(stream.name());
            match request.send().await {
                Ok(output)
                    if output
                        .stream_description_summary
                        .as_ref()
                        .is_some_and(|summary| summary.stream_status == StreamStatus::Active) =>
                {
                    return Ok(());
                }
                Err(error) if error.code() != Some("LimitExceededException") => return Err(refusal(error)),
                _ => sleep(POLL_INTERVAL).await,
            }
        }
        Err(Error::new(
            ErrorKind::Transient,
            format!("stream '{stream}' is not ACTIVE after {ACTIVE_WITHIN:?}"),
        ))
    }
}

#[async_trait]
impl KinesisFixture for RemoteKinesis {
    fn kinesis(&self) -> Arc<dyn Kinesis> {
        Arc::new(AwsKinesis::new(self.client.clone()))
    }

    async fn create_stream(&self, shard_count: usize) -> Result<StreamId> {
        let name = unique_name("stream");
        let shard_count = i32::try_from(shard_count)
            .map_err(|_| Error::new(ErrorKind::Refused, format!("{shard_count} shards are too many")))?;
        let request = self.client.create_stream().stream_name(&name).shard_count(shard_count);
        request.send().await.map_err(refusal)?;
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        let stream = StreamId::named(name)?;
        self.until_active(&stream).await?;
        Ok(stream)
    }

    async fn put(
        &self,
        stream: &StreamId,
        partition_key: &str,
        explicit_hash_key: Option<u128>,
        data: Bytes,
    ) -> Result<(ShardId, SequenceNumber)> {
        let request = self.client.put_record().stream_name(stream.name());
        let output = request
            .partition_key(partition_key)
            .set_explicit_hash_key(explicit_hash_key.map(|hash_key| hash_key.to_string()))
            .data(Blob::new(data))
            .send()
            .await
            .map_err(refusal)?;
        Ok((ShardId::new(output.shard_id), output.sequence_number.parse()?))
    }

    async fn split(&self, stream: &StreamId, shard: &ShardId, new_starting_hash_key: u128) -> Result<()> {
        let request = self.client.split_shard().stream_name(stream.name());
        request
            .shard_to_split(shard.as_str())
            .new_starting_hash_key(new_starting_hash_key.to_string())
            .send()
            .await
            .map_err(refusal)?;
        self.until_active(stream).await
    }

    async fn merge(&self, stream: &StreamId, shard: &ShardId, adjacent: &ShardId) -> Result<()> {
        let request = self.client.merge_shards().stream_name(stream.name());
        request
            .shard_to_merge(shard.as_str())
            .adjacent_shard_to_merge(adjacent.as_str())
            .send()
            .await
            .map_err(refusal)?;
        self.until_active(stream).await
    }
}

/// What a producer or an operator is told.
fn refusal<E>(error: SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let kind = match error.code() {
        Some("ProvisionedThroughputExceededException") => ErrorKind::Throttled,
        Some(_) => ErrorKind::Refused,
        None => ErrorKind::Transient,
    };
    let message = error.message().unwrap_or("the call did not succeed").to_owned();
    Error::new(kind, message).with_source(error)
}
