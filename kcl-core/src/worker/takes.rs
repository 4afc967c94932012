use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, try_join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::select;

use super::attempts::Attempts;
use super::shard_consumer::Context;
use crate::error::Result;
use crate::lease::{HeldLease, Lease, LeaseChange, Taken};
use crate::model::ShardKey;
use crate::retry::{RetryDelays, within};

/// Leases taken at once. What one take teaches of other workers is heeded in the choice of the next.
const TAKES_IN_FLIGHT_MAX: usize = 16;

/// How long a lease is left alone that could not be taken for another reason than a lost race.
const FAILED_TAKE_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_secs(2), max: Duration::from_secs(60) };

/// A parent's row is read within this share of the failover time, like a write.
const READ_TIMEOUT_DIVISOR: u32 = 3;

/// Leases on their way to this worker. They wait for the table beside everything else.
pub(super) struct Takes {
    context: Context,
    running: FuturesUnordered<BoxFuture<'static, Take>>,
    in_flight: BTreeSet<ShardKey>,
    attempts: Attempts,
    /// Rows as takes would leave them whose answers are not known.
    in_doubt: BTreeMap<ShardKey, Lease>,
}

/// A take that has ended.
pub(super) struct Take {
    /// The row as it was seen before.
    pub(super) seen: Lease,
    pub(super) outcome: Result<Taken>,
}

impl Takes {
    pub(super) fn new(context: Context, rng: fastrand::Rng) -> Self {
        Self {
            context,
            running: FuturesUnordered::new(),
            in_flight: BTreeSet::new(),
            attempts: Attempts::new(FAILED_TAKE_DELAYS, rng),
            in_doubt: BTreeMap::new(),
        }
    }

    /// How many more leases may be taken now.
    pub(super) fn room(&self) -> usize {
        TAKES_IN_FLIGHT_MAX.saturating_sub(self.in_flight.len())
    }

    /// True while the lease is being taken.
    pub(super) fn is_in_flight(&self, shard: &ShardKey) -> bool {
        self.in_flight.contains(shard)
    }

    /// True if the lease should not be tried again for now.
    pub(super) fn is_barred(&self, shard: &ShardKey) -> bool {
        self.attempts.is_barred(shard)
    }

    /// True if the row is what a take of ours left whose answer was lost.
    pub(super) fn is_left_over(&self, row: &Lease) -> bool {
        self.in_doubt.get(&row.shard).is_some_and(|left| left.matches(row))
    }

    /// A new scan: races lost before it say nothing any more.
    pub(super) fn forget_races(&mut self) {
        self.attempts.forget_races();
    }

    /// Begins to take a lease. `unseen_parents` are those of its parents whose rows no scan has shown.
    pub(super) fn start(&mut self, seen: Lease, unseen_parents: Vec<ShardKey>) {
        self.in_flight.insert(seen.shard.clone());
        self.running.push(take(self.context.clone(), seen, unseen_parents).boxed());
    }

    /// Waits for the next take to end; `None` if there is none. Dropping the future loses nothing.
    pub(super) async fn next_ended(&mut self) -> Option<Take> {
        let take = self.running.next().await?;
        let shard = &take.seen.shard;
        self.in_flight.remove(shard);
        if let Ok(taken) = &take.outcome {
            self.in_doubt.remove(shard);
            match taken {
                Taken::Held(_) => self.attempts.succeed(shard),
                Taken::Lost(_) => self.attempts.lose(shard),
            }
        } else {
            let change = LeaseChange::Take { by: self.context.settings.worker_id.clone() };
            self.in_doubt.insert(shard.clone(), take.seen.after(&change));
            self.attempts.fail(shard);
        }
        Some(take)
    }
}

/// Takes one lease; lost to a parent's row if that turns out to be unfinished (L7).
async fn take(context: Context, seen: Lease, unseen_parents: Vec<ShardKey>) -> Take {
    let settings = &context.settings;
    let confirmed = select! {
        biased;
        // A worker that stops takes nothing from others.
        () = context.stopping.cancelled() => Ok(Some(seen.clone())),
        confirmed = unfinished_parent(&context, &unseen_parents) => confirmed,
    };
    let outcome = match confirmed {
        Ok(None) => {
            let store = Arc::clone(&context.ports.leases);
            let (worker, failover_time) = (&settings.worker_id, settings.failover_time);
            HeldLease::take(store, &seen, worker, failover_time, settings.planted()).await
        }
        Ok(Some(obstacle)) => Ok(Taken::Lost(Some(Box::new(obstacle)))),
        Err(error) => Err(error),
    };
    Take { seen, outcome }
}

/// Reads the rows of parents that a scan may have missed.
async fn unfinished_parent(context: &Context, unseen_parents: &[ShardKey]) -> Result<Option<Lease>> {
    let reads = try_join_all(unseen_parents.iter().map(|parent| context.ports.leases.get(parent)));
    let limit = context.settings.failover_time / READ_TIMEOUT_DIVISOR;
    let rows = within(limit, "reading the rows of a shard's parents", reads).await?;
    Ok(rows.into_iter().flatten().find(|row| !row.is_finished()))
}
