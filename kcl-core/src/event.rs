//! The closed list of facts that a worker reports, each at the point where it becomes true.
//!
//! Logs, metrics, the demo's view and the tests' oracles all read these, so none can tell a story of its own. An
//! event never changes what the worker does.

mod block_reason;
mod count;
mod describe;
mod log;
mod sink;

use std::time::Duration;

pub use block_reason::BlockReason;
pub use describe::describe_metrics;
pub use sink::EventSink;
pub(crate) use sink::Events;

use crate::aggregation::Malformation;
use crate::error::Error;
use crate::lease::LeaseLoss;
use crate::model::{Checkpoint, ConsumerArn, RecordPosition, ShardId, ShardKey, WorkerId};
use crate::processor::FailureCondition;

/// Something that happened in a worker.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The worker is ready and begins to look for leases.
    WorkerStarted,
    /// The worker takes no more leases, and gives back those it has.
    WorkerStopping,
    /// The worker has stopped: every lease is released or left to expire.
    WorkerStopped,
    /// The worker has read the whole lease table.
    TableScanned {
        /// The rows of the stream's shards, those processed to their end included.
        leases: usize,
        /// The leases that this worker holds.
        held: usize,
        /// The leases of shards that are not processed to their end, and that no live worker owns.
        free: usize,
        /// The workers that own leases and renew them.
        workers: usize,
        /// How long the scan took.
        elapsed: Duration,
        /// The time from the beginning of one scan to that of the next.
        interval: Duration,
    },
    /// A row was created for a shard that had none.
    LeaseCreated {
        /// The shard.
        shard: &'a ShardKey,
        /// Where its first owner will start.
        checkpoint: &'a Checkpoint,
    },
    /// This worker owns the shard from here on.
    LeaseTaken {
        /// The shard.
        shard: &'a ShardKey,
        /// Who owned it before, if anybody.
        from: Option<&'a WorkerId>,
        /// How far it is processed.
        checkpoint: &'a Checkpoint,
    },
    /// This worker no longer owns the shard, without having released it.
    LeaseLost {
        /// The shard.
        shard: &'a ShardKey,
        /// How it was lost.
        loss: &'a LeaseLoss,
    },
    /// This worker gave the shard back.
    LeaseReleased {
        /// The shard.
        shard: &'a ShardKey,
    },
    /// This worker stopped processing the shard, committed, and made the worker that asked for it the owner.
    LeaseHandedOver {
        /// The shard.
        shard: &'a ShardKey,
        /// The new owner.
        to: &'a WorkerId,
    },
    /// This worker asks the owner of a lease to hand it over.
    LeaseRequested {
        /// The shard.
        shard: &'a ShardKey,
        /// The owner.
        from: &'a WorkerId,
    },
    /// This worker could not give the shard back; others may take it once the lease has expired.
    ReleaseFailed {
        /// The shard.
        shard: &'a ShardKey,
        /// Why.
        error: &'a Error,
    },
    /// The lease was renewed by a write of its own. A commit renews it, too.
    LeaseRenewed {
        /// The shard.
        shard: &'a ShardKey,
    },
    /// A renewal failed; it is tried again until the lease expires.
    RenewalFailed {
        /// The shard.
        shard: &'a ShardKey,
        /// Why.
        error: &'a Error,
    },
    /// A lease is free, but its shard follows others that are not processed to their end.
    WaitingForParents {
        /// The shard that waits.
        shard: &'a ShardKey,
        /// The shards that are not finished.
        unfinished: &'a [ShardId],
    },
    /// A lease has been free for long: all workers are at their limit of leases, or have failed to read the shard.
    LeaseUnclaimed {
        /// The shard that nobody reads.
        shard: &'a ShardKey,
    },
    /// A shard that waited for its parents, that nobody took, or whose row had ended too early, is so no longer: it is owned,
    /// finished or gone.
    StandstillOver {
        /// The shard.
        shard: &'a ShardKey,
    },
    /// The row says that the shard has ended, and the stream that it takes new records: the row is that of an earlier
    /// stream of the same name, or somebody has changed it. The shard is not read.
    ShardEndedTooEarly {
        /// The shard.
        shard: &'a ShardKey,
    },
    /// The processor is ready, and the shard is read from here on.
    ShardStarted {
        /// The shard.
        shard: &'a ShardKey,
    },
    /// Nothing more of the shard is read: its processor says its last words, at the end of the shard or before it is given
    /// away.
    ShardStopping {
        /// The shard.
        shard: &'a ShardKey,
    },
    /// Records were read, ahead of the processor.
    BatchRead {
        /// The shard.
        shard: &'a ShardKey,
        /// How many Kinesis records, before aggregates are taken apart.
        records: usize,
        /// What the shard holds of the fetch budget with them, in bytes: all that is read and not processed.
        in_flight_bytes: usize,
    },
    /// A read found nothing new, and everything read before is processed. Reported at the first such read, and again
    /// while it is behind.
    ShardIdle {
        /// The shard.
        shard: &'a ShardKey,
        /// How far the reader is behind the newest record, in milliseconds; 0 at the tip.
        millis_behind_latest: u64,
    },
    /// A read failed; it is tried again after `delay`.
    ReadFailed {
        /// The shard.
        shard: &'a ShardKey,
        /// Why.
        error: &'a Error,
        /// How many reads in a row have failed.
        failed_attempts: u32,
        /// When the next is made.
        delay: Duration,
    },
    /// A read succeeded after one or more that failed, or found the shard subscribed to by another.
    ReadRecovered {
        /// The shard.
        shard: &'a ShardKey,
    },
    /// The shard cannot be subscribed to yet, since its last owner's subscription lives for some seconds more. Subscribing is
    /// tried again after `delay`.
    SubscriptionInUse {
        /// The shard.
        shard: &'a ShardKey,
        /// How many times in a row this was so. After more than a handful, another application uses the same consumer.
        failed_attempts: u32,
        /// When subscribing is tried again.
        delay: Duration,
    },
    /// The shard could not be subscribed to for so long that it is polled for now.
    FellBackToPolling {
        /// The shard.
        shard: &'a ShardKey,
        /// Why it cannot be subscribed to.
        error: &'a Error,
    },
    /// The shard is subscribed to again, and no longer polled.
    ReturnedToFanOut {
        /// The shard.
        shard: &'a ShardKey,
    },
    /// This worker registered the application's consumer.
    ConsumerRegistered {
        /// The consumer.
        consumer: &'a ConsumerArn,
    },
    /// This worker took back the registration of the application's consumer.
    ConsumerDeregistered {
        /// The consumer.
        consumer: &'a ConsumerArn,
    },
    /// The record at the last position is no longer in the shard: retention has taken it, and perhaps records after it
    /// that were not read.
    PositionTrimmed {
        /// The shard.
        shard: &'a ShardKey,
        /// Where reading was to go on.
        position: &'a RecordPosition,
    },
    /// A record begins as an aggregate and cannot be taken apart. The settings say whether it is
    /// [delivered as it came](crate::aggregation::MalformedAggregates).
    AggregateMalformed {
        /// The shard.
        shard: &'a ShardKey,
        /// The record, the first such of the page that was read.
        position: &'a RecordPosition,
        /// What is wrong with it.
        malformation: &'a Malformation,
        /// How many records of the page are so.
        count: u64,
    },
    /// User records were left out, as the settings say, because their hash key is outside the shard's range.
    RecordsLeftOut {
        /// The shard.
        shard: &'a ShardKey,
        /// How many.
        count: u64,
    },
    /// A batch was processed: the processor returned `Ok`.
    BatchProcessed {
        /// The shard.
        shard: &'a ShardKey,
        /// How many records it had.
        records: usize,
        /// The bytes of their data.
        bytes: usize,
        /// The last of them.
        last: &'a RecordPosition,
        /// How long the call took; of lanes, from the first record's admission to the last one's end.
        elapsed: Duration,
        /// How far the reader was behind the newest record, in milliseconds.
        millis_behind_latest: u64,
    },
    /// A call of the processor failed or panicked. The same call is made again: nothing is skipped.
    ProcessorFailed {
        /// The shard.
        shard: &'a ShardKey,
        /// What the processor was asked to do: `initialize`, `process_records` and so on.
        call: &'a str,
        /// The error's or the panic's text.
        error: &'a str,
        /// How many calls in a row have failed.
        failed_attempts: u32,
        /// When the next is made; `None` if it is not made again, as `lease_lost` and `shutdown_requested`.
        delay: Option<Duration>,
    },
    /// Nothing of the shard is processed until something else changes: the policy is to block, or the on-failure
    /// destination does not take what was given up. The call is made again all the same.
    ShardBlocked {
        /// The shard.
        shard: &'a ShardKey,
        /// The record in the way, if it is one.
        position: Option<&'a RecordPosition>,
        /// What it waits for.
        reason: BlockReason,
        /// The last error.
        error: &'a str,
    },
    /// The shard is blocked no longer: it goes on, or this worker has given it up.
    ShardUnblocked {
        /// The shard.
        shard: &'a ShardKey,
        /// For how long it was.
        blocked_for: Duration,
    },
    /// Records were left out, as the failure policy says.
    RecordsSkipped {
        /// The shard.
        shard: &'a ShardKey,
        /// The first of them.
        from: &'a RecordPosition,
        /// The last of them.
        to: &'a RecordPosition,
        /// How many.
        count: u64,
        /// Why.
        condition: FailureCondition,
        /// The processor's last error; `None` if it was not tried.
        error: Option<&'a str>,
    },
    /// Records were given up, as the failure policy says, and the on-failure destination has them.
    RecordsSentToDestination {
        /// The shard.
        shard: &'a ShardKey,
        /// The first of them.
        from: &'a RecordPosition,
        /// The last of them.
        to: &'a RecordPosition,
        /// How many.
        count: u64,
        /// Why.
        condition: FailureCondition,
        /// The processor's last error; `None` if it was not tried.
        error: Option<&'a str>,
    },
    /// The on-failure destination did not take what was given up. It is sent again after `delay`.
    DestinationFailed {
        /// The shard.
        shard: &'a ShardKey,
        /// Why.
        error: &'a Error,
        /// How many times in a row this was so.
        failed_attempts: u32,
        /// When it is sent again.
        delay: Duration,
    },
    /// A call of the processor has not returned by its deadline: this worker gives the shard up.
    ProcessorOverran {
        /// The shard.
        shard: &'a ShardKey,
        /// What the processor was asked to do.
        call: &'a str,
        /// Since when.
        elapsed: Duration,
    },
    /// A call of the processor has not returned for `elapsed`. It goes on, unless it has a
    /// [deadline](crate::processor::CallDeadlines).
    ProcessorBusy {
        /// The shard.
        shard: &'a ShardKey,
        /// What the processor was asked to do.
        call: &'a str,
        /// Since when.
        elapsed: Duration,
    },
    /// A checkpoint is in the table.
    Checkpointed {
        /// The shard.
        shard: &'a ShardKey,
        /// The position.
        checkpoint: &'a Checkpoint,
    },
    /// A checkpoint could not be written; a later one will include it.
    CheckpointFailed {
        /// The shard.
        shard: &'a ShardKey,
        /// Why.
        error: &'a Error,
    },
    /// The shard is processed to its end, and its row says so.
    ShardEnded {
        /// The shard.
        shard: &'a ShardKey,
        /// The shards that follow, as far as the service named them.
        children: &'a [ShardId],
    },
    /// The stream dropped the shard before it was processed to its end: what was left in it is lost to retention.
    ShardTrimmed {
        /// The shard.
        shard: &'a ShardKey,
        /// How far it was processed.
        checkpoint: &'a Checkpoint,
    },
    /// The shard cannot be read, its processor has to [start over](crate::processor::StartOver), or its consumer panicked; its
    /// lease is given back, and this worker tries it again after `delay`.
    ShardFailed {
        /// The shard.
        shard: &'a ShardKey,
        /// Why.
        error: &'a Error,
        /// When this worker may try it again.
        delay: Duration,
    },
    /// The processor did not come to a stop within the grace period and was dropped.
    ShutdownForced {
        /// The shard.
        shard: &'a ShardKey,
    },
    /// A scan of the lease table, a comparison with the stream, or the taking of a lease failed; it is tried again.
    CoordinationFailed {
        /// Why.
        error: &'a Error,
    },
}
