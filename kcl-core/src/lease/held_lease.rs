use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Conditional, Lease, LeaseChange, LeaseLoss, LeaseStore};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Checkpoint, ShardId, ShardKey, WorkerId};
use crate::retry::within;

/// A lost answer is asked for again at once, this often. After that the caller remembers the row as the take would leave
/// it, and goes on when a scan shows it.
const TAKE_ATTEMPTS_MAX: u32 = 3;

/// All attempts to take a lease together, and any other write, are given up after this share of the failover time:
/// most of it is then left to start the consumer, or to write again.
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
    ended: CancellationToken,
    loss: OnceLock<LeaseLoss>,
    acquired: Lease,
}

struct State {
    row: Lease,
    /// Writes on top of `row` were sent whose answers are not known: one may have been applied (L5).
    doubt: Option<Doubt>,
}

#[derive(Clone, Copy)]
struct Doubt {
    /// When the first of them was sent.
    since: Instant,
    /// One of them was to give the lease back.
    about_release: bool,
}

/// What became of a write.
enum Written {
    Applied,
    /// The row that stood in the way, or `None` if there is no row.
    Lost(Option<Box<Lease>>),
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
            state: Mutex::new(State { row: seen.clone(), doubt: None }),
            deadline: watch::Sender::new(Instant::now()),
            ended: CancellationToken::new(),
            loss: OnceLock::new(),
        };
        let take = LeaseChange::Take { by: worker.clone() };
        let timeout = failover_time / WRITE_TIMEOUT_DIVISOR / TAKE_ATTEMPTS_MAX;
        let mut attempt = 1;
        loop {
            match lease.try_write(&take, timeout).await {
                Ok(Written::Applied) => {
                    lease.acquired = lease.state.get_mut().row.clone();
                    return Ok(Taken::Held(Arc::new(lease)));
                }
                Ok(Written::Lost(row)) => return Ok(Taken::Lost(row)),
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

    /// Cancelled when the lease is lost or given back.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// How the lease was lost, if it was.
    pub(crate) fn loss(&self) -> Option<&LeaseLoss> {
        self.loss.get()
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
                self.lose(LeaseLoss::Expired);
                return;
            }
            deadline = renewed;
        }
    }

    /// Tells the fleet that this worker is alive.
    pub(crate) async fn renew(&self) -> Result<()> {
        self.write(&LeaseChange::Renew).await
    }

    /// Commits a position; with [`Checkpoint::ShardEnd`] also the shards that follow. Does nothing if the row has come
    /// as far already (L6).
    pub(crate) async fn checkpoint(&self, checkpoint: Checkpoint, children: Vec<ShardId>) -> Result<()> {
        self.write(&LeaseChange::Checkpoint { checkpoint, children }).await
    }

    /// Gives the lease back, unless it turns out to be [lost](Self::loss). After an error the row may still name this
    /// worker, and the call may be made again.
    pub(crate) async fn release(&self) -> Result<()> {
        match self.try_write(&LeaseChange::Release, self.write_timeout()).await? {
            Written::Applied => self.ended.cancel(),
            Written::Lost(row) => self.lose(LeaseLoss::read_off(row.as_deref(), &self.worker)),
        }
        Ok(())
    }

    async fn write(&self, change: &LeaseChange) -> Result<()> {
        if self.ended.is_cancelled() {
            return Err(self.lost_error());
        }
        match self.try_write(change, self.write_timeout()).await? {
            Written::Applied => Ok(()),
            Written::Lost(row) => {
                self.lose(LeaseLoss::read_off(row.as_deref(), &self.worker));
                Err(self.lost_error())
            }
        }
    }

    fn write_timeout(&self) -> Duration {
        self.failover_time / WRITE_TIMEOUT_DIVISOR
    }

    /// Makes one write, on top of whatever an earlier write of unknown outcome has left.
    async fn try_write(&self, change: &LeaseChange, timeout: Duration) -> Result<Written> {
        let mut state = self.state.lock().await;
        loop {
            if state.has_come_as_far_as(change) {
                return Ok(Written::Applied);
            }
            let started = Instant::now();
            let doubt = state.doubt;
            // Before the call, so that dropping this future leaves the doubt behind, too.
            state.doubt = Some(Doubt {
                since: doubt.map_or(started, |doubt| doubt.since),
                about_release: doubt.is_some_and(|doubt| doubt.about_release)
                    || *change == LeaseChange::Release,
            });
            let write = self.store.update(&state.row, change);
            let what = format!("writing the lease of shard {}", self.shard());
            let (row, written_at) = match within(timeout, &what, write).await? {
                Conditional::Applied(row) => (row, started),
                Conditional::Lost(row) => match (doubt, row) {
                    (Some(doubt), Some(row)) if self.is_own_write(&state.row, &row) => {
                        if row != state.row.after(change) {
                            // An earlier write of another kind: this one is still to be made, on top of it.
                            *state = State { row, doubt: None };
                            continue;
                        }
                        (row, doubt.since)
                    }
                    // Whoever has the lease now: it was given back before.
                    (Some(doubt), _) if doubt.about_release && *change == LeaseChange::Release => {
                        return Ok(Written::Applied);
                    }
                    (_, row) => return Ok(Written::Lost(row.map(Box::new))),
                },
            };
            *state = State { row, doubt: None };
            self.deadline.send_replace(written_at + self.failover_time);
            return Ok(Written::Applied);
        }
    }

    /// True if `row` is what a write of ours on top of `base` left: it moved by one step and still names us. Nobody
    /// else writes that, as long as worker ids are unique.
    fn is_own_write(&self, base: &Lease, row: &Lease) -> bool {
        row.is_owned_by(&self.worker) && row.counter == base.counter + 1
    }

    fn lose(&self, loss: LeaseLoss) {
        // The first is what ended it.
        let _later = self.loss.set(loss);
        self.ended.cancel();
    }

    fn lost_error(&self) -> Error {
        let how = self.loss().map_or("it was given back".to_owned(), ToString::to_string);
        let message =
            format!("worker '{}' no longer owns the lease of shard {}: {how}", self.worker, self.shard());
        Error::new(ErrorKind::LeaseLost, message)
    }
}

impl State {
    fn has_come_as_far_as(&self, change: &LeaseChange) -> bool {
        matches!(change, LeaseChange::Checkpoint { checkpoint, .. } if *checkpoint <= self.row.checkpoint)
    }
}

impl fmt::Debug for HeldLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldLease").field("acquired", &self.acquired).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
