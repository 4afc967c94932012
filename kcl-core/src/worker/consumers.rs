use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, timeout};

use super::ShardOutcome;
use super::leave::leave;
use super::shard_consumer::{Context, Ending, ShardConsumer};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::lease::{HeldLease, LeaseBook, LeaseLoss};
use crate::model::ShardKey;
use crate::retry::{Retry, RetryDelays};

/// How long this worker leaves a shard alone that it could not read, so that it neither spins nor keeps others from
/// trying. Longer with each failure, until it could be read for longer than the longest of these.
const REST_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_secs(20), max: Duration::from_secs(300) };

/// Tasks that are aborted end at their next await point; one that blocks its thread is not waited for.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Leases given back at once when the worker is forced to stop.
const RELEASES_IN_FLIGHT_MAX: usize = 64;

/// The leases that this worker holds, each with the task that consumes its shard. Dropping it ends all of them.
pub(super) struct Consumers {
    context: Context,
    tasks: JoinSet<(Ending, ShardOutcome)>,
    held: BTreeMap<ShardKey, Held>,
    /// Shards that this worker failed to read, until it consumes them to a better end.
    failed: BTreeMap<ShardKey, Rest>,
    /// What became of the shards since the worker began to stop.
    outcomes: BTreeMap<ShardKey, ShardOutcome>,
    rng: fastrand::Rng,
}

struct Held {
    lease: Arc<HeldLease>,
    task: task::Id,
}

struct Rest {
    until: Instant,
    retry: Retry,
}

impl Rest {
    /// The failure says nothing any more: whatever it was, it may have gone.
    fn is_long_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.until) > REST_DELAYS.max
    }
}

/// What the coordinator needs to know of a consumer's end.
#[derive(Debug)]
pub(super) enum Ended {
    /// The shard is finished: its children may start.
    Shard,
    /// The lease is gone because another process runs under this worker's id.
    Namesake(ShardKey),
    /// The failure policy is to stop the worker.
    StopWorker(Error),
    /// Anything that the next scan sorts out.
    Other,
}

impl Consumers {
    pub(super) fn new(context: Context, rng: fastrand::Rng) -> Self {
        Self {
            context,
            tasks: JoinSet::new(),
            held: BTreeMap::new(),
            failed: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            rng,
        }
    }

