use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, timeout};

use super::shard_consumer::{Context, Ending, ShardConsumer, release};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::lease::HeldLease;
use crate::model::ShardKey;

/// How long this worker leaves a shard alone that it could not read, so that it neither spins nor keeps others from
/// trying.
const FAILED_SHARD_DELAY: Duration = Duration::from_secs(10);

/// The leases that this worker holds, each with the task that consumes its shard. Dropping it ends all of them.
pub(super) struct Consumers {
    context: Context,
    tasks: JoinSet<Ending>,
    held: BTreeMap<ShardKey, Held>,
    /// Shards that failed here, and until when they are left alone.
    resting: BTreeMap<ShardKey, Instant>,
    rng: fastrand::Rng,
}

struct Held {
    lease: Arc<HeldLease>,
    task: task::Id,
}

/// What the coordinator needs to know of a consumer's end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The shard is finished: its children may start.
    Shard,
    /// The lease is gone because another process runs under this worker's id.
    Namesake(ShardKey),
    /// Anything that the next scan sorts out.
    Other,
}

impl Consumers {
    pub(super) fn new(context: Context, rng: fastrand::Rng) -> Self {
        Self { context, tasks: JoinSet::new(), held: BTreeMap::new(), resting: BTreeMap::new(), rng }
    }

    pub(super) fn holds(&self, shard: &ShardKey) -> bool {
        self.held.contains_key(shard)
    }

    /// True if this worker should leave the shard alone for now.
    pub(super) fn is_resting(&self, shard: &ShardKey) -> bool {
        self.resting.get(shard).is_some_and(|until| Instant::now() < *until)
    }

    pub(super) fn start(&mut self, lease: Arc<HeldLease>) {
        let shard = lease.shard().clone();
        let (context, seed) = (self.context.clone(), self.rng.u64(..));
        let held = Arc::clone(&lease);
        // The consumer is made inside the task: a factory that panics ends this shard, not the worker.
        let task = self.tasks.spawn(async move { ShardConsumer::new(context, held, seed).run().await });
        self.resting.remove(&shard);
        self.held.insert(shard, Held { lease, task: task.id() });
    }

    /// Waits for the next consumer to end; `None` if there is none. Dropping the future loses nothing.
    pub(super) async fn next_ended(&mut self) -> Option<Ended> {
        let ended = self.tasks.join_next_with_id().await?;
        Some(self.take_note(ended))
    }

    fn take_note(&mut self, ended: Result<(task::Id, Ending), JoinError>) -> Ended {
        let task = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let shard = self.held.iter().find(|(_, held)| held.task == task).map(|(shard, _)| shard.clone());
        let Some((shard, held)) = shard.and_then(|shard| self.held.remove_entry(&shard)) else {
            return Ended::Other;
        };
        match ended {
            Ok((_, Ending::ShardEnded)) => return Ended::Shard,
            Ok((_, Ending::LeaseLost)) if held.lease.met_namesake() => return Ended::Namesake(shard),
            Ok((_, Ending::LeaseLost | Ending::Stopped)) => {}
            Ok((_, Ending::Failed(error))) => self.rest(shard, &error),
            // Not released: its future is gone, so the lease expires by itself.
            Err(panic) => {
                let message = format!("the consumer of shard {shard} panicked");
                self.rest(shard, &Error::new(ErrorKind::Refused, message).with_source(panic));
            }
        }
        Ended::Other
    }

    fn rest(&mut self, shard: ShardKey, error: &Error) {
        self.context.events.emit(&Event::ShardFailed { shard: &shard, error, delay: FAILED_SHARD_DELAY });
        self.resting.insert(shard, Instant::now() + FAILED_SHARD_DELAY);
    }

    /// Lets the consumers finish within the grace period, then drops them and gives back what they held.
    pub(super) async fn stop(&mut self) {
        self.context.stopping.cancel();
        let grace = self.context.settings.shutdown_grace;
        let all_ended = async { while self.next_ended().await.is_some() {} };
        if timeout(grace, all_ended).await.is_ok() {
            return;
        }
        self.tasks.shutdown().await;
        for (shard, held) in std::mem::take(&mut self.held) {
            self.context.events.emit(&Event::ShutdownForced { shard: &shard });
            release(&held.lease, &self.context.events, self.rng.u64(..)).await;
        }
    }
}
