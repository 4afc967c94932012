use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::lease_keeper::keep;
use super::worker::Ports;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::lease::HeldLease;
use crate::model::{ShardId, ShardKey};
use crate::processor::{Checkpointer, Delivered, Delivery, ProcessorFactory, RecordBatch, ShardStart};
use crate::retry::{Retry, RetryDelays};
use crate::settings::{Checkpointing, WorkerSettings};
use crate::stream::{ChildShard, PollingSource, RecordSource, SourceBatch, StartPosition, list_all_shards};

/// The end of a shard must be committed, and a lease released, before anybody can go on: soon, then patiently.
const COMMIT_RETRY_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_millis(100), max: Duration::from_secs(5) };

/// How a consumer came to its end. The lease is released, except when it is lost.
#[derive(Debug)]
pub(super) enum Ending {
    /// The shard is processed to its end, and the row says so.
    ShardEnded,
    /// The lease was given back because the worker is stopping.
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
    pub(super) events: Events,
    pub(super) stopping: CancellationToken,
}

/// Consumes one shard under one lease: reads, delivers, commits, from the lease's checkpoint to whatever ends it.
pub(super) struct ShardConsumer {
    context: Context,
    lease: Arc<HeldLease>,
    checkpointer: Arc<Checkpointer>,
    delivery: Delivery,
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
        let stopping = context.stopping.clone();
        let delivery = Delivery::new(shard, processor, Arc::clone(&checkpointer), events, retry, stopping);
        Self { context, lease, checkpointer, delivery, seed }
    }

    /// Runs until the shard ends, the worker stops, or the lease is lost. Losing the lease does not wait for the
    /// processor: its running call is dropped.
    pub(super) async fn run(mut self) -> Ending {
        let lease = Arc::clone(&self.lease);
        let events = self.context.events.clone();
        let failover_time = self.context.settings.failover_time;
        let ending = select! {
            biased;
            () = keep(&lease, failover_time, &events, self.seed) => Ending::LeaseLost,
            ending = self.consume() => ending,
        };
        if let Some(loss) = lease.loss() {
            events.emit(&Event::LeaseLost { shard: lease.shard(), loss });
            self.delivery.lease_lost(self.context.settings.shutdown_grace).await;
        } else {
            release(&lease, &events, self.seed).await;
        }
        ending
    }

    async fn consume(&mut self) -> Ending {
        let acquired = self.lease.acquired();
        let initial_position = self.context.settings.initial_position;
        let Some(position) = StartPosition::resume(&acquired.checkpoint, initial_position) else {
            return Ending::ShardEnded;
        };
        let start = ShardStart {
            shard: self.shard().clone(),
            checkpoint: acquired.checkpoint.clone(),
            fencing_token: acquired.counter,
        };
        let is_stopping = self.context.stopping.is_cancelled();
        if is_stopping || self.delivery.initialize(&start).await == Delivered::Stopped {
            return Ending::Released;
        }
        let mut source = PollingSource::new(
            Arc::clone(&self.context.ports.kinesis),
            self.shard().clone(),
            position,
            self.context.settings.polling,
            self.context.events.clone(),
            self.seed,
        );
        self.pump(&mut source).await
    }

    /// Moves batches from the source to the processor.
    async fn pump(&mut self, source: &mut dyn RecordSource) -> Ending {
        let stopping = self.context.stopping.clone();
        loop {
            let read = select! {
                biased;
                () = stopping.cancelled() => return self.stop().await,
                read = source.next_batch() => read,
            };
            let SourceBatch { records, millis_behind_latest, shard_end } = match read {
                Ok(batch) => batch,
                Err(error) => return self.source_failed(error).await,
            };
            let batch = RecordBatch { shard: self.shard().clone(), records, millis_behind_latest };
            if self.delivery.process(&batch).await == Delivered::Stopped {
                return self.stop().await;
            }
            if let Some(children) = shard_end {
                return self.end(children).await;
            }
            self.commit().await;
        }
    }

    /// Commits what is processed, if that is the framework's task. A failure is reported by the checkpointer; the next
    /// commit includes this one.
    async fn commit(&mut self) {
        if self.context.settings.checkpointing == Checkpointing::AfterEachBatch {
            let _reported = self.checkpointer.checkpoint().await;
        }
    }

    /// The last words: the processor may commit, and what is processed is committed until the table has it.
    async fn stop(&mut self) -> Ending {
        self.say_goodbye().await;
        Ending::Released
    }

    async fn say_goodbye(&mut self) {
        self.delivery.shutdown_requested().await;
        if self.context.settings.checkpointing == Checkpointing::AfterEachBatch {
            let mut retry = Retry::new(COMMIT_RETRY_DELAYS, self.seed);
            while self.checkpointer.checkpoint().await.is_err_and(|error| error.is_retryable()) {
                sleep(retry.next_delay()).await;
            }
        }
    }

    /// Everything is processed: tells the processor, and commits the end until the table has it.
    async fn end(&mut self, children: Vec<ChildShard>) -> Ending {
        if self.delivery.shard_ended().await == Delivered::Stopped {
            return self.stop().await;
        }
        let stopping = self.context.stopping.clone();
        let children: Vec<ShardId> = children.into_iter().map(|child| child.shard_id).collect();
        let mut retry = Retry::new(COMMIT_RETRY_DELAYS, self.seed);
        while let Err(error) = self.checkpointer.checkpoint_shard_end(children.clone()).await {
            if error.kind() == ErrorKind::LeaseLost {
                return Ending::LeaseLost;
            }
            select! {
                biased;
                () = stopping.cancelled() => return self.stop().await,
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
        self.say_goodbye().await;
        Ending::Failed(failure)
    }

    async fn is_listed(&mut self) -> Result<bool> {
        let shard = self.shard().clone();
        let shards = list_all_shards(&*self.context.ports.kinesis, &shard.stream).await?;
        Ok(shards.iter().any(|listed| listed.shard_id == shard.shard_id))
    }

    fn shard(&self) -> &ShardKey {
        self.lease.shard()
    }
}

/// Gives the lease back, again and again until the table has it or the lease has expired by itself.
pub(super) async fn release(lease: &HeldLease, events: &Events, seed: u64) {
    let shard = lease.shard();
    let mut retry = Retry::new(COMMIT_RETRY_DELAYS, seed);
    loop {
        let error = match lease.release().await {
            Ok(()) => match lease.loss() {
                None => return events.emit(&Event::LeaseReleased { shard }),
                Some(loss) => return events.emit(&Event::LeaseLost { shard, loss }),
            },
            Err(error) => error,
        };
        let delay = retry.next_delay();
        if Instant::now() + delay >= lease.deadline() {
            return events.emit(&Event::ReleaseFailed { shard, error: &error });
        }
        sleep(delay).await;
    }
}
