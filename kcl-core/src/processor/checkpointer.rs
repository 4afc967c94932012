use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::PreparedCheckpoint;
use super::positions::Positions;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::lease::{HeldLease, Lease};
use crate::model::{Checkpoint, PendingCheckpoint, RecordPosition, ShardId};

/// Commits how far a shard is processed, into its lease row.
///
/// A position may be committed once its record has been delivered, or once it has been prepared. Committing at or below what is
/// committed already does nothing, so a batch that is delivered again may be committed again, and the row never moves back (L6
/// of the [protocol](crate::lease)). Await each call until it returns: one that is begun and left holds up the renewal of the
/// lease.
///
/// Errors, for every method: [`LeaseLost`](ErrorKind::LeaseLost) if the shard is no longer this worker's;
/// [`Transient`](ErrorKind::Transient) or [`Throttled`](ErrorKind::Throttled) if the table did not take it for now.
///
/// # In two steps
///
/// A processor that writes into a sink by transactions can make the transaction and the checkpoint one: it puts the
/// transaction's name into the row with [`prepare`](Self::prepare), commits the transaction, and then the checkpoint. Wherever
/// it dies between, the next owner finds the name in [`ShardStart::pending`](super::ShardStart::pending), and asks the sink
/// what became of it.
///
/// ```
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use kcl_core::model::{Checkpoint, PendingCheckpoint, Record, RecordPosition};
/// use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor, ShardStart};
/// # struct Sink;
/// # impl Sink {
/// #     async fn settle(&self, _: &Bytes) -> Result<bool, ProcessorError> { Ok(true) }
/// #     async fn write(&self, _: &Bytes, _: &[&Record]) -> Result<(), ProcessorError> { Ok(()) }
/// # }
///
/// /// Each record is in the sink once, whatever happens.
/// struct ExactlyOnce {
///     sink: Sink,
///     /// A transaction of which it is not known whether the sink has committed it.
///     open: Option<PendingCheckpoint>,
///     /// Up to here the sink has everything.
///     done: Option<RecordPosition>,
/// }
///
/// impl ExactlyOnce {
///     async fn settle(&mut self) -> Result<(), ProcessorError> {
///         if let Some(open) = &self.open
///             && let Checkpoint::At(position) = &open.checkpoint
///             // True if the sink has committed it; what it has not, it never will.
///             && self.sink.settle(&open.application_state).await?
///         {
///             self.done = Some(position.clone());
///         }
///         self.open = None;
///         Ok(())
///     }
/// }
///
/// #[async_trait]
/// impl RecordProcessor for ExactlyOnce {
///     async fn initialize(&mut self, start: &ShardStart) -> Result<(), ProcessorError> {
///         self.open = start.pending.clone();
///         self.settle().await
///     }
///
///     async fn process_records(
///         &mut self,
///         batch: &RecordBatch,
///         checkpointer: &Checkpointer,
///     ) -> Result<(), ProcessorError> {
///         self.settle().await?;
///         if let Some(done) = &self.done {
///             // Does nothing, unless somebody died or failed before the row said so.
///             checkpointer.checkpoint_at(done).await?;
///         }
///         let is_new = |record: &&Record| Some(&record.position) > self.done.as_ref();
///         let records: Vec<&Record> = batch.records.iter().filter(is_new).collect();
///         let Some(last) = records.last() else { return Ok(()) };
///         let name = Bytes::from(format!("{}/{}", batch.shard, last.position));
///         let prepared = checkpointer.prepare(&last.position, name.clone()).await?;
///         let checkpoint = Checkpoint::At(last.position.clone());
///         self.open = Some(PendingCheckpoint { checkpoint, application_state: name.clone() });
///         self.sink.write(&name, &records).await?;
///         (self.open, self.done) = (None, Some(last.position.clone()));
///         Ok(prepared.commit().await?)
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Checkpointer {
    lease: Arc<HeldLease>,
    events: Events,
    positions: Arc<Mutex<Positions>>,
}

impl Checkpointer {
    /// The longest state that [`prepare`](Self::prepare) takes: 16 KiB. An item of DynamoDB may have 400 KB, but while a state is
    /// in the row every write of it, renewals too, costs a write unit for each KB of it, and every scan of every worker
    /// reads it. What is larger belongs elsewhere, and its name here.
    pub const APPLICATION_STATE_BYTES_MAX: usize = 16 * 1024;

    pub(crate) fn new(lease: Arc<HeldLease>, events: Events) -> Self {
        let Lease { checkpoint, pending, .. } = lease.acquired();
        let positions = Positions::new(checkpoint.clone(), pending.as_ref());
        Self { lease, events, positions: Arc::new(Mutex::new(positions)) }
    }

    /// Commits everything delivered so far, the batch in hand included. Does nothing if that is committed already.
    pub async fn checkpoint(&self) -> Result<()> {
        match self.with_positions(|positions| positions.delivered().cloned()) {
            Some(delivered) => self.checkpoint_at(&delivered).await,
            None => Ok(()),
        }
    }

