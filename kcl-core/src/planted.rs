//! Mistakes that can be made in the protocol on purpose, so that tests can show that they would be noticed.
//!
//! Only with the feature `planted-faults`, which no program should ever turn on. Without it nothing can be planted, and
//! every check is the constant `false`.

/// A mistake in the protocol, or in delivery. The numbers are those of the invariants on [`lease`](crate::lease); `D1` to `D4`
/// are those of the fleet simulator.
#[cfg_attr(
    not(feature = "planted-faults"),
    expect(unreachable_pub, dead_code, reason = "only what is planted by name needs all of it")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PlantedFault {
    /// L1: the table applies an update whatever the row is.
    UpdatesUnconditional,
    /// L1: a request raises the counter, and so stands in the owner's way.
    RequestsMoveRows,
    /// L1: a pin raises the counter, and so stands in the owner's way.
    PinsMoveRows,
    /// L2: a rival's lease is taken as expired after half the failover time.
    ExpiryTooEarly,
    /// L2: a lease whose owner was asked is taken from it at once.
    HandOverNotAwaited,
    /// L3: the owner's time counts from the answer to its last write.
    DeadlineFromAnswer,
    /// L3: an owner that cannot write goes on for ever.
    DeadlineMissing,
    /// L4: a renewal waits for no other write to the row.
    RenewalsOverlap,
    /// L5: a write whose answer was lost is taken for somebody else's.
    OwnWritesUnknown,
    /// L5: an earlier write of another kind is taken for the one just made.
    OwnWritesConfused,
    /// L6: with the lease goes the position at which its owner began.
    CheckpointsMoveBack,
    /// L7: rows are made without their parents, so children do not wait.
    ParentsForgotten,
    /// L7, step 7: finished rows are deleted while the stream lists their shards.
    RowsDeletedEarly,
    /// L8: the lease goes to the asker while a batch is being processed.
    HandOverBeforeDrain,
    /// L8: what was processed last is not committed when the lease goes.
    LeaveWithoutCommit,
    /// Step 2: an owner starts at the trim horizon, whatever the row says.
    CheckpointsIgnored,
    /// Step 1: rows are made only in an empty table, so children and removed rows have none.
    RowsNotMade,
    /// Step 1: the children of a shard start where the settings say instead of at their beginning.
    ChildrenAtInitialPosition,
    /// Step 4: a batch is committed before it is processed.
    CommitBeforeProcessing,
    /// Step 6: the end of a shard is committed before its last batch is processed.
    EndBeforeLastBatch,
    /// Step 5: a worker that stops leaves its leases to expire.
    StopWithoutRelease,
    /// Step 8: a worker that stops leaves its requests in the rows.
    RequestsNotWithdrawn,
    /// Step 9: owners do not listen to requests.
    RequestsNotAnswered,
    /// A worker that has its share asks for one lease more, so that shares never settle.
    ShareNeverEnough,
    /// U9: a worker asks for a lease that is pinned to its owner.
    PinnedLeasesAskedFor,
    /// A worker does not ask for what is pinned to it.
    PinsIgnored,
    /// D1: records are given up after their first failure, whatever the policy says.
    GivenUpAtOnce,
    /// D2: nobody says that a shard is blocked.
    BlockedInSilence,
    /// What a processor fails on counts as processed, as in the Java KCL.
    SkipOnHandlerError,
    /// With the records before the one that failed, that one is committed, too.
    CommitPastFailure,
    /// What the on-failure destination does not take counts as taken.
    DestinationFailureDropped,
    /// D3: each record has a lane of its own, whatever its key.
    KeyOrderBroken,
    /// D3: what a lane has finished is committed, whatever is unfinished before it.
    WatermarkPassesUnfinished,
    /// D4: an owner is not told what was prepared.
    PendingStateLost,
}

#[cfg(feature = "planted-faults")]
impl PlantedFault {
    /// All of them.
    pub const ALL: [Self; 34] = [
        Self::UpdatesUnconditional,
        Self::RequestsMoveRows,
        Self::PinsMoveRows,
        Self::ExpiryTooEarly,
        Self::HandOverNotAwaited,
        Self::DeadlineFromAnswer,
        Self::DeadlineMissing,
        Self::RenewalsOverlap,
        Self::OwnWritesUnknown,
        Self::OwnWritesConfused,
        Self::CheckpointsMoveBack,
        Self::ParentsForgotten,
        Self::RowsDeletedEarly,
        Self::HandOverBeforeDrain,
        Self::LeaveWithoutCommit,
        Self::CheckpointsIgnored,
        Self::RowsNotMade,
        Self::ChildrenAtInitialPosition,
        Self::CommitBeforeProcessing,
        Self::EndBeforeLastBatch,
        Self::StopWithoutRelease,
        Self::RequestsNotWithdrawn,
        Self::RequestsNotAnswered,
        Self::ShareNeverEnough,
        Self::PinnedLeasesAskedFor,
        Self::PinsIgnored,
        Self::GivenUpAtOnce,
        Self::BlockedInSilence,
        Self::SkipOnHandlerError,
        Self::CommitPastFailure,
        Self::DestinationFailureDropped,
        Self::KeyOrderBroken,
        Self::WatermarkPassesUnfinished,
        Self::PendingStateLost,
    ];
}

/// What is planted in one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Planted {
    #[cfg(feature = "planted-faults")]
    pub(crate) fault: Option<PlantedFault>,
}

impl Planted {
    /// True if this very mistake is to be made.
    #[cfg(feature = "planted-faults")]
    pub(crate) fn has(self, fault: PlantedFault) -> bool {
        self.fault == Some(fault)
    }

    /// Nothing can be planted.
    #[cfg(not(feature = "planted-faults"))]
    #[expect(clippy::unused_self, reason = "the form that it has with the feature")]
    pub(crate) const fn has(self, _: PlantedFault) -> bool {
        false
    }
}
