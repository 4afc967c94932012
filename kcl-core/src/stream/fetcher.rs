use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::fetch_budget::{BATCHES_AHEAD_MAX, ShardBudget};
use super::fetched_batch::FetchedBatch;
use super::unpacker::Unpacker;
use super::{RecordSource, SourceBatch, StartPosition};
use crate::error::Result;

/// Reads a shard in a task of its own, ahead of its processor. Dropping it ends the task.
#[derive(Debug)]
pub(crate) struct Fetcher {
    /// In boxes, since the queue of each idle shard is made of empty places.
    batches: mpsc::Receiver<Box<Result<FetchedBatch>>>,
    _task: AbortOnDropHandle<()>,
}

impl Fetcher {
    /// Reads `source` from `start` on, as far ahead as `budget` allows.
    pub(super) fn start(
        mut source: Box<dyn RecordSource>,
        budget: ShardBudget,
        start: StartPosition,
        unpacker: Unpacker,
    ) -> Self {
        // The budget admits no more batches than this, so the reader never waits here; one more is an error, the last.
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD_MAX + 1);
        let task = tokio::spawn(async move {
            let mut idle = Idle::default();
            loop {
                let read = source.next_batch(&budget).await;
                let fetched = read.map(|batch| idle.unpack(batch, &unpacker, &start, &budget));
                let is_last = fetched.as_ref().map_or(true, |batch| batch.shard_end.is_some());
                // Nobody needs to be woken for the news that there is none.
                let is_news = fetched.as_ref().map_or(true, |batch| !batch.is_empty());
                if is_news && sender.send(Box::new(fetched)).await.is_err() || is_last {
                    return;
                }
            }
        });
        Self { batches, _task: AbortOnDropHandle::new(task) }
    }

    /// The next batch, or `None` after the end of the shard or an error. Dropping the future loses nothing.
    pub(crate) async fn next_batch(&mut self) -> Option<Box<Result<FetchedBatch>>> {
        self.batches.recv().await
    }
}

/// Reports what is read, and once that there is nothing more to do.
#[derive(Debug, Default)]
struct Idle {
    is_told: bool,
}

impl Idle {
    fn unpack(
        &mut self,
        batch: SourceBatch,
        unpacker: &Unpacker,
        start: &StartPosition,
        budget: &ShardBudget,
    ) -> FetchedBatch {
        let (records, millis_behind_latest) = (batch.records.len(), batch.millis_behind_latest);
        let fetched = unpacker.unpack(batch, start);
        let in_flight_bytes = budget.held_bytes();
        if records > 0 {
            unpacker.report_read(records, in_flight_bytes);
        } else if in_flight_bytes == 0 && (!self.is_told || millis_behind_latest > 0) {
            unpacker.report_idle(millis_behind_latest);
        }
        self.is_told = records == 0 && in_flight_bytes == 0 && millis_behind_latest == 0;
        fetched
    }
}
