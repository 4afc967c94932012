//! What is explored: how many workers and shards, how many faults, and which mistake is planted.

/// One exploration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Config {
    pub(super) workers: usize,
    pub(super) shards: usize,
    /// The second shard follows the first.
    pub(super) is_family: bool,
    /// Rows with a higher counter are not explored.
    pub(super) counter_max: u8,
    pub(super) faults: Faults,
    pub(super) planted: Planted,
}

/// How often each fault may still happen, in a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Faults {
    /// A write whose answer is lost. It may arrive at once, later, or never.
    pub(super) lost_answers: u8,
    /// A worker forgets everything, and another starts in its place.
    pub(super) crashes: u8,
    /// A worker sleeps through its deadline and goes on as if nothing had been.
    pub(super) pauses: u8,
    /// A worker cannot reach the table until its deadline, and stops consuming.
    pub(super) lapses: u8,
    /// A scan shows a row as it was one write ago.
    pub(super) stale_reads: u8,
    /// A worker waits for no hand-over any longer: it steals the lease, or writes over another's request.
    pub(super) impatience: u8,
    /// Somebody deletes a row, and it is made again.
    pub(super) deletions: u8,
}

/// A mistake in the protocol, made on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planted {
    Nothing,
    /// A write applies whatever the counter is.
    NoCounterCondition,
    /// A write applies whoever the owner is.
    NoOwnerCondition,
    /// A request raises the counter.
    RequestRaisesCounter,
    /// A row that stands in the way is somebody else's, also after a lost answer.
    NoDoubtRecognition,
    /// After a lost answer any row that stands in the way is one's own.
    DoubtTrustsAnyRow,
    /// After a lost answer a hand-over is done if the asker is the owner, whatever the row has for a checkpoint.
    DoubtIgnoresCheckpoint,
    /// The owner hands over while it processes.
    HandOverBeforeDrain,
    /// The hand-over does not store the last position.
    HandOverWithoutCommit,
    /// An owner that has drained goes on when the request is withdrawn.
    ResumeAfterWithdrawal,
    /// An owner that has drained keeps the lease when the request is withdrawn.
    NoReleaseAfterWithdrawal,
    /// After a lost answer a take is done if the row is what it would have left.
    TakeTrustsLookalike,
    /// The asker starts as soon as the row names it.
    TakeUpWithoutWrite,
    /// The owner commits the next record while it processes it.
    CommitAhead,
    /// The owner commits a position below the one in the row.
    CommitBehind,
    /// The owner gives the lease back before it has committed.
    ReleaseWithoutCommit,
    /// An owner believes in its lease for ever.
    NoDeadline,
    /// An observer's clock runs on when it sees the row move.
    ExpiryIgnoresRenewals,
    /// No lease expires.
    NoExpiry,
    /// A child starts whatever its parent's row says.
    ChildBeforeParent,
}
