use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::lease_keeper::LeaseKeeper;
use super::worker::Ports;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::lease::HeldLease;
use crate::model::{Checkpoint, ShardId, ShardKey};
use crate::planted::PlantedFault;
use crate::processor::{Checkpointer, Delivered, Delivery, ProcessorFactory, RecordBatch, ShardStart};
use crate::retry::{Retry, RetryDelays};
use crate::settings::{Checkpointing, WorkerSettings};
use crate::stream::{ChildShard, FetchedBatch, Fetcher, Retriever, StartPosition, list_all_shards};

/// The end of a shard must be committed, and a lease released, before anybody can go on: soon, then patiently.
const COMMIT_RETRY_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_millis(100), max: Duration::from_secs(5) };

/// A commit that failed is made again with the next batch, or after this if none comes.
const COMMIT_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How a consumer came to its end. The lease is released, except when it is lost.
#[derive(Debug)]
pub(super) enum Ending {
    /// The shard is processed to its end, and the row says so.
    ShardEnded,
    /// The lease was given away, because the worker is stopping or another one asked for it.
    Released,
    /// The lease belongs to somebody else, or may by now.
    LeaseLost,
    /// The shard cannot be read.
    Failed(Error),
}

/// Everything a consumer needs of its worker.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) settings: Arc<WorkerSettings>,
    pub(super) ports: Ports,
    pub(super) processors: Arc<dyn ProcessorFactory>,
    pub(super) retriever: Arc<Retriever>,
    pub(super) events: Events,
    pub(super) stopping: CancellationToken,
}

/// Consumes one shard under one lease: reads, delivers, commits, from the lease's checkpoint to whatever ends it.
pub(super) struct ShardConsumer {
    context: Context,
    lease: Arc<HeldLease>,
    checkpointer: Arc<Checkpointer>,
    delivery: Delivery,
    /// Cancelled when this worker is to stop processing the shard.
    leaving: CancellationToken,
    seed: u64,
}

impl ShardConsumer {
    /// Makes the shard's processor. `seed` starts the jitter of its retries.
    pub(super) fn new(context: Context, lease: Arc<HeldLease>, seed: u64) -> Self {
        let shard = lease.shard().clone();
        let events = context.events.clone();
        let checkpointer = Arc::new(Checkpointer::new(Arc::clone(&lease), events.clone()));
        let processor = context.processors.create(&shard);
        let retry = Retry::new(context.settings.processor_retry, seed);
        let leaving = context.stopping.child_token();
        let delivery =
            Delivery::new(shard, processor, Arc::clone(&checkpointer), events, retry, leaving.clone());
        Self { context, lease, checkpointer, delivery, leaving, seed }
    }

    /// Runs until the shard ends, the worker stops, another one asks for the lease, or it is lost. Losing the lease does
    /// not wait for the processor: its running call is dropped.
    pub(super) async fn run(mut self: Box<Self>) -> Ending {
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
        let busy_calls = self.delivery.report_busy_calls();
        // A task of its own: a processor that blocks its thread neither keeps the lease from being renewed nor goes
        // unnoticed.
        let mut attendant = AbortOnDropHandle::new(tokio::spawn(async move {
            select! {
                biased;
                () = keeper.keep() => {}
                () = busy_calls => {}
            }
        }));
        let ending = select! {
            biased;
            _ended = &mut attendant => Ending::LeaseLost,
            ending = self.consume() => ending,
        };
        drop(attendant);
        if let Some(loss) = lease.loss() {
            events.emit(&Event::LeaseLost { shard: lease.shard(), loss });
            Box::pin(self.delivery.lease_lost(self.context.settings.shutdown_grace)).await;
        } else if self.leaves_nothing() {
            lease.ended().cancel();
        } else {
            let checkpoint = self.uncommitted();
            if Box::pin(leave(&lease, checkpoint.as_ref(), &events, self.seed)).await
                && let Some(checkpoint) = checkpoint
            {
                self.checkpointer.note_committed(&checkpoint);
            }
        }
        ending
    }

    fn leaves_nothing(&self) -> bool {
        self.context.stopping.is_cancelled() && self.plants(PlantedFault::StopWithoutRelease)
            || self.lease.ended().is_cancelled() && self.plants(PlantedFault::HandOverBeforeDrain)
    }

    /// What is processed, and is to be committed by the framework with its last write.
    fn uncommitted(&self) -> Option<Checkpoint> {
        if self.plants(PlantedFault::LeaveWithoutCommit) {
            return None;
        }
        match self.context.settings.checkpointing {
            Checkpointing::AfterEachBatch => self.checkpointer.uncommitted(),
            Checkpointing::Manual => None,
        }
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
        let start = ShardStart {
            shard: self.shard().clone(),
            checkpoint: acquired.checkpoint.clone(),
            fencing_token: acquired.counter,
        };
        if self.leaving.is_cancelled()
            || Box::pin(self.delivery.initialize(&start)).await == Delivered::Stopped
        {
            return Ending::Released;
        }
        let range = self.lease.acquired().hash_key_range;
        let fetcher = self.context.retriever.fetch(self.shard(), position, range, self.seed);
        self.pump(fetcher).await
    }

