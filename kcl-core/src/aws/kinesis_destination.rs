use async_trait::async_trait;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;

use super::clients::kinesis_client;
use super::endpoint::Endpoint;
use super::error::ErrorContext;
use crate::error::Result;
use crate::model::{StreamArn, StreamId};
use crate::processor::{FailedBatch, OnFailureDestination, Sent};

/// The most bytes of a record with its partition key, unless the stream was told otherwise by `UpdateMaxRecordSize`
/// (`PutRecord` and `UpdateMaxRecordSize`, Kinesis API reference: 1 MiB to 10 MiB).
pub const KINESIS_RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Sends each failed batch to a Kinesis stream, as one record of JSON.
///
/// The partition key is the shard that the records lie in, with its stream: so the batches of a shard stay in order, as
/// its records were, and those of many shards are spread. An answer that is lost leads to a second record with the same
/// idempotency key.
///
/// Must not be a stream that the same application reads, whose failures would come back to it.
#[derive(Debug, Clone)]
pub struct KinesisDestination {
    client: Client,
    stream: StreamId,
    arn: Option<StreamArn>,
    record_bytes_max: usize,
    errors: ErrorContext,
}

impl KinesisDestination {
    /// Sends to `stream`, by name, in the account and region of `client`. Uses the configuration of `client`, with retries
    /// off and with time-outs where it sets none: see [`kinesis_client`].
    #[expect(clippy::needless_pass_by_value, reason = "a client with our settings takes its place")]
    pub fn new(client: Client, stream: StreamId) -> Self {
        let endpoint = Endpoint::default();
        let region = client.config().region().map(ToString::to_string);
        Self {
            client: kinesis_client(client.config().to_builder().interceptor(endpoint.clone())),
            stream,
            arn: None,
            record_bytes_max: KINESIS_RECORD_BYTES_MAX,
            errors: ErrorContext { endpoint, region },
        }
    }

    /// Addresses the stream by its ARN, as a stream of another account must be. The default is by name.
    pub fn with_stream_arn(mut self, arn: StreamArn) -> Self {
        self.arn = Some(arn);
        self
    }

    /// The most bytes of a record with its partition key, if the stream takes larger ones than the default of
    /// [`KINESIS_RECORD_BYTES_MAX`].
    pub fn with_record_bytes_max(mut self, bytes: usize) -> Self {
        self.record_bytes_max = bytes;
        self
    }
}

#[async_trait]
impl OnFailureDestination for KinesisDestination {
    async fn send(&self, batch: &FailedBatch) -> Result<Sent> {
        let (json, key) = (batch.to_json()?, batch.shard.to_string());
        if json.len() + key.len() > self.record_bytes_max {
            return Ok(Sent::TooLarge { limit_bytes: self.record_bytes_max });
        }
        let request = match &self.arn {
            Some(arn) => self.client.put_record().stream_arn(arn.as_str()),
            None => self.client.put_record().stream_name(self.stream.name()),
        };
        let request = request.partition_key(key).data(Blob::new(json));
        request.send().await.map_err(|error| {
            let call =
                format!("PutRecord to stream '{}' of a failed batch of '{}'", self.stream, batch.shard);
            self.errors.error(&call, &error)
        })?;
        Ok(Sent::Taken)
    }
}
