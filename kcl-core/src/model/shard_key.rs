use std::fmt;

use super::StreamId;

/// The service's name of a shard within its stream, such as `shardId-000000000002`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(String);

impl ShardId {
    /// Wraps the service's name.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A shard's full identity. It carries the stream, because shard ids repeat from stream to stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardKey {
    /// The stream that the shard is part of.
    pub stream: StreamId,
    /// The shard within the stream.
    pub shard_id: ShardId,
}

impl ShardKey {
    /// The shard `shard_id` of `stream`.
    pub fn new(stream: StreamId, shard_id: ShardId) -> Self {
        Self { stream, shard_id }
    }

    /// Another shard of the same stream: a parent or a child.
    pub fn sibling(&self, shard_id: &ShardId) -> Self {
        Self { stream: self.stream.clone(), shard_id: shard_id.clone() }
    }
}

impl fmt::Display for ShardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.stream, self.shard_id)
    }
}
