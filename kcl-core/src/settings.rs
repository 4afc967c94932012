//! The numbers a user tunes, with their defaults and the reasons for them. Parts that a user swaps are not here: they
//! are arguments of [`Worker::new`](crate::worker::Worker::new).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::aggregation::{MalformedAggregates, OutsideRange};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{InitialPosition, StreamId, WorkerId};
use crate::planted::{Planted, PlantedFault};
use crate::processor::{CallDeadlines, FailurePolicy};
use crate::stream::{BATCH_RECORDS_MAX, PollingSettings, Retrieval};

/// Below this a healthy worker's renewals cannot keep up with ordinary latencies of the table: a write is given up after an
/// eighth of it.
const FAILOVER_TIME_MIN: Duration = Duration::from_secs(1);

/// No duration may be longer: it would never pass in the life of a worker, and its end may not be a point in time.
const DURATION_MAX: Duration = Duration::from_hours(24);

/// With less, a single shard could not hold a few of the largest records.
const FETCH_BYTES_MIN: usize = 4 * 1024 * 1024;

/// When the framework commits positions by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Checkpointing {
    /// After each batch that the processor returned `Ok` for. The default: a crash repeats at most one batch, unless the table did
    /// not take a commit.
    #[default]
    AfterEachBatch,
    /// At most once in this time, between two batches: after a batch that the processor returned `Ok` for, or while it waits for
    /// the next. What is left is committed when the shard is handed over, given up or ended, so that only a crash, or
    /// a lease that is lost, repeats more than [`AfterEachBatch`](Self::AfterEachBatch) does: what was processed in one
    /// interval, and the batch in hand. Longer than zero, at most 24 h.
    ///
    /// A commit is one write to the shard's row, and a renewal of its lease, which otherwise costs a write in 0.5 to 0.6 of
    /// [`failover_time`](WorkerSettings::failover_time). So a busy shard costs one write for each interval as long as that is
    /// at most half the failover time, 5 s by default; a longer interval saves next to nothing.
    Every(Duration),
    /// Never: the processor calls its [`Checkpointer`](crate::processor::Checkpointer). The end of a shard is
    /// committed by the framework all the same.
    Manual,
}

/// The settings of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSettings {
    /// The stream to consume.
    pub stream: StreamId,
    /// This worker's name in the lease table.
    pub worker_id: WorkerId,
    /// Where to start in shards that nobody of this application has read. Default: the trim horizon.
    pub initial_position: InitialPosition,
    /// How long a lease lives without renewal: what a crash costs. Default 10 s, as in the Java KCL; at least 1 s.
    /// All workers of a table must use the same value.
    pub failover_time: Duration,
    /// The shortest time between two scans of the lease table, so the longest that a released or new lease waits for its
    /// next owner while the table is small. Default 500 ms.
    pub lease_scan_interval: Duration,
    /// What scans may cost, in DynamoDB read units a second: half a unit for each 4 KB, which is some eight rows. A larger
    /// table is scanned less often, but at least once in a failover time. Default 5, which a table of 40 rows needs at
    /// the default interval.
    pub lease_read_units_per_second: u32,
    /// How long an owner that was asked for a lease may take to finish its batch and hand it over; then the lease is taken
    /// from it. The same for all workers. Default 30 s, as in the Java KCL 3.
    pub hand_over_timeout: Duration,
    /// The time between two looks at the stream's shards; a shard's end brings one forward. Default 60 s.
    pub shard_sync_interval: Duration,
    /// The most leases that this worker holds. Default: no limit. The same for all workers: each takes the others to have its
    /// own, and shares that differ for this reason stay uneven. If all workers of a fleet are at their limit, the
    /// other shards are not read; the event `LeaseUnclaimed` says so.
    pub max_leases_for_worker: usize,
    /// What becomes of user records whose hash key is outside the range of the shard that their aggregate was read from.
    /// Default: they are delivered.
    pub outside_range: OutsideRange,
    /// What becomes of records that begin as an aggregate and cannot be taken apart. Default: they are delivered as they came.
    pub malformed_aggregates: MalformedAggregates,
    /// When positions are committed.
    pub checkpointing: Checkpointing,
    /// How records are read. Default: by polling.
    pub retrieval: Retrieval,
    /// How shards are polled.
    pub polling: PollingSettings,
    /// How many bytes of records all shards of this worker together may hold that have been read and not processed. One half
    /// is for whoever needs it, though no shard takes more than is left for others; the other is divided evenly, so that
    /// shards whose processors are slow keep no other from being read. Default 256 MiB; at least 4 MiB.
    pub fetch_bytes_max: usize,
    /// The most records that a processor gets in one call; reads are no smaller for it. With fewer, a crash repeats less, and
    /// [`AfterEachBatch`](Checkpointing::AfterEachBatch) writes the row more often. Not for lanes, whose handlers get one.
    /// Default and maximum 10,000, as many as a read returns; at least 1.
    pub records_per_batch_max: usize,
    /// What becomes of records on which the processor fails. Default: they are tried again until they are taken.
    pub failure_policy: FailurePolicy,
    /// How long the calls of a processor may take.
    pub call_deadlines: CallDeadlines,
    /// How long a shutdown waits for processors to finish their batch before they are dropped. Default 30 s.
    pub shutdown_grace: Duration,
    /// Where jitter starts. Default: from the worker id, so that workers differ.
    pub random_seed: u64,
    /// A mistake to make on purpose. Default: none.
    #[cfg(feature = "planted-faults")]
    pub planted: Option<PlantedFault>,
}

