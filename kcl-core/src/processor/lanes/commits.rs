use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::processor::Checkpointer;
use crate::settings::Checkpointing;

/// Unless the settings name an interval: the watermark may advance with every record, and a commit is one write of the lease table. One a second costs a
/// shard one write unit, and renews its lease as well; a crash repeats what was finished in the last second.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// When the watermark of a shard is committed: as soon as it has advanced, and at most once in each interval. A commit
/// that failed is reported by the checkpointer, and made again in the time of the shorter interval.
pub(super) struct Commits {
    checkpointer: Arc<Checkpointer>,
    interval: Duration,
    next_at: Instant,
    is_under_way: bool,
    /// Cancelled when none is to begin any more.
    ended: CancellationToken,
}

impl Commits {
    pub(super) fn new(checkpointer: Arc<Checkpointer>, checkpointing: Checkpointing) -> Self {
        let interval = match checkpointing {
            Checkpointing::Every(interval) => interval,
            Checkpointing::AfterEachBatch | Checkpointing::Manual => COMMIT_INTERVAL,
        };
        Self {
            interval,
            checkpointer,
            next_at: Instant::now(),
            is_under_way: false,
            ended: CancellationToken::new(),
        }
    }

    /// The next commit, if there is something to commit and none is under way. It waits for its time, and takes what is
    /// processed by then. It is under way until [`finish`](Self::finish), and returns false if it failed.
    pub(super) fn begin(&mut self) -> Option<impl Future<Output = bool> + Send + use<>> {
        if self.is_under_way || self.ended.is_cancelled() || self.checkpointer.uncommitted().is_none() {
            return None;
        }
        self.is_under_way = true;
        let (checkpointer, ended, at) = (Arc::clone(&self.checkpointer), self.ended.clone(), self.next_at);
        Some(async move {
            let is_due = select! {
                biased;
                () = ended.cancelled() => false,
                () = sleep_until(at) => true,
            };
            !is_due || checkpointer.checkpoint_processed().await.is_ok()
        })
    }

    /// The commit that was under way has ended.
    pub(super) fn finish(&mut self, is_committed: bool) {
        self.is_under_way = false;
        let interval = if is_committed { self.interval } else { self.interval.min(COMMIT_INTERVAL) };
        self.next_at = Instant::now() + interval;
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// Begins none any more. One that waits for its time ends without a commit.
    pub(super) fn end(&self) {
        self.ended.cancel();
    }
}
