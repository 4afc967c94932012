use std::time::Duration;

use async_trait::async_trait;

use super::ChildShard;
use super::fetch_budget::{Room, ShardBudget};
use crate::error::Result;
use crate::lease::Lease;
use crate::model::{Checkpoint, InitialPosition, Record, RecordPosition, Timestamp};

/// A reader that goes back to a time at which it was at the tip goes back further by this much, for clocks that disagree.
pub(super) const CLOCK_MARGIN: Duration = Duration::from_secs(10);

/// One shard as a sequence of batches, by polling or by fan-out: nothing downstream can tell which it reads from.
#[async_trait]
pub(crate) trait RecordSource: Send {
    /// The next batch. Waits until `budget` has room for it, and as long as pacing and back-off need. Survives throttling,
    /// expired iterators, lost subscriptions and passing trouble by itself; an error is one that waiting does not mend. Not to
    /// be called again after an error or the end of the shard.
    ///
    /// # To ensure correctness
    /// Every Kinesis record from the starting position on is returned exactly once, in order; the one at the position, too,
    /// since it may be an aggregate of which a part is to come. Dropping the future before it is
    /// ready loses no record: the next call returns what this one would have.
    async fn next_batch(&mut self, budget: &ShardBudget) -> Result<SourceBatch>;
}

/// What a [`RecordSource`] read. May be without records: at the tip, or before a lull in the shard.
#[derive(Debug, Default)]
pub(crate) struct SourceBatch {
    /// The records, ascending in position.
    pub(crate) records: Vec<Record>,
    /// How far the reader is behind the newest record of the shard, in milliseconds; 0 at the tip.
    pub(crate) millis_behind_latest: u64,
    /// At the end of a closed shard, after its last record, the shards that follow.
    pub(crate) shard_end: Option<Vec<ChildShard>>,
    /// What the records take of the budget, until it is dropped.
    pub(crate) room: Option<Room>,
}

/// Where a source starts to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StartPosition {
    /// The oldest record that the shard still keeps.
    TrimHorizon,
    /// The next record to arrive.
    Latest,
    /// The first record that arrived at or after this time.
    AtTimestamp(Timestamp),
    /// The first record after this one.
    After(RecordPosition),
}

impl StartPosition {
    /// Where a shard with this checkpoint goes on, or `None` if it has ended.
    ///
    /// The row of an `AT_TIMESTAMP` lease does not hold the time, so it comes from the settings. If those name another
    /// position by now, the time is unknown, and the shard is read from its beginning: too much rather than too little.
    ///
    /// Only the first owner of a `LATEST` lease starts at the tip. One that follows before anything was committed goes back
    /// to the time at which the row was made: the tip of today would skip what arrived since.
    pub(crate) fn resume(lease: &Lease, initial_position: InitialPosition) -> Option<Self> {
        let is_first_owner = lease.counter <= 1;
        Some(match &lease.checkpoint {
            Checkpoint::TrimHorizon => Self::TrimHorizon,
            Checkpoint::Latest => match lease.latest_since {
                Some(time) if !is_first_owner => Self::AtTimestamp(time.saturating_sub(CLOCK_MARGIN)),
                _ => Self::Latest,
            },
            Checkpoint::At(position) => Self::After(position.clone()),
            Checkpoint::AtTimestamp => match initial_position {
                InitialPosition::AtTimestamp(time) => Self::AtTimestamp(time),
                InitialPosition::TrimHorizon | InitialPosition::Latest => Self::TrimHorizon,
            },
            Checkpoint::ShardEnd => return None,
        })
    }
}
