use std::sync::Arc;

use async_trait::async_trait;
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor};
use kcl_core::testing::DeliveryOracle;
use tokio_util::sync::CancellationToken;

/// Tells the oracle of every record, and does nothing else.
#[derive(Debug)]
pub(super) struct DemoProcessor {
    pub(super) oracle: Arc<DeliveryOracle>,
    pub(super) trap: Trap,
}

#[async_trait]
impl RecordProcessor for DemoProcessor {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        self.trap.pass().await;
        Ok(())
    }
}

/// Catches a worker at the worst moment to die: it has processed a batch, and has not committed it.
#[derive(Debug, Clone, Default)]
pub(super) struct Trap {
    set: CancellationToken,
    sprung: CancellationToken,
}

impl Trap {
    pub(super) fn set(&self) {
        self.set.cancel();
    }

    /// Returns once a processor of the worker is caught.
    pub(super) async fn sprung(&self) {
        self.sprung.cancelled().await;
    }

    /// Never returns once the trap is set.
    async fn pass(&self) {
        if self.set.is_cancelled() {
            self.sprung.cancel();
            std::future::pending::<()>().await;
        }
    }
}
