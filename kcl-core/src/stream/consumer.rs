use std::fmt;
use std::time::Duration;

use crate::model::{ConsumerArn, StreamArn, Timestamp};

/// How a registered consumer is named: by its ARN, or by its name within a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsumerRef {
    /// By its full name.
    Arn(ConsumerArn),
    /// By its name in the stream.
    Name {
        /// The stream.
        stream: StreamArn,
        /// The consumer's name.
        name: String,
    },
}

impl fmt::Display for ConsumerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arn(arn) => arn.fmt(f),
            Self::Name { stream, name } => write!(f, "{name} of {stream}"),
        }
    }
}

/// A registered consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerDescription {
    /// Its name.
    pub name: String,
    /// Its full name, which subscriptions need.
    pub arn: ConsumerArn,
    /// Whether it may subscribe.
    pub status: ConsumerStatus,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// The life of a registered consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumerStatus {
    /// It is being registered, and may not subscribe yet.
    Creating,
    /// It may subscribe.
    Active,
    /// It is being deregistered.
    Deleting,
}

/// A stream as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamDescription {
    /// Its full name.
    pub arn: StreamArn,
    /// Whether it can be read.
    pub status: StreamStatus,
    /// How long it keeps records.
    pub retention: Duration,
    /// How many of its shards are open.
    pub open_shard_count: usize,
    /// How many consumers are registered.
    pub consumer_count: usize,
}

/// The life of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStatus {
    /// It is being created and cannot be read yet.
    Creating,
    /// It can be read and changed.
    Active,
    /// It can be read, but not changed: its shards are being split or merged.
    Updating,
    /// It is being deleted.
    Deleting,
}
