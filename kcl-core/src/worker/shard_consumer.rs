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
    BatchInHand, Checkpointer, Delivered, LastResort, OnFailureDestination, ProcessorFactory, RecordBatch,
    ShardDelivery, ShardStart,
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
    /// The shard cannot be read, or its processor did not return in time.
    Failed(Error),
    /// The processor failed, and the failure policy is to stop the worker.
    StopWorker(Error),
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
    seed: u64,
}

impl ShardConsumer {
    /// Makes the shard's processor. `seed` starts the jitter of its retries.
    pub(super) fn new(context: Context, lease: Arc<HeldLease>, seed: u64) -> Self {
        let checkpointing = context.settings.checkpointing;
        let checkpointer =
            Arc::new(Checkpointer::new(Arc::clone(&lease), context.events.clone(), checkpointing));
        let processor = context.processors.create(lease.shard());
        let commits = CommitSchedule::new(processor.checkpointing(checkpointing), Instant::now());
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
        Self { context, lease, checkpointer, commits, delivery, leaving, seed }
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
            Ok(overrun) = overrun => Ending::Failed(overrun.into()),
            ending = self.consume() => ending,
        };
        drop(attendant);
        self.delivery.stop_calls(BLOCKED_AFTER).await;
        let outcome = self.settle_lease(&events).await;
        match ending {
            Ending::ShardEnded => (ending, ShardOutcome::Ended),
            _ => (ending, outcome),
        }
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
        match Box::pin(self.initialize()).await {
            Delivered::Done | Delivered::Advanced => {}
            Delivered::Stopped => return Ending::Released,
            Delivered::StopWorker(error) => return Ending::StopWorker(error),
        }
        self.context.events.emit(&Event::ShardStarted { shard: self.shard() });
        let range = self.lease.acquired().hash_key_range;
        let fetcher = self.context.retriever.fetch(self.shard(), position, range, self.seed);
        self.pump(fetcher).await
    }

    async fn initialize(&mut self) -> Delivered {
        let acquired = self.lease.acquired();
        let start = ShardStart {
            shard: acquired.shard.clone(),
            checkpoint: acquired.checkpoint.clone(),
            pending: acquired.pending.clone(),
            fencing_token: acquired.counter,
        };
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
                () = leaving.cancelled() => return Box::pin(self.stop()).await,
                error = self.delivery.go_on() => return Box::pin(self.stop_worker(error)).await,
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
        let mut page = match read.map(|read| *read) {
            Some(Ok(page)) => page,
            Some(Err(error)) => return Some(self.source_failed(error).await),
            None => {
                let error = Error::new(ErrorKind::Refused, "the reader of the shard ended by itself");
                return Some(self.source_failed(error).await);
            }
        };
        if let Some(children) = &page.shard_end
            && self.plants(PlantedFault::EndBeforeLastBatch)
        {
            return Some(self.end(children.clone()).await);
        }
        match self.deliver(&mut page).await {
            Delivered::Done | Delivered::Advanced => {}
            Delivered::Stopped => return Some(self.stop().await),
            Delivered::StopWorker(error) => return Some(self.stop_worker(error).await),
        }
        Some(self.end(page.shard_end?).await)
    }

    /// Delivers a page, batch by batch, and commits each; or into lanes, which are committed as they go on. A page of
    /// aggregates may have a great many batches, so what is left of it when the shard is to be given away is left to the
    /// next owner.
    async fn deliver(&mut self, page: &mut FetchedBatch) -> Delivered {
        if let ShardDelivery::Lanes(runner) = &mut self.delivery {
            return runner.accept(page).await;
        }
        loop {
            let batch = RecordBatch {
                shard: self.shard().clone(),
                records: page.next_records(),
                millis_behind_latest: page.millis_behind_latest,
            };
            let mut in_hand = BatchInHand::new(batch);
            let Some(last) = in_hand.last() else { return Delivered::Done };
            if self.plants(PlantedFault::CommitBeforeProcessing) {
                self.checkpointer.begin(&last.position);
                let _reported = self.checkpointer.checkpoint().await;
            }
            loop {
                if self.leaving.is_cancelled() {
                    return Delivered::Stopped;
                }
                let delivered = self.process(&mut in_hand).await;
                if matches!(delivered, Delivered::Stopped | Delivered::StopWorker(_)) {
                    return delivered;
                }
                self.commit().await;
                if matches!(delivered, Delivered::Done) {
                    break;
                }
            }
        }
    }

    /// Has the processor take some of a batch. Meanwhile, what is processed before is committed when it is due: a record may
    /// be in the way for days.
    async fn process(&mut self, in_hand: &mut BatchInHand) -> Delivered {
        let has_uncommitted = self.uncommitted().is_some();
        let Self { delivery: ShardDelivery::Batches(delivery), checkpointer, commits, .. } = self else {
            return Delivered::Done;
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
        join(processed, commits.commit_when_due(checkpointer, &is_processed)).await.0
    }

    /// Commits what is processed, if that is the framework's task and due. A failure is reported by the checkpointer; the next
    /// commit includes this one.
    async fn commit(&mut self) {
        if self.leaving.is_cancelled() && self.plants(PlantedFault::LeaveWithoutCommit) {
            return;
        }
        let now = Instant::now();
        if self.commits.is_due(now) {
            let committed = self.checkpointer.checkpoint_processed().await;
            self.commits.note(committed.is_ok(), now);
        }
    }

    /// The last words: the processor may commit. What the framework commits goes with the lease.
    async fn stop(&mut self) -> Ending {
        self.report_stopping();
        self.delivery.shutdown_requested().await;
        Ending::Released
    }

    async fn stop_worker(&mut self, error: Error) -> Ending {
        self.report_stopping();
        self.delivery.shutdown_requested().await;
        Ending::StopWorker(error)
    }

    /// Everything is processed: tells the processor, and commits the end until the table has it.
    async fn end(&mut self, children: Vec<ChildShard>) -> Ending {
        self.report_stopping();
        match self.delivery.shard_ended().await {
            Delivered::Done | Delivered::Advanced => {}
            Delivered::Stopped => return self.stop().await,
            Delivered::StopWorker(error) => return self.stop_worker(error).await,
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
                () = leaving.cancelled() => return self.stop().await,
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
        self.delivery.shutdown_requested().await;
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
