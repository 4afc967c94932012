//! The fencing token of the letters, however often a shard is taken. Each write of a lease raises its counter, so what a lease
//! that is taken again brings is above the token of an owner that lives, and would fence it off.

use std::sync::Arc;

use async_trait::async_trait;
use kcl_core::Result;
use kcl_core::processor::{
    Checkpointer, FailedBatch, OnFailureDestination, Processor, ProcessorError, ProcessorFactory,
    RecordBatch, RecordProcessor, Sent, ShardStart,
};

use super::letters::Letters;

/// Processors, or a destination, to which shards are those of the letters.
#[derive(Debug)]
pub(super) struct Fenced<T> {
    pub(super) inner: T,
    pub(super) letters: Arc<Letters>,
}

/// A processor that is told the token before its first batch.
struct FencedProcessor {
    inner: Box<dyn RecordProcessor>,
    fencing_token: u64,
}

impl<F: ProcessorFactory> ProcessorFactory for Fenced<F> {
    fn create(&self, start: &ShardStart) -> Processor {
        let letters = self.letters.shards.get(&start.shard.shard_id);
        let fencing_token = letters.map_or(start.fencing_token, |letters| letters.fencing_token);
        match self.inner.create(&with_token(start, fencing_token)) {
            Processor::Batches(inner) => FencedProcessor { inner, fencing_token }.into(),
            handler => handler,
        }
    }
}

#[async_trait]
impl<D: OnFailureDestination> OnFailureDestination for Fenced<D> {
    /// With the token, so that the batch can be redriven in turn.
    async fn send(&self, batch: &FailedBatch) -> Result<Sent> {
        let mut batch = batch.clone();
        if let Some(letters) = self.letters.shards.get(&batch.shard.shard_id) {
            batch.fencing_token = letters.fencing_token;
        }
        self.inner.send(&batch).await
    }
}

#[async_trait]
impl RecordProcessor for FencedProcessor {
    async fn initialize(&mut self, start: &ShardStart) -> Result<(), ProcessorError> {
        self.inner.initialize(&with_token(start, self.fencing_token)).await
    }

    async fn process_records(
        &mut self,
        batch: &RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        self.inner.process_records(batch, checkpointer).await
    }

    async fn lease_lost(&mut self) {
        self.inner.lease_lost().await;
    }

    async fn shard_ended(&mut self) -> Result<(), ProcessorError> {
        self.inner.shard_ended().await
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        self.inner.shutdown_requested(checkpointer).await
    }
}

fn with_token(start: &ShardStart, fencing_token: u64) -> ShardStart {
    ShardStart { fencing_token, ..start.clone() }
}
