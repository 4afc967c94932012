use std::fmt;

use async_trait::async_trait;

use super::FailedBatch;
use crate::error::Result;

/// What a destination did with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is stored.
    Taken,
    /// It is larger than the destination takes, and not stored.
    TooLarge {
        /// What the destination takes.
        limit_bytes: usize,
    },
}

/// Stores records that were given up.
#[async_trait]
pub trait OnFailureDestination: fmt::Debug + Send + Sync + 'static {
    /// Stores the batch durably before it returns `Taken`.
    async fn send(&self, batch: &FailedBatch) -> Result<Sent>;
}
