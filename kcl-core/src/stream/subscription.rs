use std::fmt;

use async_trait::async_trait;

use super::ChildShard;
use crate::error::Result;
use crate::model::{Record, SequenceNumber};

/// An open subscription of one consumer to one shard: the service pushes what arrives, for up to five minutes.
///
/// Dropping it ends it.
#[async_trait]
pub trait Subscription: fmt::Debug + Send {
    /// The next event, or `None` once the service has ended the subscription in good order.
    ///
    /// After an error the subscription is of no more use, whatever it may still return: records may be missing from it.
    /// Fails with [`InUse`](crate::ErrorKind::InUse) when another subscription has taken over.
    ///
    /// # To ensure correctness
    /// Dropping the future before it is ready loses no event.
    async fn next_event(&mut self) -> Result<Option<SubscriptionEvent>>;
}

/// What a subscription delivers: records, or the news that there are none.
#[derive(Debug, Clone)]
pub struct SubscriptionEvent {
    /// The records, each with sub-sequence number 0. None at the tip of an idle shard.
    pub records: Vec<Record>,
    /// Everything up to and including this number has been delivered: where to go on *after*. It moves on in an idle
    /// shard, too, and need not be the number of a record. `None` before anything was read and at the end of a closed shard.
    pub continuation: Option<SequenceNumber>,
    /// How long before the present the last record delivered arrived, in milliseconds; 0 at the tip.
    pub millis_behind_latest: u64,
    /// True in the last event of a closed shard.
    pub is_shard_end: bool,
    /// At the end of a closed shard, the shards that follow it. May be empty if the service does not say.
    pub children: Vec<ChildShard>,
}
