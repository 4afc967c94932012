const MIB: u64 = 1024 * 1024;

/// Which of the service's quotas a [`MemoryKinesis`](super::MemoryKinesis) enforces. `None` is no limit.
///
/// A quota of a second holds for a window, which begins with the first use after the one before. What takes more than the
/// quota at once (a read of 10 MiB, a write of a large record) makes its window as long as it takes at the quota's
/// rate. Default: [`service`](Self::service). The quotas of `Describe`, `List` and `Register` calls are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryKinesisLimits {
    /// Calls of `GetRecords` a second on a shard. The service allows 5 (Kinesis quotas).
    pub reads_per_second: Option<u64>,
    /// Bytes a second that `GetRecords` returns from a shard. The service allows 2 MiB, and fails calls for 5 s after an
    /// answer of 10 MiB (`GetRecords`, Kinesis API reference).
    pub read_bytes_per_second: Option<u64>,
    /// Calls of `GetShardIterator` a second on a shard. The service allows 5 (Kinesis API reference).
    pub iterators_per_second: Option<u64>,
    /// Records a second that are put into a shard. The service allows 1,000 (Kinesis quotas).
    pub write_records_per_second: Option<u64>,
    /// Bytes a second, keys included, that are put into a shard. The service allows 1 MiB (Kinesis quotas).
    pub write_bytes_per_second: Option<u64>,
    /// Bytes a second that a registered consumer is sent from a shard. The service allows 2 MiB (Kinesis quotas).
    pub fan_out_bytes_per_second: Option<u64>,
    /// Calls of `SubscribeToShard` a second for a consumer and shard. The service allows 1 (Kinesis API reference).
    pub subscribes_per_second: Option<u64>,
    /// Consumers of a stream. The service allows 20; 50 in on-demand advantage mode (`RegisterStreamConsumer`, Kinesis
    /// API reference).
    pub consumers: Option<usize>,
    /// Consumers of a stream that are being created at the same time. The service allows 5 (`RegisterStreamConsumer`,
    /// Kinesis API reference).
    pub consumers_being_created: Option<usize>,
}

impl MemoryKinesisLimits {
    /// What the service allows.
    pub const fn service() -> Self {
        Self {
            reads_per_second: Some(5),
            read_bytes_per_second: Some(2 * MIB),
            iterators_per_second: Some(5),
            write_records_per_second: Some(1_000),
            write_bytes_per_second: Some(MIB),
            fan_out_bytes_per_second: Some(2 * MIB),
            subscribes_per_second: Some(1),
            consumers: Some(20),
            consumers_being_created: Some(5),
        }
    }

    /// What the service allows, except that writes have no limit: for tests that put in bulk and read as on the service.
    pub const fn of_reads() -> Self {
        Self { write_records_per_second: None, write_bytes_per_second: None, ..Self::service() }
    }

    /// No limits: for throughput tests.
    pub const fn none() -> Self {
        Self {
            reads_per_second: None,
            read_bytes_per_second: None,
            iterators_per_second: None,
            write_records_per_second: None,
            write_bytes_per_second: None,
            fan_out_bytes_per_second: None,
            subscribes_per_second: None,
            consumers: None,
            consumers_being_created: None,
        }
    }
}

impl Default for MemoryKinesisLimits {
    fn default() -> Self {
        Self::service()
    }
}
