use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{self as sdk, ShardIteratorType};
use bytes::Bytes;

use super::clients::kinesis_client;
use super::endpoint::Endpoint;
use super::error::ErrorContext;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    ConsumerArn, HashKeyRange, Record, RecordPosition, SequenceNumber, Shard, ShardId, ShardKey, StreamArn,
    StreamId, Timestamp,
};
use crate::stream::{
    ChildShard, ConsumerDescription, ConsumerRef, GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator,
    ShardPage, ShardPageRequest, ShardPageToken, StreamDescription, Subscription,
};

/// [`Kinesis`] over the AWS SDK. Streams are addressed by name, in the account and region of the client.
#[derive(Debug, Clone)]
pub struct AwsKinesis {
    client: Client,
    errors: ErrorContext,
}

impl AwsKinesis {
    /// Uses the configuration of `client`, with retries off and with time-outs where it sets none: see
    /// [`kinesis_client`].
    #[expect(clippy::needless_pass_by_value, reason = "a client with our settings takes its place")]
    pub fn new(client: Client) -> Self {
        let endpoint = Endpoint::default();
        let config = client.config().to_builder().interceptor(endpoint.clone());
        let region = client.config().region().map(ToString::to_string);
        Self { client: kinesis_client(config), errors: ErrorContext { endpoint, region } }
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

    async fn list_shards(&self, stream: &StreamId, page: &ShardPageRequest) -> Result<ShardPage> {
        let request = self.client.list_shards();
        // The token stands for the stream; the service refuses a request with both.
        let request = match page {
            ShardPageRequest::First(_) => request.stream_name(stream.name()),
            ShardPageRequest::Next(token) => request.next_token(&token.0),
        };
        let call = format!("ListShards of stream '{stream}'");
        let output = request.send().await.map_err(|error| self.errors.error(&call, &error))?;
        let shards = output.shards.unwrap_or_default();
        Ok(ShardPage { shards: read_all(&call, shards, shard)?, next: output.next_token.map(ShardPageToken) })
    }

    async fn get_shard_iterator(
        &self,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<ShardIterator> {
        let request = self
            .client
            .get_shard_iterator()
            .stream_name(shard.stream.name())
            .shard_id(shard.shard_id.as_str());
        let request = match position {
            IteratorPosition::TrimHorizon => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            IteratorPosition::Latest => request.shard_iterator_type(ShardIteratorType::Latest),
            IteratorPosition::AtTimestamp(time) => request
                .shard_iterator_type(ShardIteratorType::AtTimestamp)
                .timestamp(DateTime::from_millis(time.as_millis())),
            IteratorPosition::AtSequenceNumber(number) => request
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .starting_sequence_number(number.as_str()),
            IteratorPosition::AfterSequenceNumber(number) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(number.as_str()),
        };
        let call = format!("GetShardIterator of shard '{shard}' at {position}");
        let output = request.send().await.map_err(|error| self.errors.error(&call, &error))?;
        match output.shard_iterator {
            Some(token) => Ok(ShardIterator { shard: shard.clone(), token }),
            None => Err(corrupt(format!("{call} returned no iterator"))),
        }
    }

    async fn get_records(&self, iterator: &ShardIterator, limit: u32) -> Result<GetRecordsOutput> {
        let call = format!("GetRecords of shard '{}'", iterator.shard);
        let output = self
            .client
            .get_records()
            .shard_iterator(&iterator.token)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| self.errors.error(&call, &error))?;
        let children = output.child_shards.unwrap_or_default();
        Ok(GetRecordsOutput {
            records: read_all(&call, output.records, record)?,
            next: output
                .next_shard_iterator
                .map(|token| ShardIterator { shard: iterator.shard.clone(), token }),
            millis_behind_latest: output
                .millis_behind_latest
                .and_then(|millis| u64::try_from(millis).ok())
                .unwrap_or(0),
            children: read_all(&call, children, child_shard)?,
        })
    }

    async fn describe_stream(&self, _stream: &StreamId) -> Result<StreamDescription> {
        Err(Error::new(ErrorKind::Refused, "not there yet"))
    }

    async fn subscribe_to_shard(
        &self,
        _consumer: &ConsumerArn,
        _shard: &ShardKey,
        _position: &IteratorPosition,
    ) -> Result<Box<dyn Subscription>> {
        Err(Error::new(ErrorKind::Refused, "not there yet"))
    }

    async fn register_consumer(&self, _stream: &StreamArn, _name: &str) -> Result<ConsumerDescription> {
        Err(Error::new(ErrorKind::Refused, "not there yet"))
    }

    async fn describe_consumer(&self, _consumer: &ConsumerRef) -> Result<ConsumerDescription> {
        Err(Error::new(ErrorKind::Refused, "not there yet"))
    }

    async fn deregister_consumer(&self, _consumer: &ConsumerArn) -> Result<()> {
        Err(Error::new(ErrorKind::Refused, "not there yet"))
    }
}

/// Reads each item of an answer to `call`, which the error names.
fn read_all<T, U>(call: &str, items: Vec<T>, read: fn(T) -> Result<U>) -> Result<Vec<U>> {
    let items = items.into_iter().map(read).collect::<Result<_>>();
    items.map_err(|error| corrupt(format!("{call} returned what cannot be read: {error}")))
}

fn shard(shard: sdk::Shard) -> Result<Shard> {
    let hash_key_range = hash_key_range(&shard.shard_id, shard.hash_key_range)?;
    let numbers = shard
        .sequence_number_range
        .ok_or_else(|| corrupt(format!("shard '{}' has no sequence number range", shard.shard_id)))?;
    Ok(Shard {
        hash_key_range,
        shard_id: ShardId::new(shard.shard_id),
        parent: shard.parent_shard_id.map(ShardId::new),
        adjacent_parent: shard.adjacent_parent_shard_id.map(ShardId::new),
        starting_sequence_number: numbers.starting_sequence_number.parse()?,
        ending_sequence_number: numbers.ending_sequence_number.as_deref().map(str::parse).transpose()?,
    })
}

fn child_shard(child: sdk::ChildShard) -> Result<ChildShard> {
    Ok(ChildShard {
        hash_key_range: hash_key_range(&child.shard_id, child.hash_key_range)?,
        shard_id: ShardId::new(child.shard_id),
        parents: child.parent_shards.into_iter().map(ShardId::new).collect(),
    })
}

fn hash_key_range(shard_id: &str, range: Option<sdk::HashKeyRange>) -> Result<HashKeyRange> {
    let (start, end) =
        range.map(|range| (range.starting_hash_key, range.ending_hash_key)).unwrap_or_default();
    match (start.parse(), end.parse()) {
        (Ok(start), Ok(end)) => Ok(HashKeyRange { start, end }),
        _ => Err(corrupt(format!("shard '{shard_id}' has the hash keys '{start}' to '{end}'"))),
    }
}

fn record(record: sdk::Record) -> Result<Record> {
    let sequence_number: SequenceNumber = record.sequence_number.parse()?;
    let arrival = record.approximate_arrival_timestamp.and_then(|time| time.to_millis().ok());
    let Some(arrival) = arrival else {
        return Err(corrupt(format!("record {sequence_number} has no arrival time")));
    };
    Ok(Record {
        position: RecordPosition { sequence_number, sub_sequence_number: 0 },
        partition_key: record.partition_key.unwrap_or_default().into(),
        explicit_hash_key: None,
        approximate_arrival: Timestamp::from_millis(arrival),
        data: Bytes::from(record.data.into_inner()),
    })
}

fn corrupt(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}
