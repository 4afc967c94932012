use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::processor::Checkpointer;
use crate::settings::Checkpointing;

/// A commit that failed is made again with the next batch, or after this if none comes.
const COMMIT_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Says when the framework commits what is processed. It is asked between batches, and during one only
/// for what is processed before.
#[derive(Debug)]
pub(super) struct CommitSchedule {
    checkpointing: Checkpointing,
    due_at: Instant,
}

impl CommitSchedule {
    /// Of a shard that is taken now.
    pub(super) fn new(checkpointing: Checkpointing, now: Instant) -> Self {
        let mut schedule = Self { checkpointing, due_at: now };
        schedule.note(true, now);
        schedule
    }

    /// True if commits are the framework's task.
    pub(super) fn is_ours(&self) -> bool {
        self.checkpointing != Checkpointing::Manual
    }

    /// True if what is processed is to be committed now, after a batch or once it is [time](Self::due_at).
    pub(super) fn is_due(&self, now: Instant) -> bool {
        match self.checkpointing {
            Checkpointing::AfterEachBatch => true,
            Checkpointing::Every(_) => now >= self.due_at,
            Checkpointing::Manual => false,
        }
    }

    /// When what is still uncommitted is committed, if no batch comes before.
    pub(super) fn due_at(&self) -> Instant {
        self.due_at
    }

    /// A commit was begun at `now`, and succeeded or not.
    pub(super) fn note(&mut self, is_committed: bool, now: Instant) {
        self.due_at = now
            + match self.checkpointing {
                Checkpointing::Every(interval) if is_committed => interval,
                Checkpointing::Every(interval) => interval.min(COMMIT_RETRY_INTERVAL),
                _ => COMMIT_RETRY_INTERVAL,
            };
    }

    /// Commits what is processed once it is due, unless the batch in hand is processed before. To be polled whenever that
    /// is.
    pub(super) async fn commit_when_due(&mut self, checkpointer: &Checkpointer, is_processed: &AtomicBool) {
        while checkpointer.uncommitted().is_some() {
            let mut due = pin!(sleep_until(self.due_at()));
            let is_due = poll_fn(|context| {
                if is_processed.load(Ordering::Relaxed) {
                    return Poll::Ready(false);
                }
                due.as_mut().poll(context).map(|()| true)
            });
            if !is_due.await {
                return;
            }
            let now = Instant::now();
            let committed = checkpointer.checkpoint_processed().await;
            self.note(committed.is_ok(), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Batches end after so many milliseconds each, and commits succeed or not.
        #[test]
        fn a_batch_is_committed_once_an_interval_has_passed_and_never_before(
            interval_ms in 1..10_000_u64,
            batches in proptest::collection::vec((0..4_000_u64, any::<bool>()), 1..50),
        ) {
            let interval = Duration::from_millis(interval_ms);
            let mut now = Instant::now();
            let mut schedule = CommitSchedule::new(Checkpointing::Every(interval), now);
            let mut next_at = now + interval;
            for (batch_ms, is_committed) in batches {
                now += Duration::from_millis(batch_ms);
                prop_assert_eq!(schedule.is_due(now), now >= next_at);
                prop_assert_eq!(schedule.due_at(), next_at);
                if now >= next_at {
                    schedule.note(is_committed, now);
                    next_at = now + if is_committed { interval } else { interval.min(COMMIT_RETRY_INTERVAL) };
                }
            }
        }
    }

    #[test]
    fn after_each_batch_is_always_due_and_manual_never() {
        let now = Instant::now();
        for (checkpointing, is_due) in [(Checkpointing::AfterEachBatch, true), (Checkpointing::Manual, false)]
        {
            let schedule = CommitSchedule::new(checkpointing, now);
            assert_eq!((schedule.is_due(now), schedule.is_ours()), (is_due, is_due));
        }
    }
}
