use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Conditional, Doubt, Lease, LeaseChange, LeaseLoss, LeaseStore, Obstacle};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Checkpoint, PendingCheckpoint, ShardId, ShardKey, WorkerId};
use crate::planted::{Planted, PlantedFault};
use crate::retry::within;

/// A lost answer is asked for again at once, this often. After that the caller remembers the row as the take would leave
/// it, and goes on when a scan shows it.
const TAKE_ATTEMPTS_MAX: u32 = 3;

/// A write is given up after this share of the failover time, so that one that hangs after the latest
/// renewal can still be made again before the deadline.
const WRITE_TIMEOUT_DIVISOR: u32 = 8;

/// An owner believes in its lease for this share of the failover time. Others wait for all of it, so no clock that runs up
/// to five per cent too slow here, or too fast there, lets them start before the owner has stopped (L3).
const BELIEF_SHARE: f64 = 0.9;

/// One write is made this often: after an earlier one of unknown outcome, and after somebody has touched the row without
/// moving it, as the leader of a Java KCL 3 fleet does once to ask for the lease.
const ROUNDS_MAX: u32 = 4;

/// A lease that this worker owns, and the only way to write its row: one write at a time (L4).
///
/// It is lost, for this worker, as soon as a write finds somebody else's row, or nine tenths of a failover time after the
/// *start* of the last write that succeeded (L3). From then on every write is refused.
pub(crate) struct HeldLease {
    store: Arc<dyn LeaseStore>,
    worker: WorkerId,
    failover_time: Duration,
    state: Mutex<State>,
    written_at: watch::Sender<Instant>,
    requested_by: watch::Sender<Option<WorkerId>>,
    ended: CancellationToken,
    loss: OnceLock<LeaseLoss>,
    acquired: Lease,
    planted: Planted,
}

struct State {
    row: Lease,
    /// Writes on top of `row` were sent whose answers are not known.
    doubt: Option<Uncertain>,
}

#[derive(Clone, Copy)]
struct Uncertain {
    /// When the first of them was sent.
    since: Instant,
    doubt: Doubt,
}

