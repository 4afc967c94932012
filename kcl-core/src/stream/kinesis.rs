use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{ConsumerDescription, ConsumerRef, ShardPage, ShardPageRequest, StreamDescription, Subscription};
use crate::error::Result;
use crate::model::{
    ConsumerArn, HashKeyRange, Record, SequenceNumber, ShardId, ShardKey, StreamArn, StreamId, Timestamp,
};

/// A call that takes longer is given up, and made again: the Java KCL's `kinesisRequestTimeout`.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The most records that one `GetRecords` call may ask for (Kinesis API reference).
pub const GET_RECORDS_MAX: u32 = 10_000;

/// The calls that a consumer makes to Kinesis Data Streams, one method for each call of the service.
///
/// Low level on purpose: an implementation makes one call and does not retry, pace, cache or reorder.
///
/// Errors, for every method: [`Transient`](crate::ErrorKind::Transient) and
/// [`Throttled`](crate::ErrorKind::Throttled) if the same call may succeed later;
/// [`InUse`](crate::ErrorKind::InUse) if a stream, a consumer or a subscription must first reach another state;
/// [`NotFound`](crate::ErrorKind::NotFound) if the stream or the shard does not exist;
/// [`Refused`](crate::ErrorKind::Refused) for missing permissions and for arguments that can never succeed.
#[async_trait]
pub trait Kinesis: fmt::Debug + Send + Sync + 'static {
    /// The time by which the service stamps what arrives now, as well as this side can tell.
    ///
    /// Decides nothing about ownership or order. It only places a reader at the tip that has read no record yet and
    /// lost its iterator.
    ///
    /// # To ensure correctness
    /// It is not more than a few seconds ahead of the service's clock.
    fn now(&self) -> Timestamp;

    /// The ARN of the stream, if it is known without a call. Default: it is not.
    fn stream_arn(&self, stream: &StreamId) -> Option<StreamArn> {
        let _ = stream;
        None
    }

    /// True if the records are user records already, each with its own sub-sequence number, so that none is taken apart, and
    /// a position inside of an aggregate is one between two of them. Default: they are what was put.
    fn holds_user_records(&self) -> bool {
        false
    }

    /// The stream's full name and state.
    async fn describe_stream(&self, stream: &StreamId) -> Result<StreamDescription>;

    /// One page of the stream's shards that the filter lets through. Without a filter: open ones, and closed ones whose
    /// records are not all trimmed. Fails with [`Transient`](crate::ErrorKind::Transient) if the token of a page is
    /// older than five minutes; the listing must start again.
    ///
    /// # To ensure correctness
    /// Following `next` until it is `None` visits every such shard at least once.
    async fn list_shards(&self, stream: &StreamId, page: &ShardPageRequest) -> Result<ShardPage>;

    /// A place in a shard from which to read.
    ///
    /// # To ensure correctness
    /// Reading from [`IteratorPosition::Latest`] delivers every record put after this call has returned.
    async fn get_shard_iterator(
        &self,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<ShardIterator>;

    /// Up to `limit` records (at most [`GET_RECORDS_MAX`]) from `iterator` on, in the order of their positions, and
    /// an iterator for what follows.
    ///
    /// An empty answer with an iterator is normal, also in the middle of a shard. Fails with
    /// [`IteratorExpired`](crate::ErrorKind::IteratorExpired) if the iterator can no longer be used.
    ///
    /// # To ensure correctness
    /// `next` is `None` only if the shard is closed and `records` are its last ones.
    async fn get_records(&self, iterator: &ShardIterator, limit: u32) -> Result<GetRecordsOutput>;

    /// Opens a subscription of a registered consumer to a shard. The service ends it after five minutes.
    ///
    /// Fails with [`InUse`](crate::ErrorKind::InUse) within five seconds of the last successful call for this consumer
    /// and shard, whoever made it. After that the new subscription takes over, and the one before fails with the same
    /// error.
    ///
    /// # To ensure correctness
    /// A subscription from [`IteratorPosition::Latest`] delivers every record put after this call has returned.
    async fn subscribe_to_shard(
        &self,
        consumer: &ConsumerArn,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> Result<Box<dyn Subscription>>;

    /// Registers a consumer, which may subscribe once it is active. Fails with [`InUse`](crate::ErrorKind::InUse) if
    /// there is one of this name, and with [`Throttled`](crate::ErrorKind::Throttled) if the stream has as many
    /// consumers as it may have.
    async fn register_consumer(&self, stream: &StreamArn, name: &str) -> Result<ConsumerDescription>;

    /// A registered consumer. Fails with [`NotFound`](crate::ErrorKind::NotFound) if there is none.
    async fn describe_consumer(&self, consumer: &ConsumerRef) -> Result<ConsumerDescription>;

    /// Takes back a registration, and ends all its subscriptions.
    async fn deregister_consumer(&self, consumer: &ConsumerArn) -> Result<()>;
}

/// An opaque place in a shard. The service lets it expire after five minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardIterator {
    /// The shard it reads: named in errors, and needed by adapters that must ask for another.
    pub shard: ShardKey,
    /// The service's token.
    pub token: String,
}

/// The five iterator types of `GetShardIterator`, which are the starting positions of `SubscribeToShard`, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IteratorPosition {
    /// The oldest record that the shard still keeps.
    TrimHorizon,
    /// After the newest record.
    Latest,
    /// The first record that arrived at or after this time.
    AtTimestamp(Timestamp),
    /// The record of this sequence number.
    AtSequenceNumber(SequenceNumber),
    /// The record after this sequence number.
    AfterSequenceNumber(SequenceNumber),
}

impl fmt::Display for IteratorPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TrimHorizon => f.write_str("TRIM_HORIZON"),
            Self::Latest => f.write_str("LATEST"),
            Self::AtTimestamp(time) => write!(f, "AT_TIMESTAMP {time}"),
            Self::AtSequenceNumber(number) => write!(f, "AT_SEQUENCE_NUMBER {number}"),
            Self::AfterSequenceNumber(number) => write!(f, "AFTER_SEQUENCE_NUMBER {number}"),
        }
    }
}

/// What one `GetRecords` call returned.
#[derive(Debug, Clone)]
pub struct GetRecordsOutput {
    /// The records, each with sub-sequence number 0, since aggregates are taken apart later; unless they are
    /// [user records](Kinesis::holds_user_records) already.
    pub records: Vec<Record>,
    /// Where to read on; `None` at the end of a closed shard.
    pub next: Option<ShardIterator>,
    /// How long before the present the last record read arrived, in milliseconds; 0 at the tip.
    pub millis_behind_latest: u64,
    /// At the end of a closed shard, the shards that follow it. May be empty if the service does not say.
    pub children: Vec<ChildShard>,
}

/// A shard that follows a closed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildShard {
    /// Its name.
    pub shard_id: ShardId,
    /// The closed shard or shards that it follows.
    pub parents: Vec<ShardId>,
    /// The hash keys that fall into it.
    pub hash_key_range: HashKeyRange,
}
