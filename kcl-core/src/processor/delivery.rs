use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::select;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::call_watch::CallWatch;
use super::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor, ShardStart};
use crate::event::{Event, Events};
use crate::model::ShardKey;
use crate::retry::Retry;

/// What became of a call that is made until it succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The processor returned `Ok`.
    Done,
    /// It failed, and the shard is about to be given away, so it is not called again here. The next owner begins after the last
    /// checkpoint.
    Stopped,
}

/// Calls one shard's processor, again and again where it fails.
///
/// Every future here may be dropped: it ends the running call at its next await point, and changes nothing else.
pub(crate) struct Delivery {
    calls: Calls,
    processor: Box<dyn RecordProcessor>,
    checkpointer: Arc<Checkpointer>,
    retry: Retry,
    leaving: CancellationToken,
    /// A processor that was never asked to initialize is not told how it ends either.
    has_begun: bool,
}

impl Delivery {
    pub(crate) fn new(
        shard: ShardKey,
        processor: Box<dyn RecordProcessor>,
        checkpointer: Arc<Checkpointer>,
        events: Events,
        retry: Retry,
        leaving: CancellationToken,
    ) -> Self {
        let calls = Calls { shard, events, watch: CallWatch::default() };
        Self { calls, processor, checkpointer, retry, leaving, has_begun: false }
    }

    /// Reports calls that do not return, for ever. To be run by a task other than the one that makes them.
    pub(crate) fn report_busy_calls(&self) -> impl Future<Output = ()> + use<> {
        self.calls.watch.clone().report(self.calls.shard.clone(), self.calls.events.clone())
    }

    /// Calls `initialize` until it succeeds.
    pub(crate) async fn initialize(&mut self, start: &ShardStart) -> Delivered {
        self.has_begun = true;
        loop {
            let outcome = self.calls.make("initialize", self.processor.initialize(start)).await;
            if let Some(delivered) = self.settle("initialize", outcome).await {
                return delivered;
            }
        }
    }

    /// Delivers a batch until the processor has taken it. A batch without records is not delivered.
    pub(crate) async fn process(&mut self, batch: &RecordBatch) -> Delivered {
        let Some(last) = batch.records.last() else { return Delivered::Done };
        loop {
            self.checkpointer.begin(&last.position);
            let call = self.processor.process_records(batch, &self.checkpointer);
            let outcome = self.calls.make("process_records", call).await;
            match outcome {
                Ok(()) => self.checkpointer.succeed(),
                Err(_) => self.checkpointer.fail(),
            }
            if let Some(delivered) = self.settle("process_records", outcome).await {
                if delivered == Delivered::Done {
                    self.report_processed(batch);
                }
                return delivered;
            }
        }
    }

    /// Calls `shard_ended` until it succeeds.
    pub(crate) async fn shard_ended(&mut self) -> Delivered {
        loop {
            let outcome = self.calls.make("shard_ended", self.processor.shard_ended()).await;
            if let Some(delivered) = self.settle("shard_ended", outcome).await {
                return delivered;
            }
        }
    }

    /// Calls `lease_lost`, once, and waits for it no longer than `limit`.
    pub(crate) async fn lease_lost(&mut self, limit: Duration) {
        if !self.has_begun {
            return;
        }
        let call = async {
            self.processor.lease_lost().await;
            Ok(())
        };
        let outcome = timeout(limit, self.calls.make("lease_lost", call)).await;
        let outcome =
            outcome.unwrap_or_else(|_| Err(format!("did not return within {limit:?} and was dropped")));
        self.report_once("lease_lost", outcome);
    }

    /// Calls `shutdown_requested`, once.
    pub(crate) async fn shutdown_requested(&mut self) {
        if !self.has_begun {
            return;
        }
        let call = self.processor.shutdown_requested(&self.checkpointer);
        let outcome = self.calls.make("shutdown_requested", call).await;
        self.report_once("shutdown_requested", outcome);
    }

    /// What became of the call; `None` once it is time to make it again.
    async fn settle(&mut self, call: &str, outcome: Result<(), String>) -> Option<Delivered> {
        let Err(error) = outcome else {
            self.retry.reset();
            return Some(Delivered::Done);
        };
        let delay = self.retry.next_delay();
        self.report_failure(call, &error, Some(delay));
        select! {
            biased;
            () = self.leaving.cancelled() => Some(Delivered::Stopped),
            () = sleep(delay) => None,
        }
    }

    /// Reports the failure of a call that is not made again.
    fn report_once(&self, call: &str, outcome: Result<(), String>) {
        if let Err(error) = outcome {
            self.report_failure(call, &error, None);
        }
    }

    fn report_failure(&self, call: &str, error: &str, delay: Option<Duration>) {
        let failed_attempts = self.retry.failed_attempts();
        let shard = &self.calls.shard;
        self.calls.events.emit(&Event::ProcessorFailed { shard, call, error, failed_attempts, delay });
    }

    fn report_processed(&self, batch: &RecordBatch) {
        self.calls.events.emit(&Event::BatchProcessed {
            shard: &self.calls.shard,
            records: batch.records.len(),
            millis_behind_latest: batch.millis_behind_latest,
        });
    }
}

/// Makes calls that cannot bring down the worker, nor hang without a word.
struct Calls {
    shard: ShardKey,
    events: Events,
    watch: CallWatch,
}

impl Calls {
    /// The call's outcome, with an error or a panic as text.
    async fn make(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<(), ProcessorError>> + Send,
    ) -> Result<(), String> {
        match self.watch.during(name, AssertUnwindSafe(call).catch_unwind()).await {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(panic) => Err(format!("panicked: {}", panic_text(&*panic))),
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with a value that is no text")
}
