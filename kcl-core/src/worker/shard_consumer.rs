use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join;
use tokio::select;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::ShardOutcome;
use super::attendant::{Attendant, BLOCKED_AFTER};
use super::commit_schedule::CommitSchedule;
use super::lease_keeper::LeaseKeeper;
use super::leave::{COMMIT_RETRY_DELAYS, leave};
use super::worker::Ports;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::lease::HeldLease;
use crate::model::{Checkpoint, ShardId, ShardKey};
use crate::planted::PlantedFault;
use crate::processor::{
    BatchInHand, Checkpointer, Halt, LastResort, OnFailureDestination, ProcessorFactory, ShardDelivery,
    ShardStart,
};
use crate::retry::Retry;
use crate::settings::WorkerSettings;
use crate::stream::{ChildShard, FetchedBatch, Fetcher, Retriever, StartPosition, list_all_shards};

/// How a consumer came to its end. The lease is released, except when it is lost.
#[derive(Debug)]
pub(super) enum Ending {
    /// The shard is processed to its end, and the row says so.
    ShardEnded,
    /// The lease was given away, because the worker is stopping or another one asked for it.
    Released,
    /// The lease belongs to somebody else, or may by now.
    LeaseLost,
    /// The shard cannot be read, or its processor did not return in time or cannot go on.
    Failed(Error),
    /// The processor failed, and the failure policy is to stop the worker.
    StopWorker(Error),
}

impl From<Halt> for Ending {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Leaving => Self::Released,
            Halt::StartOver(error) => Self::Failed(error),
            Halt::StopWorker(error) => Self::StopWorker(error),
        }
    }
}

/// Everything a consumer needs of its worker.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) settings: Arc<WorkerSettings>,
    pub(super) ports: Ports,
    pub(super) processors: Arc<dyn ProcessorFactory>,
    pub(super) destination: Option<Arc<dyn OnFailureDestination>>,
    pub(super) retriever: Arc<Retriever>,
    pub(super) events: Events,
    pub(super) stopping: CancellationToken,
}

/// Consumes one shard under one lease: reads, delivers, commits, from the lease's checkpoint to whatever ends it.
pub(super) struct ShardConsumer {
    context: Context,
    lease: Arc<HeldLease>,
    checkpointer: Arc<Checkpointer>,
    commits: CommitSchedule,
    delivery: ShardDelivery,
    /// Cancelled when this worker is to stop processing the shard.
    leaving: CancellationToken,
    /// Calls had to be dropped while the lease was still this worker's.
    has_dropped_calls: bool,
    seed: u64,
}

impl ShardConsumer {
    /// Makes the shard's processor. `seed` starts the jitter of its retries.
    pub(super) fn new(context: Context, lease: Arc<HeldLease>, seed: u64) -> Self {
        let checkpointer = Arc::new(Checkpointer::new(Arc::clone(&lease), context.events.clone()));
        let processor =
            context.processors.create(&ShardStart::of(lease.acquired(), context.settings.checkpointing));
        let checkpointing = processor.checkpointing(context.settings.checkpointing);
        let commits = CommitSchedule::new(checkpointing, Instant::now());
        let last_resort = LastResort {
            lease: Arc::clone(&lease),
            events: context.events.clone(),
            settings: Arc::clone(&context.settings),
            destination: context.destination.clone(),
            seed,
        };
        let kinesis = Arc::clone(&context.ports.kinesis);
        let leaving = context.stopping.child_token();
        let delivery =
            ShardDelivery::new(processor, Arc::clone(&checkpointer), last_resort, kinesis, leaving.clone());
        Self { context, lease, checkpointer, commits, delivery, leaving, has_dropped_calls: false, seed }
    }

