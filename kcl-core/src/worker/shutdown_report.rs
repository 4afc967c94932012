use std::collections::BTreeMap;

use crate::model::{ShardKey, WorkerId};

/// What became of the shards that a worker held when it began to stop.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShutdownReport {
    /// Each of them.
    pub shards: BTreeMap<ShardKey, ShardOutcome>,
}

/// How a worker left a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShardOutcome {
    /// Its processor finished the batch in hand, what is processed is committed, and anybody may take it at once. With
    /// commits by hand, what the processor did not commit comes again.
    Released,
    /// So it did, and the worker that asked for it has it.
    HandedOver {
        /// That worker.
        to: WorkerId,
    },
    /// It is processed to its end.
    Ended,
    /// Its processor did not finish within the grace period, or a call of it not within its
    /// [deadline](crate::processor::CallDeadlines), and was dropped. The lease was given back if the table took that; what was
    /// not committed comes again.
    Forced,
    /// The lease could not be given back: another worker takes it once it has expired, and begins after the last commit.
    LeftToExpire,
    /// The lease was another worker's by then.
    LeaseLost,
}

impl ShardOutcome {
    /// The same, of a processor that did not finish what it had in hand.
    pub(super) fn without_goodbye(self) -> Self {
        match self {
            Self::Released | Self::HandedOver { .. } => Self::Forced,
            outcome => outcome,
        }
    }
}

impl ShutdownReport {
    /// True if nothing has to expire and nobody was interrupted: the next owners go on at once, where this worker stopped.
    pub fn is_clean(&self) -> bool {
        self.shards.values().all(|outcome| {
            matches!(outcome, ShardOutcome::Released | ShardOutcome::HandedOver { .. } | ShardOutcome::Ended)
        })
    }
}
