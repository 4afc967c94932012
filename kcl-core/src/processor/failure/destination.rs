use std::fmt;

use async_trait::async_trait;

use super::FailedBatch;
use crate::error::Result;

/// Where records go that a failure policy has given up.
///
/// The checkpoint moves past the records once they are [`Taken`](Sent::Taken). While a destination fails, the shard
/// waits and says so; records are never dropped.
///
/// One destination serves all shards of a worker at once. A call may be dropped at any await point, and its batch sent
/// again; whether the dropped call stored it is for the reader to find out by the idempotency key.
#[async_trait]
pub trait OnFailureDestination: fmt::Debug + Send + Sync + 'static {
    /// Stores the batch durably before it returns [`Sent::Taken`]. May be called again with the same records, which have the
    /// same [idempotency key](FailedBatch::idempotency_key).
    ///
    /// It is called again after an error of any kind.
    async fn send(&self, batch: &FailedBatch) -> Result<Sent>;
}

/// What a destination did with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    /// It is stored durably.
    Taken,
    /// It is not stored, since its JSON form is too large. The framework then sends it in halves, down to one record.
    TooLarge {
        /// The most bytes that the destination takes at a time.
        limit_bytes: usize,
    },
}