    /// Runs until the shard ends, the worker stops, another one asks for the lease, or it is lost. Losing the lease does
    /// not wait for the processor: its running call is dropped.
    pub(super) async fn run(mut self: Box<Self>) -> (Ending, ShardOutcome) {
        let lease = Arc::clone(&self.lease);
        let events = self.context.events.clone();
        let keeper = LeaseKeeper {
            lease: Arc::clone(&lease),
            failover_time: self.context.settings.failover_time,
            leaving: self.leaving.clone(),
            events: events.clone(),
            seed: self.seed,
            planted: self.context.settings.planted(),
        };
        let attendant = Attendant {
            keeper,
            watch: self.delivery.calls().watch().clone(),
            settings: Arc::clone(&self.context.settings),
        };
        let (past_deadline, overrun) = oneshot::channel();
        // A task of its own: a processor that blocks its thread neither keeps the lease from being renewed nor goes
        // unnoticed.
        let mut attendant = AbortOnDropHandle::new(tokio::spawn(attendant.attend(past_deadline)));
        let ending = select! {
            biased;
            _ended = &mut attendant => Ending::LeaseLost,
            Ok(overrun) = overrun => {
                self.has_dropped_calls = true;
                Ending::Failed(overrun.into())
            }
            ending = self.consume() => ending,
        };
        drop(attendant);
        self.delivery.stop_calls(BLOCKED_AFTER).await;
        let outcome = match (&ending, self.settle_lease(&events).await) {
            (Ending::ShardEnded, _) => ShardOutcome::Ended,
            (_, outcome) if self.has_dropped_calls => outcome.without_goodbye(),
            (_, outcome) => outcome,
        };
        (ending, outcome)
    }

    /// Gives back what this worker still has of the lease, or tells the processor that it is lost.
    async fn settle_lease(&mut self, events: &Events) -> ShardOutcome {
        let lease = Arc::clone(&self.lease);
        if let Some(loss) = lease.loss() {
            events.emit(&Event::LeaseLost { shard: lease.shard(), loss });
            Box::pin(self.delivery.lease_lost(self.context.settings.call_deadlines.lease_lost)).await;
            return ShardOutcome::LeaseLost;
        }
        if self.leaves_nothing() {
            lease.ended().cancel();
            return ShardOutcome::LeftToExpire;
        }
        if lease.ended().is_cancelled() {
            // Given back by the attendant while the processor blocked its thread.
            Box::pin(self.delivery.lease_lost(self.context.settings.call_deadlines.lease_lost)).await;
            return ShardOutcome::Forced;
        }
        let checkpoint = self.uncommitted();
        let outcome = Box::pin(leave(&lease, checkpoint.as_ref(), events, self.seed)).await;
        if let (ShardOutcome::Released | ShardOutcome::HandedOver { .. }, Some(checkpoint)) =
            (&outcome, checkpoint)
        {
            self.checkpointer.note_committed(&checkpoint);
        }
        outcome
    }

    fn leaves_nothing(&self) -> bool {
        self.context.stopping.is_cancelled() && self.plants(PlantedFault::StopWithoutRelease)
            || self.lease.ended().is_cancelled() && self.plants(PlantedFault::HandOverBeforeDrain)
    }

    /// What is processed, and is to be committed by the framework with its last write.
    fn uncommitted(&self) -> Option<Checkpoint> {
        if self.plants(PlantedFault::LeaveWithoutCommit) || !self.commits.is_ours() {
            return None;
        }
        self.checkpointer.uncommitted()
    }

    async fn consume(&mut self) -> Ending {
        let acquired = self.lease.acquired();
        let initial_position = self.context.settings.initial_position;
        let Some(mut position) = StartPosition::resume(acquired, initial_position) else {
            return Ending::ShardEnded;
        };
        if self.plants(PlantedFault::CheckpointsIgnored) {
            position = StartPosition::TrimHorizon;
        }
        if self.leaving.is_cancelled() {
            return Ending::Released;
        }
        if let Err(halt) = Box::pin(self.initialize()).await {
            return halt.into();
        }
        self.context.events.emit(&Event::ShardStarted { shard: self.shard() });
        let range = self.lease.acquired().hash_key_range;
        let fetcher = self.context.retriever.fetch(self.shard(), position, range, self.seed);
        self.pump(fetcher).await
    }