impl WorkerSettings {
    /// Defaults for a worker `worker_id` of `stream`.
    pub fn new(stream: StreamId, worker_id: WorkerId) -> Self {
        let mut hasher = DefaultHasher::new();
        worker_id.hash(&mut hasher);
        Self {
            stream,
            worker_id,
            initial_position: InitialPosition::default(),
            failover_time: Duration::from_secs(10),
            lease_scan_interval: Duration::from_millis(500),
            lease_read_units_per_second: 5,
            hand_over_timeout: Duration::from_secs(30),
            shard_sync_interval: Duration::from_mins(1),
            max_leases_for_worker: usize::MAX,
            outside_range: OutsideRange::default(),
            malformed_aggregates: MalformedAggregates::default(),
            checkpointing: Checkpointing::default(),
            retrieval: Retrieval::default(),
            polling: PollingSettings::default(),
            fetch_bytes_max: 256 * 1024 * 1024,
            records_per_batch_max: BATCH_RECORDS_MAX,
            failure_policy: FailurePolicy::default(),
            call_deadlines: CallDeadlines::default(),
            shutdown_grace: Duration::from_secs(30),
            random_seed: hasher.finish(),
            #[cfg(feature = "planted-faults")]
            planted: None,
        }
    }

    /// The mistake to make on purpose, if there is one.
    #[cfg(feature = "planted-faults")]
    pub(crate) fn planted(&self) -> Planted {
        Planted { fault: self.planted }
    }

    /// Nothing can be planted.
    #[cfg(not(feature = "planted-faults"))]
    #[expect(clippy::unused_self, reason = "the form that it has with the feature")]
    pub(crate) fn planted(&self) -> Planted {
        Planted::default()
    }

    /// True if this very mistake is to be made.
    pub(crate) fn plants(&self, fault: PlantedFault) -> bool {
        self.planted().has(fault)
    }

    /// Fails with [`ErrorKind::Refused`], naming the value, if a worker could not run with these settings.
    pub fn validate(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Refused, message));
        if self.failover_time < FAILOVER_TIME_MIN {
            return refuse(format!(
                "failover_time is {:?}; at least {FAILOVER_TIME_MIN:?} is needed",
                self.failover_time
            ));
        }
        if self.lease_scan_interval.is_zero() || self.shard_sync_interval.is_zero() {
            return refuse("lease_scan_interval and shard_sync_interval must be longer than zero".to_owned());
        }
        if self.checkpointing == Checkpointing::Every(Duration::ZERO) {
            return refuse("checkpointing is Every(0s); AfterEachBatch is as often as can be".to_owned());
        }
        if self.lease_read_units_per_second == 0 {
            return refuse("lease_read_units_per_second is 0; scans cost at least half a unit".to_owned());
        }
        if self.fetch_bytes_max < FETCH_BYTES_MIN {
            return refuse(format!(
                "fetch_bytes_max is {}; at least {FETCH_BYTES_MIN} are needed",
                self.fetch_bytes_max
            ));
        }
        if !(1..=BATCH_RECORDS_MAX).contains(&self.records_per_batch_max) {
            return refuse(format!(
                "records_per_batch_max is {}; it must be from 1 to {BATCH_RECORDS_MAX}",
                self.records_per_batch_max
            ));
        }
        if self.max_leases_for_worker == 0 {
            return refuse("max_leases_for_worker is 0; such a worker would do nothing".to_owned());
        }
        self.failure_policy.validate()?;
        self.call_deadlines.validate()?;
        let commit_interval = match self.checkpointing {
            Checkpointing::Every(interval) => interval,
            Checkpointing::AfterEachBatch | Checkpointing::Manual => Duration::ZERO,
        };
        let durations = [
            ("checkpointing", commit_interval),
            ("failover_time", self.failover_time),
            ("lease_scan_interval", self.lease_scan_interval),
            ("hand_over_timeout", self.hand_over_timeout),
            ("shard_sync_interval", self.shard_sync_interval),
            ("failure_policy.retry_delays.max", self.failure_policy.retry_delays.max),
            ("call_deadlines.lease_lost", self.call_deadlines.lease_lost),
            ("shutdown_grace", self.shutdown_grace),
            ("polling.idle_time_between_reads", self.polling.idle_time_between_reads),
            ("polling.tip_distance", self.polling.tip_distance),
        ];
        if let Some((name, value)) = durations.into_iter().find(|(_, value)| *value > DURATION_MAX) {
            return refuse(format!("{name} is {value:?}; at most {DURATION_MAX:?} makes sense"));
        }
        if let Retrieval::FanOut(fan_out) = &self.retrieval {
            fan_out.validate()?;
        }
        self.polling.validate()
    }
}
