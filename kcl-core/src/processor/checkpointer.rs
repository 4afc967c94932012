use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::lease::HeldLease;
use crate::model::{Checkpoint, RecordPosition, ShardId};

/// Commits how far a shard is processed, into its lease row.
///
/// A position may be committed once its record has been delivered. Committing at or below what is committed already does
/// nothing, so a batch that is delivered again may be committed again, and the row never moves back (L6 of the
/// [protocol](crate::lease)). Await each call until it returns: one that is begun and left holds up the renewal of the
/// lease.
///
/// Errors, for every method: [`LeaseLost`](ErrorKind::LeaseLost) if the shard is no longer this worker's;
/// [`Transient`](ErrorKind::Transient) or [`Throttled`](ErrorKind::Throttled) if the table did not take it for now.
#[derive(Debug)]
pub struct Checkpointer {
    lease: Arc<HeldLease>,
    events: Events,
    positions: Mutex<Positions>,
}

#[derive(Debug)]
struct Positions {
    /// The last record for which the processor returned `Ok`.
    processed: Option<RecordPosition>,
    /// The last record handed to the processor: the highest position that it may commit. Falls back to `processed`
    /// when it fails, so that nothing commits a batch that it did not take.
    delivered: Option<RecordPosition>,
    /// What the row holds.
    committed: Checkpoint,
}

impl Checkpointer {
    pub(crate) fn new(lease: Arc<HeldLease>, events: Events) -> Self {
        let committed = lease.acquired().checkpoint.clone();
        Self {
            lease,
            events,
            positions: Mutex::new(Positions { processed: None, delivered: None, committed }),
        }
    }

    /// Commits everything delivered so far, the batch in hand included. Does nothing if that is committed already.
    pub async fn checkpoint(&self) -> Result<()> {
        match self.with_positions(|positions| positions.delivered.clone()) {
            Some(delivered) => self.commit_up_to(delivered).await,
            None => Ok(()),
        }
    }

    /// Commits everything up to and including the record at `position`.
    ///
    /// Fails with [`ErrorKind::Refused`], naming the highest permitted position, if it lies beyond what was delivered.
    pub async fn checkpoint_at(&self, position: &RecordPosition) -> Result<()> {
        self.with_positions(|positions| positions.check(position))?;
        self.commit_up_to(position.clone()).await
    }

    /// Records up to here are handed to the processor.
    pub(crate) fn begin(&self, last: &RecordPosition) {
        self.with_positions(|positions| positions.delivered = Some(last.clone()));
    }

    /// The processor returned `Ok` for what was handed to it.
    pub(crate) fn succeed(&self) {
        self.with_positions(|positions| positions.processed.clone_from(&positions.delivered));
    }

    /// The processor failed on what was handed to it.
    pub(crate) fn fail(&self) {
        self.with_positions(|positions| positions.delivered.clone_from(&positions.processed));
    }

    /// Records up to here count as processed, whatever the processor returned.
    pub(crate) fn pass(&self, last: &RecordPosition) {
        self.begin(last);
        self.succeed();
    }

    /// What the row holds.
    pub(crate) fn committed(&self) -> Checkpoint {
        self.with_positions(|positions| positions.committed.clone())
    }

    /// What is processed and not committed yet.
    pub(crate) fn uncommitted(&self) -> Option<Checkpoint> {
        self.with_positions(|positions| {
            let processed = positions.processed.clone().map(Checkpoint::At);
            processed.filter(|processed| *processed > positions.committed)
        })
    }

    /// Commits the end of the shard. Only the framework does, once the processor has returned `Ok` for all of it.
    pub(crate) async fn checkpoint_shard_end(&self, children: Vec<ShardId>) -> Result<()> {
        self.commit(Checkpoint::ShardEnd, children).await
    }

    async fn commit_up_to(&self, position: RecordPosition) -> Result<()> {
        let checkpoint = Checkpoint::At(position);
        if checkpoint <= self.committed() {
            return Ok(());
        }
        self.commit(checkpoint, Vec::new()).await
    }

    async fn commit(&self, checkpoint: Checkpoint, children: Vec<ShardId>) -> Result<()> {
        let shard = self.lease.shard();
        match self.lease.checkpoint(checkpoint.clone(), children).await {
            Ok(()) => {
                self.note_committed(&checkpoint);
                Ok(())
            }
            Err(error) => {
                // A lost lease is a fact of its own, which its keeper reports.
                if error.kind() != ErrorKind::LeaseLost {
                    self.events.emit(&Event::CheckpointFailed { shard, error: &error });
                }
                Err(error)
            }
        }
    }

    /// The row has come as far as this.
    pub(crate) fn note_committed(&self, checkpoint: &Checkpoint) {
        if self.with_positions(|positions| positions.advance(checkpoint)) {
            self.events.emit(&Event::Checkpointed { shard: self.lease.shard(), checkpoint });
        }
    }

    /// A panic cannot leave the positions half written, so a poisoned lock is as good as any.
    fn with_positions<T>(&self, act: impl FnOnce(&mut Positions) -> T) -> T {
        act(&mut self.positions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Positions {
    /// Takes note of a commit; false if another has come as far meanwhile.
    fn advance(&mut self, committed: &Checkpoint) -> bool {
        let is_ahead = *committed > self.committed;
        if is_ahead {
            self.committed.clone_from(committed);
        }
        is_ahead
    }

    fn check(&self, position: &RecordPosition) -> Result<()> {
        let is_committed = Checkpoint::At(position.clone()) <= self.committed;
        if is_committed || self.delivered.as_ref().is_some_and(|delivered| position <= delivered) {
            return Ok(());
        }
        let highest = self.delivered.as_ref().map_or("none yet".to_owned(), ToString::to_string);
        let message = format!(
            "cannot checkpoint at {position}: the last position delivered to this processor is {highest}"
        );
        Err(Error::new(ErrorKind::Refused, message))
    }
}
