use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::processor::Checkpointer;

/// The watermark may advance with every record, and a commit is one write of the lease table. One a second costs a
/// shard one write unit, and renews its lease as well; a crash repeats what was finished in the last second.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// When the watermark of a shard is committed: as soon as it has advanced, and at most once in each interval. A commit
/// that failed is reported by the checkpointer, and made again with the next.
pub(super) struct Commits {
    checkpointer: Arc<Checkpointer>,
    next_at: Instant,
    is_under_way: bool,
    /// Cancelled when none is to begin any more.
    ended: CancellationToken,
}

impl Commits {
    pub(super) fn new(checkpointer: Arc<Checkpointer>) -> Self {
        Self { checkpointer, next_at: Instant::now(), is_under_way: false, ended: CancellationToken::new() }
    }

    /// The next commit, if there is something to commit and none is under way. It waits for its time, and takes what is
    /// processed by then. It is under way until [`finish`](Self::finish).
    pub(super) fn begin(&mut self) -> Option<impl Future<Output = ()> + Send + use<>> {
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
            if is_due {
                let _reported = checkpointer.checkpoint().await;
            }
        })
    }

    /// The commit that was under way has ended.
    pub(super) fn finish(&mut self) {
        self.is_under_way = false;
        self.next_at = Instant::now() + COMMIT_INTERVAL;
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// Begins none any more. One that waits for its time ends without a commit.
    pub(super) fn end(&self) {
        self.ended.cancel();
    }
}
