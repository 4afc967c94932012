use async_trait::async_trait;

use super::Checkpointer;
use crate::lease::Lease;
use crate::model::{Checkpoint, PendingCheckpoint, Record, ShardKey};
use crate::settings::Checkpointing;

/// Whatever a processor fails with. It is reported by its text, and the call is made again.
pub type ProcessorError = Box<dyn std::error::Error + Send + Sync>;

/// Processes the records of one shard, in order. This is what a user writes.
///
/// A worker makes one processor for each shard that it takes, through a
/// [`ProcessorFactory`](super::ProcessorFactory). Its calls never overlap. A call that returns an `Err` or panics is **made
/// again with the same input** after a delay, for as long as the worker owns the shard: no record is skipped, unless the
/// [`FailurePolicy`](super::FailurePolicy) says so by name. After a panic the processor is used as the panic left it.
/// One that cannot go on with what it has left says so by [`StartOver`](super::StartOver).
///
/// When the lease is lost, a call is past its [deadline](super::CallDeadlines), or the grace period of a shutdown is over,
/// the future of a running call is dropped at its next await point. The next owner starts after the last checkpoint.
#[async_trait]
pub trait RecordProcessor: Send + 'static {
    /// Called before anything else, until it succeeds.
    async fn initialize(&mut self, start: &ShardStart) -> Result<(), ProcessorError> {
        let _ = start;
        Ok(())
    }

    /// Processes a batch of at least one record.
    ///
    /// Records may be delivered again, to this processor or to another after a move, until a checkpoint covers them.
    async fn process_records(
        &mut self,
        batch: &RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError>;

    /// The lease is lost: another worker has it, or may take it at any moment. Nothing can be committed any more; release
    /// what the shard used. It is dropped at its
    /// [deadline](super::CallDeadlines::lease_lost).
    async fn lease_lost(&mut self) {}

    /// Every record of the shard has been processed, and the shard is closed. When this returns `Ok`, the framework
    /// commits the end of the shard, and the shards that follow it may start.
    async fn shard_ended(&mut self) -> Result<(), ProcessorError> {
        Ok(())
    }

    /// The worker is about to give the shard away, because it stops, because another worker that lacks shards asks for it, or
    /// because it cannot read the shard: the last chance to commit. An `Err` is reported, not tried again.
    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        let _ = checkpointer;
        Ok(())
    }
}

/// What a processor is told before its first batch, and what it may be [made of](super::for_each_shard).
#[derive(Debug, Clone)]
pub struct ShardStart {
    /// The shard.
    pub shard: ShardKey,
    /// How far it is processed; the first batch begins after it.
    pub checkpoint: Checkpoint,
    /// What an owner before has [prepared](Checkpointer::prepare) since that checkpoint, and neither it nor anybody else has
    /// committed. The records up to there come again.
    pub pending: Option<PendingCheckpoint>,
    /// Grows with every change of ownership of this shard. Store it with side effects, and refuse those that carry a
    /// smaller one: it fences a worker that does not know yet that it lost the shard.
    pub fencing_token: u64,
    /// When the framework commits by itself, as the worker's settings say. Unless that is
    /// [`Manual`](Checkpointing::Manual), every record of a call that returned `Ok` counts as processed.
    pub checkpointing: Checkpointing,
}

impl ShardStart {
    /// Of the lease as its owner has acquired it.
    pub(crate) fn of(acquired: &Lease, checkpointing: Checkpointing) -> Self {
        let Lease { shard, checkpoint, pending, counter, .. } = acquired;
        let (shard, checkpoint, pending) = (shard.clone(), checkpoint.clone(), pending.clone());
        Self { shard, checkpoint, pending, fencing_token: *counter, checkpointing }
    }
}

/// Records of one shard, in order.
#[derive(Debug, Clone)]
pub struct RecordBatch {
    /// The shard.
    pub shard: ShardKey,
    /// At least one record, ascending in position.
    pub records: Vec<Record>,
    /// How far the reader is behind the newest record of the shard, in milliseconds; 0 at the tip.
    pub millis_behind_latest: u64,
}