/// What became of a write.
enum Written {
    Applied,
    /// The request that it answers was withdrawn.
    Refused,
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
        planted: Planted,
    ) -> Result<Taken> {
        let mut lease = Self {
            store,
            worker: worker.clone(),
            failover_time,
            acquired: seen.clone(),
            planted,
            state: Mutex::new(State { row: seen.clone(), doubt: None }),
            written_at: watch::Sender::new(Instant::now()),
            requested_by: watch::Sender::new(None),
            ended: CancellationToken::new(),
            loss: OnceLock::new(),
        };
        let take = LeaseChange::Take { by: worker.clone() };
        let mut attempt = 1;
        loop {
            match lease.try_write(&take).await {
                Ok(Written::Applied) => {
                    lease.acquired = lease.state.get_mut().row.clone();
                    return Ok(Taken::Held(Arc::new(lease)));
                }
                Ok(Written::Lost(row)) => return Ok(Taken::Lost(row)),
                Ok(Written::Refused) => return Err(lease.refused_error()),
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

    /// When the last write that succeeded was sent.
    pub(crate) fn written_at(&self) -> Instant {
        *self.written_at.borrow()
    }

    /// When the lease is lost if no further write succeeds.
    pub(crate) fn deadline(&self) -> Instant {
        let is_endless = self.planted.has(PlantedFault::DeadlineMissing);
        let share = if is_endless { f64::from(u8::MAX) } else { BELIEF_SHARE };
        self.written_at() + self.failover_time.mul_f64(share)
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

    /// Takes in the row as a scan shows it: it may hold a request.
    pub(crate) fn observe(&self, row: &Lease) {
        if row.is_owned_by(&self.worker) && row.counter >= self.acquired.counter {
            let request = row.requested_by().cloned();
            self.requested_by.send_if_modified(|known| {
                let is_new = *known != request;
                *known = request;
                is_new
            });
        }
    }

    /// Waits until another worker asks for the lease.
    pub(crate) async fn requested(&self) {
        let mut requested_by = self.requested_by.subscribe();
        // The sender lives as long as `self`.
        let _asked = requested_by.wait_for(Option::is_some).await;
    }

    /// True if the lease may still be acted upon. Marks it as lost if its time has run out and nobody has noticed that yet.
    pub(crate) fn is_alive(&self) -> bool {
        if Instant::now() >= self.deadline() {
            self.lose(LeaseLoss::Expired);
        }
        !self.ended.is_cancelled()
    }

    /// Tells the fleet that this worker is alive.
    pub(crate) async fn renew(&self) -> Result<()> {
        if self.planted.has(PlantedFault::RenewalsOverlap) {
            // Never applied: only that it is sent is the mistake.
            let never = Lease { counter: u64::MAX, ..self.acquired.clone() };
            let _refused = self.store.update(&never, &LeaseChange::Renew).await;
        }
        self.write(&LeaseChange::Renew).await
    }

    /// Commits a position; with [`Checkpoint::ShardEnd`] also the shards that follow. Does nothing if the row has come
    /// as far already (L6).
    pub(crate) async fn checkpoint(&self, checkpoint: Checkpoint, children: Vec<ShardId>) -> Result<()> {
        self.write(&LeaseChange::Checkpoint { checkpoint, children }).await
    }

    /// Puts into the row what is to be committed next. Does nothing if the row has come as far already (L6).
    pub(crate) async fn prepare(&self, pending: PendingCheckpoint) -> Result<()> {
        self.write(&LeaseChange::Prepare { pending }).await
    }

    /// Gives the lease to the worker that asks for it, with `checkpoint` in the same write; or back, for anybody to take,
    /// if nobody asks. Returns the worker that has it.
    ///
    /// Unless the lease turns out to be [lost](Self::loss). After an error the row may still name this worker, and the
    /// call may be made again.
    pub(crate) async fn leave(&self, checkpoint: Option<&Checkpoint>) -> Result<Option<WorkerId>> {
        let moves_back = self.planted.has(PlantedFault::CheckpointsMoveBack);
        let checkpoint = if moves_back { Some(&self.acquired.checkpoint) } else { checkpoint };
        loop {
            let to = self.requested_by.borrow().clone();
            let written = match &to {
                Some(to) => {
                    let checkpoint = checkpoint.cloned();
                    self.try_write(&LeaseChange::HandOver { to: to.clone(), checkpoint }).await?
                }
                None => self.commit_and_release(checkpoint).await?,
            };
            match written {
                Written::Applied => self.ended.cancel(),
                Written::Refused => continue,
                Written::Lost(row) => self.lose(LeaseLoss::read_off(row.as_deref(), &self.worker)),
            }
            return Ok(to);
        }
    }

    async fn commit_and_release(&self, checkpoint: Option<&Checkpoint>) -> Result<Written> {
        if let Some(checkpoint) = checkpoint {
            let commit = LeaseChange::Checkpoint { checkpoint: checkpoint.clone(), children: Vec::new() };
            match self.try_write(&commit).await? {
                Written::Applied => {}
                obstacle => return Ok(obstacle),
            }
        }
        self.try_write(&LeaseChange::Release).await
    }

    async fn write(&self, change: &LeaseChange) -> Result<()> {
        if self.ended.is_cancelled() {
            return Err(self.lost_error());
        }
        match self.try_write(change).await? {
            Written::Lost(row) => {
                self.lose(LeaseLoss::read_off(row.as_deref(), &self.worker));
                Err(self.lost_error())
            }
            Written::Refused => Err(self.refused_error()),
            Written::Applied => Ok(()),
        }
    }

    /// Makes one write, on top of whatever an earlier write of unknown outcome has left.
    async fn try_write(&self, change: &LeaseChange) -> Result<Written> {
        let mut state = self.state.lock().await;
        for _ in 0..ROUNDS_MAX {
            let moves_back = self.planted.has(PlantedFault::CheckpointsMoveBack);
            let due = if moves_back { Some(change.clone()) } else { state.due(change) };
            let Some(change) = due else { return Ok(Written::Applied) };
            let started = Instant::now();
            let before = state.doubt;
            // Before the call, so that dropping this future leaves the doubt behind, too.
            state.doubt = Some(Uncertain::with(before, started, &change));
            let what = format!("writing the lease of shard {}", self.shard());
            let write = self.store.update(&state.row, &change);
            let found = match within(self.failover_time / WRITE_TIMEOUT_DIVISOR, &what, write).await? {
                Conditional::Applied(row) => {
                    self.settle(&mut state, row, started);
                    return Ok(Written::Applied);
                }
                Conditional::Lost(found) => found,
            };
            let is_unknown = self.planted.has(PlantedFault::OwnWritesUnknown);
            let doubt = before.map(|before| before.doubt).filter(|_| !is_unknown);
            match Obstacle::read(&self.worker, &state.row, doubt, &change, found) {
                Obstacle::OwnChange(row) => {
                    let written_at = before.map_or(started, |before| before.since);
                    self.settle(&mut state, *row, written_at);
                    return Ok(Written::Applied);
                }
                Obstacle::OwnEarlierChange(row) if self.planted.has(PlantedFault::OwnWritesConfused) => {
                    self.settle(&mut state, *row, started);
                    return Ok(Written::Applied);
                }
                Obstacle::OwnEarlierChange(row) => *state = State { row: *row, doubt: None },
                Obstacle::GivenAway => return Ok(Written::Applied),
                // What is in doubt may still arrive, so the doubt stays.
                Obstacle::Touched(row) => {
                    self.observe(&row);
                    let is_refused = !row.permits(&row, &change);
                    state.row = *row;
                    if is_refused {
                        return Ok(Written::Refused);
                    }
                }
                Obstacle::Foreign(row) => return Ok(Written::Lost(row)),
            }
        }
        let message = format!("the row of shard {} changed {ROUNDS_MAX} times under one write", self.shard());
        Err(Error::new(ErrorKind::Transient, message))
    }

    fn settle(&self, state: &mut State, row: Lease, written_at: Instant) {
        self.observe(&row);
        *state = State { row, doubt: None };
        let is_late = self.planted.has(PlantedFault::DeadlineFromAnswer);
        self.written_at.send_replace(if is_late { Instant::now() } else { written_at });
    }

    fn lose(&self, loss: LeaseLoss) {
        // The first is what ended it.
        let _later = self.loss.set(loss);
        self.ended.cancel();
    }

    /// Only a hand-over answers a request, so no other write should come here; if one does, it has not been made.
    fn refused_error(&self) -> Error {
        let message = format!("the row of shard {} no longer permits this write", self.shard());
        Error::new(ErrorKind::Transient, message)
    }

    fn lost_error(&self) -> Error {
        let how = self.loss().map_or("it was given back".to_owned(), ToString::to_string);
        let message =
            format!("worker '{}' no longer owns the lease of shard {}: {how}", self.worker, self.shard());
        Error::new(ErrorKind::LeaseLost, message)
    }
}

impl State {
    /// What is left to do of a change; `None` if the row has come as far already (L6).
    fn due(&self, change: &LeaseChange) -> Option<LeaseChange> {
        match change {
            LeaseChange::Checkpoint { checkpoint, .. } if *checkpoint <= self.row.checkpoint => None,
            LeaseChange::Prepare { pending } if pending.checkpoint <= self.row.checkpoint => None,
            LeaseChange::HandOver { to, checkpoint } => {
                let checkpoint = checkpoint.clone().filter(|checkpoint| *checkpoint > self.row.checkpoint);
                Some(LeaseChange::HandOver { to: to.clone(), checkpoint })
            }
            change => Some(change.clone()),
        }
    }
}

impl Uncertain {
    /// What is in doubt once `change` is sent, too.
    fn with(before: Option<Self>, now: Instant, change: &LeaseChange) -> Self {
        let leaves = matches!(change, LeaseChange::Release | LeaseChange::HandOver { .. });
        let doubt = match before {
            Some(Self { doubt: Doubt::Leaving, .. }) => Doubt::Leaving,
            _ if leaves => Doubt::Leaving,
            _ => Doubt::Staying,
        };
        Self { since: before.map_or(now, |before| before.since), doubt }
    }
}

impl fmt::Debug for HeldLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldLease").field("acquired", &self.acquired).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
