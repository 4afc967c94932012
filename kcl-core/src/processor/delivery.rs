use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::select;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor, ShardStart};
use crate::event::{Event, Events};
use crate::model::ShardKey;
use crate::retry::Retry;

/// What became of a call that is made until it succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The processor returned `Ok`.
    Done,
    /// It failed, and the worker is stopping, so it is not called again here. The next owner begins after the last
    /// checkpoint.
    Stopped,
}

/// Calls one shard's processor, again and again where it fails.
///
/// Every future here may be dropped: it ends the running call at its next await point, and changes nothing else.
pub(crate) struct Delivery {
    shard: ShardKey,
    processor: Box<dyn RecordProcessor>,
    checkpointer: Arc<Checkpointer>,
    events: Events,
    retry: Retry,
    stopping: CancellationToken,
}

impl Delivery {
    pub(crate) fn new(
        shard: ShardKey,
        processor: Box<dyn RecordProcessor>,
        checkpointer: Arc<Checkpointer>,
        events: Events,
        retry: Retry,
        stopping: CancellationToken,
    ) -> Self {
        Self { shard, processor, checkpointer, events, retry, stopping }
    }

    /// Calls `initialize` until it succeeds.
    pub(crate) async fn initialize(&mut self, start: &ShardStart) -> Delivered {
        loop {
            let outcome = contain(self.processor.initialize(start)).await;
            if let Some(delivered) = self.settle("initialize", outcome).await {
                return delivered;
            }
        }
    }

    /// Delivers a batch until the processor has taken it. A batch without records is not delivered.
    pub(crate) async fn process(&mut self, batch: &RecordBatch) -> Delivered {
        let Some(last) = batch.records.last() else {
            return Delivered::Done;
        };
        loop {
            self.checkpointer.begin(&last.position);
            let outcome = contain(self.processor.process_records(batch, &self.checkpointer)).await;
            match outcome {
                Ok(()) => self.checkpointer.succeed(),
                Err(_) => self.checkpointer.fail(),
            }
            if let Some(delivered) = self.settle("process_records", outcome).await {
                if delivered == Delivered::Done {
                    self.processed(batch);
                }
                return delivered;
            }
        }
    }

    fn processed(&self, batch: &RecordBatch) {
        self.events.emit(&Event::BatchProcessed {
            shard: &self.shard,
            records: batch.records.len(),
            millis_behind_latest: batch.millis_behind_latest,
        });
    }

    /// Calls `shard_ended` until it succeeds.
    pub(crate) async fn shard_ended(&mut self) -> Delivered {
        loop {
            let outcome = contain(self.processor.shard_ended()).await;
            if let Some(delivered) = self.settle("shard_ended", outcome).await {
                return delivered;
            }
        }
    }

    /// Calls `lease_lost`, once.
    pub(crate) async fn lease_lost(&mut self) {
        let call = async {
            self.processor.lease_lost().await;
            Ok(())
        };
        let outcome = contain(call).await;
        self.report("lease_lost", outcome);
    }

    /// Calls `shutdown_requested`, once.
    pub(crate) async fn shutdown_requested(&mut self) {
        let outcome = contain(self.processor.shutdown_requested(&self.checkpointer)).await;
        self.report("shutdown_requested", outcome);
    }

    /// What became of the call; `None` once it is time to make it again.
    async fn settle(&mut self, call: &str, outcome: Result<(), String>) -> Option<Delivered> {
        let Err(error) = outcome else {
            self.retry.reset();
            return Some(Delivered::Done);
        };
        let delay = self.retry.next_delay();
        self.events.emit(&Event::ProcessorFailed {
            shard: &self.shard,
            call,
            error: &error,
            failed_attempts: self.retry.failed_attempts(),
            delay: Some(delay),
        });
        select! {
            biased;
            () = self.stopping.cancelled() => Some(Delivered::Stopped),
            () = sleep(delay) => None,
        }
    }

    /// Reports the failure of a call that is not made again.
    fn report(&self, call: &str, outcome: Result<(), String>) {
        if let Err(error) = outcome {
            let shard = &self.shard;
            self.events.emit(&Event::ProcessorFailed {
                shard,
                call,
                error: &error,
                failed_attempts: 1,
                delay: None,
            });
        }
    }
}

/// The call's outcome, with an error or a panic as text.
async fn contain(call: impl Future<Output = Result<(), ProcessorError>>) -> Result<(), String> {
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(panic) => Err(format!("panicked: {}", panic_text(&*panic))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with a value that is no text")
}