    /// How many leases this worker holds.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn holds(&self, shard: &ShardKey) -> bool {
        self.held.contains_key(shard)
    }

    /// Takes in a scan: rows of leases held here may hold requests.
    pub(super) fn observe(&self, book: &LeaseBook) {
        for (shard, held) in &self.held {
            if let Some(row) = book.get(shard) {
                held.lease.observe(row);
            }
        }
    }

    /// True if this worker has failed to read the shard not long ago, and has not done better since.
    pub(super) fn has_failed(&self, shard: &ShardKey) -> bool {
        self.failed.get(shard).is_some_and(|rest| !rest.is_long_over(Instant::now()))
    }

    /// True if this worker should leave the shard alone for now.
    pub(super) fn is_resting(&self, shard: &ShardKey) -> bool {
        self.failed.get(shard).is_some_and(|rest| Instant::now() < rest.until)
    }

    /// True if there is a shard that this worker should leave alone for now.
    pub(super) fn any_is_resting(&self) -> bool {
        self.failed.values().any(|rest| Instant::now() < rest.until)
    }

    pub(super) fn start(&mut self, lease: Arc<HeldLease>) {
        let (context, seed) = (self.context.clone(), self.rng.u64(..));
        let held = Arc::clone(&lease);
        // The consumer is made inside the task: a factory that panics ends this shard, not the worker.
        let task =
            self.tasks.spawn(async move { Box::new(ShardConsumer::new(context, held, seed)).run().await });
        self.held.insert(lease.shard().clone(), Held { lease, task: task.id() });
    }

    /// Waits for the next consumer to end; `None` if there is none. Dropping the future loses nothing.
    pub(super) async fn next_ended(&mut self) -> Option<Ended> {
        let ended = self.tasks.join_next_with_id().await?;
        Some(self.take_note(ended))
    }

    fn take_note(&mut self, ended: Result<(task::Id, (Ending, ShardOutcome)), JoinError>) -> Ended {
        let task = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let shard = self.held.iter().find(|(_, held)| held.task == task).map(|(shard, _)| shard.clone());
        let Some((shard, Held { lease, .. })) = shard.and_then(|shard| self.held.remove_entry(&shard)) else {
            return Ended::Other;
        };
        let ended = ended.map(|(_, (ending, outcome))| {
            if self.context.stopping.is_cancelled() {
                self.outcomes.insert(shard.clone(), outcome);
            }
            ending
        });
        match ended {
            Ok(Ending::ShardEnded) => {
                self.failed.remove(&shard);
                return Ended::Shard;
            }
            Ok(Ending::LeaseLost) if lease.loss() == Some(&LeaseLoss::Namesake) => {
                return Ended::Namesake(shard);
            }
            Ok(Ending::StopWorker(error)) => return Ended::StopWorker(error),
            Ok(Ending::LeaseLost | Ending::Released) => {}
            Ok(Ending::Failed(error)) => self.rest(&shard, &error),
            Err(panic) => {
                let message = format!("the consumer of shard {shard} ended: {panic}");
                self.rest(&shard, &Error::new(ErrorKind::Refused, message));
                self.leave(lease, ShardOutcome::without_goodbye);
            }
        }
        Ended::Other
    }

    fn rest(&mut self, shard: &ShardKey, error: &Error) {
        let now = Instant::now();
        let seed = self.rng.u64(..);
        let rest = self
            .failed
            .entry(shard.clone())
            .or_insert_with(|| Rest { until: now, retry: Retry::new(REST_DELAYS, seed) });
        if rest.is_long_over(now) {
            rest.retry.reset();
        }
        let delay = rest.retry.next_delay();
        rest.until = now + delay;
        self.context.events.emit(&Event::ShardFailed { shard, error, delay });
    }

    /// Releases a lease that has no consumer.
    pub(super) fn give_back(&mut self, lease: Arc<HeldLease>) {
        self.leave(lease, |outcome| outcome);
    }

    fn leave(&mut self, lease: Arc<HeldLease>, told: fn(ShardOutcome) -> ShardOutcome) {
        let (events, seed) = (self.context.events.clone(), self.rng.u64(..));
        let held = Arc::clone(&lease);
        let task = self
            .tasks
            .spawn(async move { (Ending::Released, told(leave(&held, None, &events, seed).await)) });
        self.held.insert(lease.shard().clone(), Held { lease, task: task.id() });
    }

    /// Lets the consumers finish within the grace period, then drops them and gives back what they held. Returns what
    /// became of each shard.
    pub(super) async fn stop(&mut self) -> BTreeMap<ShardKey, ShardOutcome> {
        self.context.stopping.cancel();
        let grace = self.context.settings.shutdown_grace;
        let all_ended = async { while self.next_ended().await.is_some() {} };
        if timeout(grace, all_ended).await.is_ok() {
            return std::mem::take(&mut self.outcomes);
        }
        let _blocked = timeout(ABORT_TIMEOUT, self.tasks.shutdown()).await;
        let held = std::mem::take(&mut self.held);
        let events = &self.context.events;
        let seed = self.rng.u64(..);
        let forced = held.keys().map(|shard| (shard.clone(), ShardOutcome::Forced));
        self.outcomes.extend(forced);
        let releases = held.into_iter().map(|(shard, Held { lease, .. })| async move {
            events.emit(&Event::ShutdownForced { shard: &shard });
            if !lease.ended().is_cancelled() {
                let _reported = leave(&lease, None, events, seed).await;
            }
        });
        stream::iter(releases).buffer_unordered(RELEASES_IN_FLIGHT_MAX).collect::<()>().await;
        std::mem::take(&mut self.outcomes)
    }
}
