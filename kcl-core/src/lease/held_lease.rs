use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Conditional, Lease, LeaseChange, LeaseStore};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Checkpoint, ShardId, ShardKey, WorkerId};
use crate::retry::within;

/// A lost answer is asked for again at once, this often: more would hold up other leases, and the next scan shows the
/// row anyway.
const TAKE_ATTEMPTS_MAX: usize = 3;

/// A write is given up after this share of the failover time, so that it can be made again before the lease expires.
const WRITE_TIMEOUT_DIVISOR: u32 = 3;

/// A lease that this worker owns, and the only way to write its row: one write at a time (L4).
///
/// It is lost, for this worker, as soon as a write finds somebody else's row, or one failover time after the *start*
/// of the last write that succeeded (L3). From then on every write is refused.
pub(crate) struct HeldLease {
    store: Arc<dyn LeaseStore>,
    worker: WorkerId,
    failover_time: Duration,
    state: Mutex<State>,
    deadline: watch::Sender<Instant>,
    lost: CancellationToken,
    met_namesake: AtomicBool,
    acquired: Lease,
}

struct State {
    row: Lease,
    /// When the first write on top of `row` was sent whose answer is not known: it may have been applied (L5).
    in_doubt_since: Option<Instant>,
}

/// The row that a write met instead of the expected one; `None` if there is no row.
struct Obstacle {
    row: Option<Lease>,
}

/// The outcome of taking a lease. Being slower than another worker is not an error.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is ours.
    Held(Arc<HeldLease>),
    /// The row that stood in the way, or `None` if there is no row.
    Lost(Option<Box<Lease>>),
}

impl HeldLease {
    /// Takes the lease whose row was last seen as `seen`.
    pub(crate) async fn take(
        store: Arc<dyn LeaseStore>,
        seen: &Lease,
        worker: &WorkerId,
        failover_time: Duration,
    ) -> Result<Taken> {
        let mut lease = Self {
            store,
            worker: worker.clone(),
            failover_time,
            acquired: seen.clone(),
            state: Mutex::new(State { row: seen.clone(), in_doubt_since: None }),
            deadline: watch::Sender::new(Instant::now()),
            lost: CancellationToken::new(),
            met_namesake: AtomicBool::new(false),
        };
        let take = LeaseChange::Take { by: worker.clone() };
        let mut attempt = 1;
        loop {
            match lease.try_write(&take).await {
                Ok(None) => {
                    lease.acquired = lease.state.get_mut().row.clone();
                    return Ok(Taken::Held(Arc::new(lease)));
                }
                Ok(Some(Obstacle { row })) => return Ok(Taken::Lost(row.map(Box::new))),
                Err(error) if !error.is_retryable() || attempt == TAKE_ATTEMPTS_MAX => return Err(error),
                Err(_) => attempt += 1,
            }
        }
    }

    pub(crate) fn shard(&self) -> &ShardKey {
        &self.acquired.shard
    }

    /// The row as it was when the lease was taken.
    pub(crate) fn acquired(&self) -> &Lease {
        &self.acquired
    }

    /// Cancelled when the lease is lost.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// True if the lease was lost to a process that runs under this worker's own id.
    pub(crate) fn met_namesake(&self) -> bool {
        self.met_namesake.load(Ordering::Relaxed)
    }

    /// When the lease is lost if no further write succeeds.
    pub(crate) fn deadline(&self) -> Instant {
        *self.deadline.borrow()
    }

    /// Marks the lease as lost once its deadline has passed. Waits for ever while writes keep succeeding, and never
    /// waits for a write: a renewal that hangs does not keep a lease alive.
    pub(crate) async fn expire(&self) {
        let mut deadline = self.deadline();
        loop {
            sleep_until(deadline).await;
            let renewed = self.deadline();
            if renewed <= deadline {
                self.lost.cancel();
                return;
            }
            deadline = renewed;
        }
    }

