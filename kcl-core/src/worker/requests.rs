use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::attempts::Attempts;
use super::lease_request::LeaseRequest;
use super::shard_consumer::Context;
use crate::error::Result;
use crate::lease::Lease;
use crate::model::{ShardKey, WorkerId};
use crate::retry::RetryDelays;

/// Leases asked for at once. Owners finish their batches side by side, so a thousand leases move in some ten seconds.
const REQUESTS_IN_FLIGHT_MAX: usize = 64;

/// How long a lease is not asked for again for which a request failed.
const FAILED_REQUEST_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_secs(2), max: Duration::from_secs(60) };

/// Leases that this worker has asked other workers for. It waits for the answers beside everything else.
pub(super) struct Requests {
    context: Context,
    running: FuturesUnordered<BoxFuture<'static, Request>>,
    asked: BTreeSet<ShardKey>,
    attempts: Attempts,
    /// Leases whose owners have not answered in time, with these owners.
    overdue: BTreeMap<ShardKey, WorkerId>,
    rng: fastrand::Rng,
}

/// A request that has ended.
pub(super) struct Request {
    pub(super) shard: ShardKey,
    pub(super) outcome: Result<Answer>,
}

/// What became of a request.
pub(super) enum Answer {
    /// The owner has made this worker the owner. The row is to be taken up.
    HandedOver(Lease),
    /// The owner is alive, and has not answered for so long that the lease is to be taken from it.
    Overdue(Lease),
    /// Somebody else was asked first, or the lease has moved; the row as it is, if there is one.
    Lost(Option<Lease>),
}

impl Requests {
    pub(super) fn new(context: Context, mut rng: fastrand::Rng) -> Self {
        Self {
            context,
            running: FuturesUnordered::new(),
            asked: BTreeSet::new(),
            attempts: Attempts::new(FAILED_REQUEST_DELAYS, rng.fork()),
            overdue: BTreeMap::new(),
            rng,
        }
    }

    /// How many more leases may be asked for now.
    pub(super) fn room(&self) -> usize {
        REQUESTS_IN_FLIGHT_MAX.saturating_sub(self.asked.len())
    }

    /// True while the lease is asked for.
    pub(super) fn is_in_flight(&self, shard: &ShardKey) -> bool {
        self.asked.contains(shard)
    }

    /// True if the lease should not be asked for again for now.
    pub(super) fn is_barred(&self, shard: &ShardKey) -> bool {
        self.attempts.is_barred(shard)
    }

    /// True if the lease is to be taken, since its owner has not answered the request that the row still holds.
    pub(super) fn is_overdue(&self, row: &Lease) -> bool {
        let is_asked = row.requested_by() == Some(&self.context.settings.worker_id);
        is_asked && self.overdue.get(&row.shard) == row.owner.as_ref()
    }

    /// A new scan: what was lost before it says nothing any more.
    pub(super) fn forget_races(&mut self) {
        self.attempts.forget_races();
    }

    /// The lease is this worker's.
    pub(super) fn forget(&mut self, shard: &ShardKey) {
        self.overdue.remove(shard);
    }

    /// Begins to ask for a lease.
    pub(super) fn start(&mut self, seen: Lease) {
        let shard = seen.shard.clone();
        self.asked.insert(shard.clone());
        let request = LeaseRequest::new(self.context.clone(), seen, self.rng.u64(..));
        self.running.push(async { Request { shard, outcome: request.run().await } }.boxed());
    }

    /// Waits for the next request to end; `None` if there is none. Dropping the future loses nothing.
    pub(super) async fn next_ended(&mut self) -> Option<Request> {
        let request = self.running.next().await?;
        let shard = &request.shard;
        self.asked.remove(shard);
        self.overdue.remove(shard);
        match &request.outcome {
            Ok(Answer::HandedOver(_)) => self.attempts.succeed(shard),
            Ok(Answer::Overdue(row)) => {
                self.attempts.succeed(shard);
                self.overdue.extend(row.owner.clone().map(|owner| (shard.clone(), owner)));
            }
            Ok(Answer::Lost(_)) => self.attempts.lose(shard),
            Err(_) => self.attempts.fail(shard),
        }
        Some(request)
    }
}
