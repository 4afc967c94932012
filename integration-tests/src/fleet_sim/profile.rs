use std::time::Duration;

use super::handling::Handling;
use super::operation::Operation::{
    self, Crash, CutStream, CutTable, Freeze, Merge, Pin, Put, RemoveRow, Split, Start, Stop, Trim, Unpin,
};
use super::poison::Poison;

/// The numbers of a [class](super::Class).
#[derive(Debug, Clone)]
pub(super) struct Profile {
    /// The operations, each with its share.
    pub(super) operations: &'static [(Operation, u32)],
    /// The mean time between two operations.
    pub(super) operation_interval: Duration,
    /// Latency and faults.
    pub(super) weather: Weather,
    /// By how much clocks differ from the world's, as a share.
    pub(super) skew: f64,
    /// The fewest workers that operations leave running.
    pub(super) workers_min: usize,
    /// Whether a worker that a crash took may come back under its old id.
    pub(super) reuses_ids: bool,
    /// The failover time is drawn from these seconds.
    pub(super) failover_secs: (u64, u64),
    /// The grace period at shutdown.
    pub(super) grace: Duration,
    /// How long an owner has to hand over.
    pub(super) hand_over_timeout: Duration,
    /// How processors handle records.
    pub(super) handling: Handling,
    /// How many of a hundred puts are of aggregates.
    pub(super) aggregate_percent: u32,
    /// Whether owners may be too slow to hand over in that time, so that leases are taken from live ones.
    pub(super) excuses_steals: bool,
}

/// What lies between a process and its services.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// The most that a message takes, one way.
    pub(super) latency_max_ms: u64,
    /// The most that the answer of the table takes on top of that.
    pub(super) answer_delay_max_ms: u64,
    /// The most that a row of an eventual scan is old.
    pub(super) staleness_max_ms: u64,
    /// How many of a thousand calls of the table fail.
    pub(super) table_permille: u32,
    /// How many of a thousand calls of the stream fail.
    pub(super) stream_permille: u32,
    /// How many of a thousand updates arrive after their sender has given up.
    pub(super) late_write_permille: u32,
    /// How late these are at most: less than the shortest failover time, since a worker takes its own name in a row that
    /// moves later for another process.
    pub(super) late_write_max_ms: u64,
    /// How many of a thousand batches the processor fails on.
    pub(super) processor_permille: u32,
    /// Records that the processor never takes.
    pub(super) poison: Poison,
    /// How many of a thousand batches the processor does not return from.
    pub(super) hang_permille: u32,
    /// How many of a thousand sends the on-failure destination fails on, or does not return from.
    pub(super) destination_permille: u32,
    /// How many of a thousand batches take long.
    pub(super) slow_batch_permille: u32,
    /// How long these take at most.
    pub(super) slow_batch_max_ms: u64,
}

/// Latency of a healthy network, scans that are a moment old, and nothing that fails.
const FAIR: Weather = Weather {
    latency_max_ms: 15,
    answer_delay_max_ms: 0,
    staleness_max_ms: 1_000,
    table_permille: 0,
    stream_permille: 0,
    late_write_permille: 0,
    late_write_max_ms: 0,
    processor_permille: 0,
    poison: Poison::NONE,
    hang_permille: 0,
    destination_permille: 0,
    slow_batch_permille: 0,
    slow_batch_max_ms: 0,
};

const FOUL: Weather = Weather {
    latency_max_ms: 80,
    table_permille: 40,
    stream_permille: 40,
    late_write_permille: 10,
    late_write_max_ms: 2_500,
    processor_permille: 30,
    slow_batch_permille: 20,
    slow_batch_max_ms: 12_000,
    ..FAIR
};

/// A fleet that comes and goes, on a stream that splits and merges.
pub(super) const CALM: Profile = Profile {
    operations: &[(Put, 60), (Start, 10), (Stop, 10), (Split, 4), (Merge, 4)],
    operation_interval: Duration::from_millis(1_000),
    weather: FAIR,
    skew: 0.0,
    workers_min: 1,
    reuses_ids: false,
    failover_secs: (3, 10),
    grace: Duration::from_secs(30),
    hand_over_timeout: Duration::from_secs(30),
    handling: Handling::Batches,
    aggregate_percent: 0,
    excuses_steals: false,
};

pub(super) const RESTARTS: Profile = Profile {
    operations: &[(Put, 120), (Start, 4), (Stop, 3)],
    weather: Weather { staleness_max_ms: 100, ..FAIR },
    ..CALM
};

/// At the default failover time: what a crash costs is measured here, and a scan that is a second old is a third of the
/// shortest one.
pub(super) const CRASHES: Profile =
    Profile { operations: &[(Put, 120), (Start, 4), (Crash, 3)], failover_secs: (10, 10), ..CALM };