    async fn initialize(&mut self) -> Result<(), Halt> {
        let mut start = ShardStart::of(self.lease.acquired(), self.context.settings.checkpointing);
        start.pending.take_if(|_| self.plants(PlantedFault::PendingStateLost));
        self.delivery.initialize(&start).await
    }

    /// Moves batches from the stream to the processor. What happens now and then is in boxes: a worker may hold thousands of
    /// shards in which nothing happens.
    async fn pump(&mut self, mut fetcher: Fetcher) -> Ending {
        let leaving = self.leaving.clone();
        loop {
            let has_uncommitted = self.delivery.is_batches() && self.uncommitted().is_some();
            let read = select! {
                biased;
                () = leaving.cancelled() => return Box::pin(self.stop(Halt::Leaving)).await,
                error = self.delivery.go_on() => return Box::pin(self.stop(Halt::StopWorker(error))).await,
                read = fetcher.next_batch() => read,
                () = sleep_until(self.commits.due_at()), if has_uncommitted => {
                    Box::pin(self.commit()).await;
                    continue;
                }
            };
            if let Some(ending) = Box::pin(self.take(read)).await {
                return ending;
            }
        }
    }

    /// Has a page processed. Returns how the consumer ends, if it does.
    async fn take(&mut self, read: Option<Box<Result<FetchedBatch>>>) -> Option<Ending> {
        // After a pause of the whole process a read may be ready before the keeper has noticed how late it is.
        if !self.lease.is_alive() {
            return Some(Ending::LeaseLost);
        }
        let no_more = || Err(Error::new(ErrorKind::Refused, "the reader of the shard ended by itself"));
        let mut page = match read.map_or_else(no_more, |read| *read) {
            Ok(page) => page,
            Err(error) => return Some(self.source_failed(error).await),
        };
        if let Some(children) = &page.shard_end
            && self.plants(PlantedFault::EndBeforeLastBatch)
        {
            return Some(self.end(children.clone()).await);
        }
        match self.deliver(&mut page).await {
            Err(halt @ Halt::StopWorker(_)) => return Some(self.stop(halt).await),
            _ if !self.lease.is_alive() => return Some(Ending::LeaseLost),
            Err(halt) => return Some(self.stop(halt).await),
            Ok(()) => {}
        }
        Some(self.end(page.shard_end?).await)
    }

    /// Delivers a page, batch by batch, and commits each; or into lanes, which are committed as they go on. A page may have
    /// a great many batches, so what is left of it when the shard is to be given away is left to the next owner.
    async fn deliver(&mut self, page: &mut FetchedBatch) -> Result<(), Halt> {
        if let ShardDelivery::Lanes(runner) = &mut self.delivery {
            return runner.accept(page).await;
        }
        let records_max = self.context.settings.records_per_batch_max;
        loop {
            let (shard, next) = (self.shard().clone(), page.next_records(records_max));
            let mut in_hand = BatchInHand::new(shard, next, page.millis_behind_latest);
            let Some(last) = in_hand.last() else { return Ok(()) };
            if self.plants(PlantedFault::CommitBeforeProcessing) {
                self.checkpointer.begin(&last.position);
                let _reported = self.checkpointer.checkpoint().await;
            }
            while !in_hand.is_done() {
                // A commit in between may have found out that the lease is lost.
                if self.leaving.is_cancelled() || !self.lease.is_alive() {
                    return Err(Halt::Leaving);
                }
                self.process(&mut in_hand).await?;
                self.commit().await;
            }
        }
    }

