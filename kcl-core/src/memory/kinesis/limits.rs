/// Which of the service's quotas a [`MemoryKinesis`](super::MemoryKinesis) enforces. `None` is no limit.
///
/// Default: [`service`](Self::service).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryKinesisLimits {
    /// How many bytes a second a consumer's subscription to a shard gets. The service allows 2 MiB.
    pub fan_out_bytes_per_second: Option<u64>,
}

impl MemoryKinesisLimits {
    /// What the service allows.
    pub const fn service() -> Self {
        Self { fan_out_bytes_per_second: Some(2 * MIB) }
    }

    /// No limits, for throughput tests.
    pub const fn none() -> Self {
        Self { fan_out_bytes_per_second: None }
    }
}

const MIB: u64 = 1024 * 1024;

impl Default for MemoryKinesisLimits {
    fn default() -> Self {
        Self::service()
    }
}