    /// Moves batches from the stream to the processor. What happens now and then is in boxes: a worker may hold thousands of
    /// shards in which nothing happens.
    async fn pump(&mut self, mut fetcher: Fetcher) -> Ending {
        let leaving = self.leaving.clone();
        loop {
            let read = select! {
                biased;
                () = leaving.cancelled() => return Box::pin(self.stop()).await,
                read = fetcher.next_batch() => read,
                () = sleep(COMMIT_RETRY_INTERVAL), if self.uncommitted().is_some() => {
                    Box::pin(self.commit()).await;
                    continue;
                }
            };
            // After a pause of the whole process a read may be ready before the keeper has noticed how late it is.
            if !self.lease.is_alive() {
                return Ending::LeaseLost;
            }
            let mut page = match read {
                Some(Ok(page)) => page,
                Some(Err(error)) => return Box::pin(self.source_failed(error)).await,
                None => {
                    let error = Error::new(ErrorKind::Refused, "the reader of the shard ended by itself");
                    return Box::pin(self.source_failed(error)).await;
                }
            };
            if let Some(children) = &page.shard_end
                && self.plants(PlantedFault::EndBeforeLastBatch)
            {
                return Box::pin(self.end(children.clone())).await;
            }
            if Box::pin(self.deliver(&mut page)).await == Delivered::Stopped {
                return Box::pin(self.stop()).await;
            }
            if let Some(children) = page.shard_end {
                return Box::pin(self.end(children)).await;
            }
        }
    }

    /// Delivers a page, batch by batch, and commits each. A page of aggregates may have a great many, so what is left of it when
    /// the shard is to be given away is left to the next owner.
    async fn deliver(&mut self, page: &mut FetchedBatch) -> Delivered {
        loop {
            let batch = RecordBatch {
                shard: self.shard().clone(),
                records: page.next_records(),
                millis_behind_latest: page.millis_behind_latest,
            };
            let Some(last) = batch.records.last() else { return Delivered::Done };
            if self.leaving.is_cancelled() {
                return Delivered::Stopped;
            }
            if self.plants(PlantedFault::CommitBeforeProcessing) {
                self.checkpointer.begin(&last.position);
                self.commit().await;
            }
            if self.delivery.process(&batch).await == Delivered::Stopped {
                return Delivered::Stopped;
            }
            self.commit().await;
        }
    }

    /// Commits what is processed, if that is the framework's task. A failure is reported by the checkpointer; the next
    /// commit includes this one.
    async fn commit(&mut self) {
        if self.leaving.is_cancelled() && self.plants(PlantedFault::LeaveWithoutCommit) {
            return;
        }
        if self.context.settings.checkpointing == Checkpointing::AfterEachBatch {
            let _reported = self.checkpointer.checkpoint().await;
        }
    }

    /// The last words: the processor may commit. What the framework commits goes with the lease.
    async fn stop(&mut self) -> Ending {
        self.delivery.shutdown_requested().await;
        Ending::Released
    }

    /// Everything is processed: tells the processor, and commits the end until the table has it.
    async fn end(&mut self, children: Vec<ChildShard>) -> Ending {
        if self.delivery.shard_ended().await == Delivered::Stopped {
            return self.stop().await;
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

    fn plants(&self, fault: PlantedFault) -> bool {
        self.context.settings.plants(fault)
    }

    fn shard(&self) -> &ShardKey {
        self.lease.shard()
    }
}

/// Gives the lease away, to the worker that asks for it or to whoever wants it, with `checkpoint` if there is one: again
/// and again until the table has it or the lease has expired by itself. True if the table has it.
pub(super) async fn leave(
    lease: &HeldLease,
    checkpoint: Option<&Checkpoint>,
    events: &Events,
    seed: u64,
) -> bool {
    let shard = lease.shard();
    let mut retry = Retry::new(COMMIT_RETRY_DELAYS, seed);
    loop {
        let error = match (lease.leave(checkpoint).await, lease.loss()) {
            (Ok(_), Some(loss)) => {
                events.emit(&Event::LeaseLost { shard, loss });
                return false;
            }
            (Ok(Some(to)), None) => {
                events.emit(&Event::LeaseHandedOver { shard, to: &to });
                return true;
            }
            (Ok(None), None) => {
                events.emit(&Event::LeaseReleased { shard });
                return true;
            }
            (Err(error), _) => error,
        };
        let delay = retry.next_delay();
        if Instant::now() + delay >= lease.deadline() {
            events.emit(&Event::ReleaseFailed { shard, error: &error });
            return false;
        }
        sleep(delay).await;
    }
}