pub(super) const ROUGH: Profile = Profile {
    operations: &[
        (Put, 60),
        (Start, 10),
        (Stop, 5),
        (Crash, 5),
        (Freeze, 3),
        (CutTable, 3),
        (CutStream, 3),
        (Split, 3),
        (Merge, 3),
        (Trim, 2),
    ],
    weather: FOUL,
    skew: 0.05,
    reuses_ids: true,
    grace: Duration::from_secs(5),
    hand_over_timeout: Duration::from_secs(8),
    excuses_steals: true,
    ..CALM
};

pub(super) const PARTITIONS: Profile = Profile {
    operations: &[(Put, 60), (Start, 5), (Stop, 3), (CutTable, 8), (CutStream, 4)],
    weather: Weather { table_permille: 10, late_write_permille: 5, ..FOUL },
    excuses_steals: true,
    ..CALM
};

pub(super) const FREEZES: Profile =
    Profile { operations: &[(Put, 60), (Start, 5), (Stop, 3), (Freeze, 10)], excuses_steals: true, ..CALM };

pub(super) const SKEW: Profile = Profile {
    operations: &[(Put, 60), (Start, 5), (Stop, 2), (CutTable, 8)],
    weather: Weather { answer_delay_max_ms: 900, slow_batch_permille: 200, slow_batch_max_ms: 4_000, ..FAIR },
    // A write is given up after an eighth of it.
    failover_secs: (8, 10),
    skew: 0.05,
    excuses_steals: true,
    ..CALM
};

pub(super) const RESHARDS: Profile = Profile {
    operations: &[(Put, 40), (Start, 3), (Stop, 2), (Crash, 2), (Split, 12), (Merge, 12), (Trim, 6)],
    weather: Weather { table_permille: 10, ..FAIR },
    excuses_steals: true,
    ..CALM
};

pub(super) const OUTAGES: Profile = Profile {
    operations: &[
        (Put, 40),
        (Start, 8),
        (Stop, 8),
        (Crash, 6),
        (Split, 6),
        (Merge, 6),
        (Trim, 3),
        (RemoveRow, 4),
    ],
    workers_min: 0,
    reuses_ids: true,
    ..CALM
};

pub(super) const LATEST: Profile =
    Profile { operations: &[(Put, 60), (Start, 6), (Stop, 3), (Crash, 3), (Split, 6), (Merge, 6)], ..CALM };

pub(super) const FAN_OUT: Profile = Profile {
    operations: &[
        (Put, 60),
        (Start, 6),
        (Stop, 3),
        (Crash, 3),
        (Freeze, 1),
        (CutStream, 4),
        (Split, 4),
        (Merge, 4),
        (Trim, 2),
    ],
    weather: Weather { stream_permille: 20, slow_batch_permille: 20, slow_batch_max_ms: 12_000, ..FAIR },
    hand_over_timeout: Duration::from_secs(8),
    excuses_steals: true,
    ..CALM
};

/// Processors that fail, panic and hang, records that are never taken, and a destination that fails and hangs.
pub(super) const FAILURES: Profile = Profile {
    operations: &[(Put, 60), (Start, 6), (Stop, 3), (Crash, 2), (Split, 3), (Merge, 3)],
    weather: Weather {
        processor_permille: 60,
        poison: Poison { permille: 30, is_lasting: false },
        hang_permille: 5,
        destination_permille: 500,
        slow_batch_permille: 20,
        slow_batch_max_ms: 4_000,
        ..FAIR
    },
    ..CALM
};

/// Lanes, and processors that prepare what they commit, on a stream of aggregates and others, with trouble of all kinds.
pub(super) const LANES: Profile = Profile {
    operations: &[
        (Put, 60),
        (Start, 6),
        (Stop, 3),
        (Crash, 3),
        (Freeze, 1),
        (CutTable, 1),
        (Split, 3),
        (Merge, 3),
    ],
    weather: Weather {
        table_permille: 10,
        late_write_permille: 5,
        late_write_max_ms: 2_500,
        processor_permille: 20,
        poison: Poison { permille: 10, is_lasting: false },
        hang_permille: 1,
        destination_permille: 300,
        slow_batch_permille: 30,
        slow_batch_max_ms: 4_000,
        ..FAIR
    },
    aggregate_percent: 30,
    excuses_steals: true,
    ..CALM
};

/// An operator pins and unpins, beside all that moves leases anyway.
pub(super) const PINS: Profile = Profile {
    operations: &[
        (Put, 60),
        (Pin, 16),
        (Unpin, 8),
        (Start, 8),
        (Stop, 5),
        (Crash, 2),
        (Split, 3),
        (Merge, 3),
    ],
    weather: Weather { table_permille: 10, ..FAIR },
    reuses_ids: true,
    excuses_steals: true,
    ..CALM
};

pub(super) const BIG: Profile = Profile {
    operations: &[(Put, 60), (Start, 6), (Stop, 4), (Crash, 2), (Split, 2), (Merge, 2)],
    failover_secs: (10, 10),
    ..CALM
};