    /// Has the processor take some of a batch. Meanwhile, what is processed before is committed when it is due: a record may
    /// be in the way for days.
    async fn process(&mut self, in_hand: &mut BatchInHand) -> Result<(), Halt> {
        let has_uncommitted = self.uncommitted().is_some();
        let Self { delivery: ShardDelivery::Batches(delivery), checkpointer, commits, .. } = self else {
            return Ok(());
        };
        if !has_uncommitted {
            return delivery.process(in_hand).await;
        }
        // Both go on together, to their ends: the processor may be writing the row itself, and a write that is begun and left
        // holds up every other.
        let is_processed = AtomicBool::new(false);
        let processed = async {
            let delivered = delivery.process(in_hand).await;
            is_processed.store(true, Ordering::Relaxed);
            delivered
        };
        join(processed, commits.commit_until(&is_processed, checkpointer)).await.0
    }

    /// Commits what is processed, if that is the framework's task and due. A failure is reported by the checkpointer; the next
    /// commit includes this one.
    async fn commit(&mut self) {
        if self.leaving.is_cancelled() && self.plants(PlantedFault::LeaveWithoutCommit) {
            return;
        }
        if self.commits.is_due(Instant::now()) {
            self.commits.commit(&self.checkpointer).await;
        }
    }

    /// A processor that has lost what it had in hand must not commit it.
    async fn stop(&mut self, halt: Halt) -> Ending {
        match halt {
            Halt::StartOver(_) => self.report_stopping(),
            Halt::Leaving | Halt::StopWorker(_) => self.last_words().await,
        }
        halt.into()
    }

    /// The processor may commit. What the framework commits goes with the lease.
    async fn last_words(&mut self) {
        self.report_stopping();
        self.has_dropped_calls |= !self.delivery.shutdown_requested().await;
    }

    /// Everything is processed: tells the processor, and commits the end until the table has it.
    async fn end(&mut self, children: Vec<ChildShard>) -> Ending {
        self.report_stopping();
        if let Err(halt) = self.delivery.shard_ended().await {
            return self.stop(halt).await;
        }
        let leaving = self.leaving.clone();
        let children: Vec<ShardId> = children.into_iter().map(|child| child.shard_id).collect();
        let mut retry = Retry::new(COMMIT_RETRY_DELAYS, self.seed);
        while let Err(error) = self.checkpointer.checkpoint_shard_end(children.clone()).await {
            if error.kind() == ErrorKind::LeaseLost {
                return Ending::LeaseLost;
            }
            select! {
                biased;
                () = leaving.cancelled() => return self.stop(Halt::Leaving).await,
                () = sleep(retry.next_delay()) => {}
            }
        }
        self.context.events.emit(&Event::ShardEnded { shard: self.shard(), children: &children });
        Ending::ShardEnded
    }

    /// A shard that the stream no longer lists has left its retention: nothing more can be read, and its children must
    /// not wait for ever. Anything else is a failure to report and to try again.
    async fn source_failed(&mut self, error: Error) -> Ending {
        let failure = match error.kind() {
            ErrorKind::NotFound => match self.is_listed().await {
                Ok(false) => {
                    let checkpoint = self.checkpointer.committed();
                    self.context
                        .events
                        .emit(&Event::ShardTrimmed { shard: self.shard(), checkpoint: &checkpoint });
                    return self.end(Vec::new()).await;
                }
                Ok(true) => error,
                Err(listing_error) => listing_error,
            },
            _ => error,
        };
        self.last_words().await;
        Ending::Failed(failure)
    }

    async fn is_listed(&mut self) -> Result<bool> {
        let shard = self.shard().clone();
        let shards = list_all_shards(&*self.context.ports.kinesis, &shard.stream).await?;
        Ok(shards.iter().any(|listed| listed.shard_id == shard.shard_id))
    }

    fn report_stopping(&self) {
        self.context.events.emit(&Event::ShardStopping { shard: self.shard() });
    }

    fn plants(&self, fault: PlantedFault) -> bool {
        self.context.settings.plants(fault)
    }

    fn shard(&self) -> &ShardKey {
        self.lease.shard()
    }
}
