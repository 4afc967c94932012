use std::time::Duration;

use crate::model::Timestamp;

/// When an in-memory Kinesis begins: a fixed time, so that two runs of a test see the same sequence numbers.
const STARTED_AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The service's own default.
const RETENTION: Duration = Duration::from_hours(24);

/// The service's own page (`ListShards`, Kinesis API reference).
const SHARDS_PER_PAGE: usize = 1_000;

/// What a user may choose about a [`MemoryKinesis`](super::MemoryKinesis).
#[derive(Debug, Clone)]
pub struct MemoryKinesisSettings {
    /// The wall-clock time at its creation; from there it follows its clock, by default Tokio's. Default: a fixed time in 2023.
    pub started_at: Timestamp,
    /// How long records are kept. Default: 24 hours, as the service.
    pub retention: Duration,
    /// How many shards one page of a listing holds; 0 counts as 1. Default: 1,000, as the service.
    pub shards_per_page: usize,
}

impl Default for MemoryKinesisSettings {
    fn default() -> Self {
        Self { started_at: STARTED_AT, retention: RETENTION, shards_per_page: SHARDS_PER_PAGE }
    }
}