    /// Commits everything up to and including the record at `position`.
    ///
    /// Fails with [`ErrorKind::Refused`] and [`CheckpointOutOfRange`](super::CheckpointOutOfRange) if it lies beyond what was
    /// delivered.
    pub async fn checkpoint_at(&self, position: &RecordPosition) -> Result<()> {
        match self.with_positions(|positions| positions.due(position))? {
            Some(checkpoint) => self.commit(checkpoint, Vec::new()).await,
            None => Ok(()),
        }
    }

    /// Puts into the row that everything up to and including the record at `position` is to be committed, and the
    /// application's state with it, which the next owner gets if it does not come to that. How far the shard is processed
    /// stays as it is. The Java KCL's `prepareCheckpoint`, in the same attributes.
    ///
    /// What was prepared before is replaced. Any later checkpoint of the shard, also below `position` and also by the framework,
    /// removes it, so only [`Checkpointing::Manual`](crate::Checkpointing::Manual) keeps what is prepared in one batch for
    /// another. At or below what is committed this does nothing, and so does the commit: the state is not kept.
    ///
    /// Fails with [`ErrorKind::Refused`] if `position` lies beyond what was delivered
    /// ([`CheckpointOutOfRange`](super::CheckpointOutOfRange)), or the state is longer than
    /// [`APPLICATION_STATE_BYTES_MAX`](Self::APPLICATION_STATE_BYTES_MAX).
    pub async fn prepare(
        &self,
        position: &RecordPosition,
        application_state: Bytes,
    ) -> Result<PreparedCheckpoint> {
        let length = application_state.len();
        if length > Self::APPLICATION_STATE_BYTES_MAX {
            let max = Self::APPLICATION_STATE_BYTES_MAX;
            let message = format!("the application state has {length} bytes; at most {max} fit into a row");
            return Err(Error::new(ErrorKind::Refused, message));
        }
        if let Some(checkpoint) = self.with_positions(|positions| positions.due(position))? {
            let pending = PendingCheckpoint { checkpoint, application_state };
            self.reported(self.lease.prepare(pending).await)?;
            self.with_positions(|positions| positions.prepare(position));
        }
        Ok(PreparedCheckpoint::new(self.same(), position.clone()))
    }

    /// Records up to here are handed to the processor.
    pub(crate) fn begin(&self, last: &RecordPosition) {
        self.with_positions(|positions| positions.begin(last));
    }

    /// The processor returned `Ok` for what was handed to it.
    pub(crate) fn succeed(&self) {
        self.with_positions(Positions::succeed);
    }

    /// The processor failed on what was handed to it.
    pub(crate) fn fail(&self) {
        self.with_positions(Positions::fail);
    }

    /// Records up to here count as processed, whatever the processor returned.
    pub(crate) fn pass(&self, last: &RecordPosition) {
        self.begin(last);
        self.succeed();
    }

    /// What the row holds.
    pub(crate) fn committed(&self) -> Checkpoint {
        self.with_positions(|positions| positions.committed().clone())
    }

    /// What is processed and not committed yet.
    pub(crate) fn uncommitted(&self) -> Option<Checkpoint> {
        self.with_positions(|positions| positions.uncommitted())
    }

    /// Commits what is processed.
    pub(crate) async fn checkpoint_processed(&self) -> Result<()> {
        match self.uncommitted() {
            Some(checkpoint) => self.commit(checkpoint, Vec::new()).await,
            None => Ok(()),
        }
    }

    /// Commits the end of the shard. Only the framework does, once the processor has returned `Ok` for all of it.
    pub(crate) async fn checkpoint_shard_end(&self, children: Vec<ShardId>) -> Result<()> {
        self.commit(Checkpoint::ShardEnd, children).await
    }

    async fn commit(&self, checkpoint: Checkpoint, children: Vec<ShardId>) -> Result<()> {
        self.reported(self.lease.checkpoint(checkpoint.clone(), children).await)?;
        self.note_committed(&checkpoint);
        Ok(())
    }

    fn reported(&self, written: Result<()>) -> Result<()> {
        if let Err(error) = &written
            // A lost lease is a fact of its own, which its keeper reports.
            && error.kind() != ErrorKind::LeaseLost
        {
            self.events.emit(&Event::CheckpointFailed { shard: self.lease.shard(), error });
        }
        written
    }

    /// The row has come as far as this.
    pub(crate) fn note_committed(&self, checkpoint: &Checkpoint) {
        if self.with_positions(|positions| positions.advance(checkpoint)) {
            self.events.emit(&Event::Checkpointed { shard: self.lease.shard(), checkpoint });
        }
    }

    /// Another handle on the same.
    fn same(&self) -> Self {
        Self {
            lease: Arc::clone(&self.lease),
            events: self.events.clone(),
            positions: Arc::clone(&self.positions),
        }
    }

    /// A panic cannot leave the positions half written, so a poisoned lock is as good as any.
    fn with_positions<T>(&self, act: impl FnOnce(&mut Positions) -> T) -> T {
        act(&mut self.positions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
