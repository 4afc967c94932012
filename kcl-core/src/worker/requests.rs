use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::select;
use tokio::time::{Instant, sleep};

use super::shard_consumer::Context;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::lease::{Conditional, Lease, LeaseChange};
use crate::model::{ShardKey, WorkerId};
use crate::planted::PlantedFault;
use crate::retry::within;

/// Leases asked for at once. Owners finish their batches side by side, so a thousand leases move in some ten seconds; the
/// rows asked for are read at most 256 times a second.
const REQUESTS_IN_FLIGHT_MAX: usize = 64;

/// How often the row of a lease that was asked for is read: the longest that a lease which was handed over stands still,
/// apart from the calls themselves.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Each call is given up after this share of the failover time, like a write of an owner.
const CALL_TIMEOUT_DIVISOR: u32 = 8;

/// A worker that stops tries this often to withdraw a request, and to give back what it was handed over meanwhile.
const WITHDRAWALS_MAX: u32 = 3;

/// Leases that this worker has asked other workers for. It waits for the answers beside everything else.
pub(super) struct Requests {
    context: Context,
    running: FuturesUnordered<BoxFuture<'static, Request>>,
    asked: BTreeSet<ShardKey>,
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
    pub(super) fn new(context: Context) -> Self {
        Self { context, running: FuturesUnordered::new(), asked: BTreeSet::new() }
    }

    /// How many more leases may be asked for now.
    pub(super) fn room(&self) -> usize {
        REQUESTS_IN_FLIGHT_MAX.saturating_sub(self.asked.len())
    }

    /// True while the lease is asked for.
    pub(super) fn is_in_flight(&self, shard: &ShardKey) -> bool {
        self.asked.contains(shard)
    }

    /// Begins to ask for a lease.
    pub(super) fn start(&mut self, seen: Lease) {
        self.asked.insert(seen.shard.clone());
        self.running.push(request(self.context.clone(), seen).boxed());
    }

    /// Waits for the next request to end; `None` if there is none. Dropping the future loses nothing. When the worker
    /// stops, each request is withdrawn first.
    pub(super) async fn next_ended(&mut self) -> Option<Request> {
        let request = self.running.next().await?;
        self.asked.remove(&request.shard);
        Some(request)
    }
}

async fn request(context: Context, seen: Lease) -> Request {
    let shard = seen.shard.clone();
    let stopping = context.stopping.clone();
    let mut asked = Asked { context: &context, seen };
    let outcome = select! {
        biased;
        () = stopping.cancelled() => {
            asked.withdraw().await;
            Ok(Answer::Lost(None))
        }
        answer = asked.wait() => answer,
    };
    Request { shard, outcome }
}

/// Why a request is not in the row.
enum Unplaced {
    Lost(Option<Box<Lease>>),
    Failed(Error),
}

/// One request on its way.
struct Asked<'a> {
    context: &'a Context,
    /// The row as last seen.
    seen: Lease,
}

impl Asked<'_> {
    fn me(&self) -> &WorkerId {
        &self.context.settings.worker_id
    }

    async fn wait(&mut self) -> Result<Answer> {
        let settings = &self.context.settings;
        let is_impatient = settings.plants(PlantedFault::HandOverNotAwaited);
        let patience = if is_impatient { Duration::ZERO } else { settings.hand_over_timeout };
        let deadline = Instant::now() + patience;
        while let Err(error) = self.place().await {
            match error {
                Unplaced::Lost(row) => return Ok(Answer::Lost(row.map(|row| *row))),
                Unplaced::Failed(error) if !error.is_retryable() || Instant::now() >= deadline => {
                    return Err(error);
                }
                Unplaced::Failed(error) => self.report(&error),
            }
            sleep(POLL_INTERVAL).await;
        }
        // The owner's time to answer begins when it can know that it is asked.
        let mut moved_at = Instant::now();
        let deadline = moved_at + patience;
        loop {
            sleep(POLL_INTERVAL).await;
            let row = match self.call(self.context.ports.leases.get(&self.seen.shard)).await {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(Answer::Lost(None)),
                Err(error) if !error.is_retryable() || Instant::now() >= deadline => return Err(error),
                Err(_) => continue,
            };
            if !row.matches(&self.seen) {
                moved_at = Instant::now();
            }
            self.seen = row;
            let is_owner_gone = moved_at.elapsed() > self.context.settings.failover_time;
            if self.seen.awaits_taking_up_by(self.me()) {
                return Ok(Answer::HandedOver(self.seen.clone()));
            }
            if is_owner_gone {
                // It may come back, and must not hand the lease to a worker that has stopped waiting.
                self.withdraw().await;
            }
            if self.seen.requested_by() != Some(self.me()) || is_owner_gone {
                return Ok(Answer::Lost(Some(self.seen.clone())));
            }
            if Instant::now() >= deadline {
                return Ok(Answer::Overdue(self.seen.clone()));
            }
        }
    }

    /// Writes the request into the row.
    async fn place(&mut self) -> Result<(), Unplaced> {
        let written = self.call(self.context.ports.leases.request(&self.seen, Some(self.me()))).await;
        self.seen = match written.map_err(Unplaced::Failed)? {
            Conditional::Applied(row) => row,
            // The answer to an earlier attempt was lost.
            Conditional::Lost(Some(row)) if row.requested_by() == Some(self.me()) => row,
            Conditional::Lost(row) => return Err(Unplaced::Lost(row.map(Box::new))),
        };
        if let Some(from) = &self.seen.owner {
            let shard = &self.seen.shard;
            self.context.events.emit(&Event::LeaseRequested { shard, from });
        }
        Ok(())
    }

    /// Takes the request back; and gives the lease back if it came meanwhile, so that nobody waits for it to expire.
    async fn withdraw(&mut self) {
        if self.context.settings.plants(PlantedFault::RequestsNotWithdrawn) {
            return;
        }
        let leases = &self.context.ports.leases;
        for _ in 0..WITHDRAWALS_MAX {
            // The request may be on its way, or its answer was lost: only the row knows.
            let row = match self.call(leases.get(&self.seen.shard)).await {
                Ok(Some(row)) => row,
                Ok(None) => return,
                Err(error) => {
                    self.report(&error);
                    continue;
                }
            };
            let written = if row.awaits_taking_up_by(self.me()) {
                self.call(leases.update(&row, &LeaseChange::Release)).await
            } else if row.requested_by() == Some(self.me()) {
                self.call(leases.request(&row, None)).await
            } else {
                return;
            };
            match written {
                Ok(Conditional::Applied(_)) => return,
                Ok(Conditional::Lost(_)) => {}
                Err(error) => self.report(&error),
            }
        }
    }

    fn report(&self, error: &Error) {
        self.context.events.emit(&Event::CoordinationFailed { error });
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let limit = self.context.settings.failover_time / CALL_TIMEOUT_DIVISOR;
        within(limit, &format!("asking for the lease of shard {}", self.seen.shard), call).await
    }
}
