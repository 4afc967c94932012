use crate::model::{Shard, ShardId, Timestamp};

/// Which page of a stream's shards is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardPageRequest {
    /// The first page of the shards that the filter lets through.
    First(ShardFilter),
    /// The page that the one before named, with the filter of the first.
    Next(ShardPageToken),
}

impl ShardPageRequest {
    /// The first page of all shards.
    pub const ALL: Self = Self::First(ShardFilter::All);
}

/// Which shards a listing shows (`ShardFilter`, Kinesis API reference).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ShardFilter {
    /// Every shard that the stream still knows.
    #[default]
    All,
    /// The shards whose names are above this one.
    AfterShardId(ShardId),
    /// The shards that were open at the trim horizon: where a reader of the oldest records begins.
    AtTrimHorizon,
    /// The shards that were open at the trim horizon, and all that followed.
    FromTrimHorizon,
    /// The shards that are open.
    AtLatest,
    /// The shards that were open at this time.
    AtTimestamp(Timestamp),
    /// The shards that were open at this time, and all that followed.
    FromTimestamp(Timestamp),
}

/// One page of `ListShards`.
#[derive(Debug, Clone)]
pub struct ShardPage {
    /// The shards of this page.
    pub shards: Vec<Shard>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<ShardPageToken>,
}

/// An opaque place in a listing of shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardPageToken(pub String);
