use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::fetch_budget::{BATCHES_AHEAD_MAX, ShardBudget};
use super::{RecordSource, SourceBatch, StartPosition};
use crate::error::Result;
use crate::model::RecordPosition;

/// Reads a shard in a task of its own, ahead of its processor. Dropping it ends the task.
#[derive(Debug)]
pub(crate) struct Fetcher {
    batches: mpsc::Receiver<Result<SourceBatch>>,
    _task: AbortOnDropHandle<()>,
}

impl Fetcher {
    /// Reads `source` from `start` on, as far ahead as `budget` allows.
    pub(super) fn start(
        mut source: Box<dyn RecordSource>,
        budget: ShardBudget,
        start: StartPosition,
    ) -> Self {
        // The budget admits no more batches than this, so the reader never waits here; one more is an error, the last.
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD_MAX + 1);
        let processed = match start {
            StartPosition::After(position) => Some(position),
            _ => None,
        };
        let task = tokio::spawn(async move {
            loop {
                let fetched =
                    source.next_batch(&budget).await.map(|batch| unprocessed(batch, processed.as_ref()));
                let is_last = fetched.as_ref().map_or(true, |batch| batch.shard_end.is_some());
                // Nobody needs to be woken for the news that there is none.
                let is_news = is_last || fetched.as_ref().is_ok_and(|batch| !batch.records.is_empty());
                if is_news && sender.send(fetched).await.is_err() || is_last {
                    return;
                }
            }
        });
        Self { batches, _task: AbortOnDropHandle::new(task) }
    }

    /// The next batch, or `None` after the end of the shard or an error. Dropping the future loses nothing.
    pub(crate) async fn next_batch(&mut self) -> Option<Result<SourceBatch>> {
        self.batches.recv().await
    }
}

/// Leaves out what was processed before this reader began.
fn unprocessed(mut batch: SourceBatch, processed: Option<&RecordPosition>) -> SourceBatch {
    if let Some(processed) = processed {
        let done = batch.records.partition_point(|record| record.position <= *processed);
        batch.records.drain(..done);
    }
    batch
}