    /// Tells the fleet that this worker is alive.
    pub(crate) async fn renew(&self) -> Result<()> {
        self.write(&LeaseChange::Renew).await
    }

    /// Commits a position; with [`Checkpoint::ShardEnd`] also the shards that follow.
    pub(crate) async fn checkpoint(&self, checkpoint: Checkpoint, children: Vec<ShardId>) -> Result<()> {
        self.write(&LeaseChange::Checkpoint { checkpoint, children }).await
    }

    /// Gives the lease back. After an error the row may still name this worker, and the call may be made again.
    pub(crate) async fn release(&self) -> Result<()> {
        // Somebody else's row, or none: there is nothing left to give back.
        let _obstacle = self.try_write(&LeaseChange::Release).await?;
        self.lost.cancel();
        Ok(())
    }

    async fn write(&self, change: &LeaseChange) -> Result<()> {
        if self.lost.is_cancelled() {
            return Err(self.lost_error("its time ran out, or it was given back"));
        }
        let Some(Obstacle { row }) = self.try_write(change).await? else {
            return Ok(());
        };
        self.lost.cancel();
        let by_namesake = row.as_ref().is_some_and(|row| row.is_owned_by(&self.worker));
        self.met_namesake.store(by_namesake, Ordering::Relaxed);
        Err(self.lost_error(&describe(row.as_ref(), &self.worker)))
    }

    /// Makes one write, on top of whatever an earlier write of unknown outcome has left. Returns what stood in the
    /// way, if anything.
    async fn try_write(&self, change: &LeaseChange) -> Result<Option<Obstacle>> {
        let mut state = self.state.lock().await;
        loop {
            let started = Instant::now();
            let in_doubt_since = state.in_doubt_since;
            // Before the call, so that dropping this future leaves the doubt behind, too.
            state.in_doubt_since = in_doubt_since.or(Some(started));
            let write = self.store.update(&state.row, change);
            let (row, written_at) =
                match within(self.failover_time / WRITE_TIMEOUT_DIVISOR, "writing a lease", write).await? {
                    Conditional::Applied(row) => (row, started),
                    Conditional::Lost(Some(row)) if self.is_own_write(&state.row, &row) => {
                        match in_doubt_since {
                            Some(first) if row == state.row.after(change) => (row, first),
                            Some(_) => {
                                // An earlier write of another kind: this one is still to be made, on top of it.
                                *state = State { row, in_doubt_since: None };
                                continue;
                            }
                            None => return Ok(Some(Obstacle { row: Some(row) })),
                        }
                    }
                    Conditional::Lost(row) => return Ok(Some(Obstacle { row })),
                };
            *state = State { row, in_doubt_since: None };
            self.deadline.send_replace(written_at + self.failover_time);
            return Ok(None);
        }
    }

    /// True if `row` is what a write of ours on top of `base` left: it moved by one step and still names us. Nobody
    /// else writes that, as long as worker ids are unique.
    fn is_own_write(&self, base: &Lease, row: &Lease) -> bool {
        row.is_owned_by(&self.worker) && row.counter == base.counter + 1
    }

    fn lost_error(&self, how: &str) -> Error {
        let message =
            format!("worker '{}' no longer owns the lease of shard {}: {how}", self.worker, self.shard());
        Error::new(ErrorKind::LeaseLost, message)
    }
}

fn describe(row: Option<&Lease>, me: &WorkerId) -> String {
    match row.map(|row| row.owner.as_ref()) {
        None => "its row is gone".to_owned(),
        Some(None) => "its row was released".to_owned(),
        Some(Some(owner)) if owner == me => {
            format!(
                "another process runs under the same worker id; start each worker with an id of its own ('{me}' is taken)"
            )
        }
        Some(Some(owner)) => format!("worker '{owner}' took it"),
    }
}

impl fmt::Debug for HeldLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldLease").field("acquired", &self.acquired).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
