use std::fmt;

use crate::model::{Record, ShardKey, Timestamp, WorkerId};

/// Why records were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureCondition {
    /// No retries are left.
    RetryAttemptsExhausted,
    /// The records are too old.
    RecordAgeExceeded,
}

impl fmt::Display for FailureCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Records that a failure policy has given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedBatch {
    /// The shard.
    pub shard: ShardKey,
    /// The worker.
    pub worker: WorkerId,
    /// The token.
    pub fencing_token: u64,
    /// The records.
    pub records: Vec<Record>,
    /// Why.
    pub condition: FailureCondition,
    /// How often.
    pub attempts: u32,
    /// The last error.
    pub error: Option<String>,
    /// When.
    pub first_failed_at: Option<Timestamp>,
    /// When.
    pub given_up_at: Timestamp,
}
