use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::calls::Calls;
use super::lanes::LaneRunner;
use super::{Checkpointer, Delivery, Halt, Lanes, LastResort, OneByOne, Processor, ShardStart};
use crate::error::Error;
use crate::stream::Kinesis;

/// How the records of one shard reach the user's code.
pub(crate) enum ShardDelivery {
    /// One batch after another.
    Batches(Box<Delivery>),
    /// Several records at a time.
    Lanes(Box<LaneRunner>),
}

impl ShardDelivery {
    pub(crate) fn new(
        processor: Processor,
        checkpointer: Arc<Checkpointer>,
        last_resort: LastResort,
        kinesis: Arc<dyn Kinesis>,
        leaving: CancellationToken,
    ) -> Self {
        match processor {
            Processor::Batches(processor) | Processor::OneByOne(OneByOne(processor)) => {
                let delivery = Delivery::new(processor, checkpointer, last_resort, kinesis, leaving);
                Self::Batches(Box::new(delivery))
            }
            Processor::Lanes(Lanes { handler, limits }) => {
                let runner = LaneRunner::new(handler, limits, checkpointer, last_resort, kinesis, leaving);
                Self::Lanes(Box::new(runner))
            }
        }
    }

    /// True if the processor takes batches, and may commit by itself.
    pub(crate) fn is_batches(&self) -> bool {
        matches!(self, Self::Batches(_))
    }

    pub(crate) fn calls(&self) -> &Calls {
        match self {
            Self::Batches(delivery) => delivery.calls(),
            Self::Lanes(runner) => runner.calls(),
        }
    }

    /// Begins. A handler of records is not told.
    pub(crate) async fn initialize(&mut self, start: &ShardStart) -> Result<(), Halt> {
        match self {
            Self::Batches(delivery) => delivery.initialize(start).await,
            Self::Lanes(_) => Ok(()),
        }
    }

    /// Goes on with calls that do not wait to be awaited, until the failure policy stops the worker. Dropping the future
    /// loses nothing. In a box, so that a shard without lanes does not carry their state.
    pub(crate) async fn go_on(&mut self) -> Error {
        match self {
            Self::Batches(_) => pending().await,
            Self::Lanes(runner) => Box::pin(runner.go_on()).await,
        }
    }

    /// The shard has no more records.
    pub(crate) async fn shard_ended(&mut self) -> Result<(), Halt> {
        match self {
            Self::Batches(delivery) => delivery.shard_ended().await,
            Self::Lanes(runner) => runner.drain().await,
        }
    }

    /// The shard is about to be given away. False if calls had to be dropped for that.
    pub(crate) async fn shutdown_requested(&mut self) -> bool {
        match self {
            Self::Batches(delivery) => {
                delivery.shutdown_requested().await;
                true
            }
            Self::Lanes(runner) => runner.settle().await,
        }
    }

    /// The shard is somebody else's.
    pub(crate) async fn lease_lost(&mut self, limit: Duration) {
        match self {
            Self::Batches(delivery) => delivery.lease_lost(limit).await,
            Self::Lanes(runner) => runner.stop_calls(limit).await,
        }
    }

    /// Ends calls that do not end by not being awaited, and waits for that no longer than `limit`.
    pub(crate) async fn stop_calls(&mut self, limit: Duration) {
        if let Self::Lanes(runner) = self {
            runner.stop_calls(limit).await;
        }
    }
}
