use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

use super::operation::Operation;

/// A kind of run: what happens in it, how often, and in what weather. Within a class everything follows from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Class {
    /// Workers join and leave, the stream is resharded: not one duplicate.
    Calm,
    /// Workers crash and others join; nothing else goes wrong. What a crash costs is measured here.
    Crashes,
    /// Everything at once.
    Rough,
    /// Workers lose the table or the stream, for less or more than a failover time.
    Partitions,
    /// Workers freeze, for less or more than a failover time.
    Freezes,
    /// Clocks run up to 5 % fast or slow, and the table can be out of reach.
    Skew,
    /// Splits and merges follow each other, retention takes what was read.
    Reshards,
    /// The whole fleet is down at times, while the stream is resharded, and rows are removed by hand.
    Outages,
    /// The fleet begins at the tip of the stream instead of the trim horizon.
    Latest,
    /// Many workers and shards.
    Big,
}

/// The numbers of a class.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The operations, each with its share.
    pub operations: &'static [(Operation, u32)],
    /// The mean time between two operations.
    pub operation_interval: Duration,
    /// Latency and faults.
    pub weather: Weather,
    /// By how much clocks differ from the world's, as a share.
    pub skew: f64,
    /// The fewest workers that operations leave running.
    pub workers_min: usize,
    /// Whether a worker that a crash took may come back under its old id.
    pub reuses_ids: bool,
    /// The failover time is drawn from these seconds.
    pub failover_secs: (u64, u64),
    /// The grace period at shutdown.
    pub grace: Duration,
    /// How long an owner has to hand over.
    pub hand_over_timeout: Duration,
    /// Whether owners may be too slow to hand over in that time, so that leases are taken from live ones.
    pub excuses_steals: bool,
}

/// What lies between a process and its services.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// The most that a message takes, one way.
    pub latency_max_ms: u64,
    /// The most that the answer of the table takes on top of that.
    pub answer_delay_max_ms: u64,
    /// The most that a row of an eventual scan is old.
    pub staleness_max_ms: u64,
    /// How many of a thousand calls of the table fail.
    pub table_permille: u32,
    /// How many of a thousand calls of the stream fail.
    pub stream_permille: u32,
    /// How many of a thousand updates arrive after their sender has given up.
    pub late_write_permille: u32,
    /// How late these are at most: less than the shortest failover time, since a worker takes its own name in a row that
    /// moves later for another process.
    pub late_write_max_ms: u64,
    /// How many of a thousand batches the processor fails on.
    pub processor_permille: u32,
    /// How many of a thousand batches take long.
    pub slow_batch_permille: u32,
    /// How long these take at most.
    pub slow_batch_max_ms: u64,
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

impl Class {
    /// The classes that seeds are spread over: all but the one whose runs take by far the longest.
    pub const USUAL: [Self; 9] = [
        Self::Calm,
        Self::Crashes,
        Self::Rough,
        Self::Partitions,
        Self::Freezes,
        Self::Skew,
        Self::Reshards,
        Self::Outages,
        Self::Latest,
    ];

    /// The numbers of the class.
    pub fn profile(self) -> Profile {
        use Operation::{
            Crash, CutStream, CutTable, Freeze, Merge, Put, RemoveRow, Split, Start, Stop, Trim,
        };
        let fair = Profile {
            operations: &[(Put, 60), (Start, 10), (Stop, 10), (Split, 4), (Merge, 4)],
            operation_interval: Duration::from_millis(1_000),
            weather: FAIR,
            skew: 0.0,
            workers_min: 1,
            reuses_ids: false,
            failover_secs: (3, 10),
            grace: Duration::from_secs(30),
            hand_over_timeout: Duration::from_secs(30),
            excuses_steals: false,
        };
        match self {
            Self::Calm => fair,
            Self::Crashes => Profile { operations: &[(Put, 120), (Start, 4), (Crash, 3)], ..fair },
            Self::Rough => Profile {
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
                ..fair
            },
            Self::Partitions => Profile {
                operations: &[(Put, 60), (Start, 5), (Stop, 3), (CutTable, 8), (CutStream, 4)],
                weather: Weather { table_permille: 10, late_write_permille: 5, ..FOUL },
                excuses_steals: true,
                ..fair
            },
            Self::Freezes => Profile {
                operations: &[(Put, 60), (Start, 5), (Stop, 3), (Freeze, 10)],
                excuses_steals: true,
                ..fair
            },
            Self::Skew => Profile {
                operations: &[(Put, 60), (Start, 5), (Stop, 2), (CutTable, 8)],
                weather: Weather {
                    answer_delay_max_ms: 900,
                    slow_batch_permille: 200,
                    slow_batch_max_ms: 4_000,
                    ..FAIR
                },
                // A write is given up after an eighth of it.
                failover_secs: (8, 10),
                skew: 0.05,
                excuses_steals: true,
                ..fair
            },
            Self::Reshards => Profile {
                operations: &[
                    (Put, 40),
                    (Start, 3),
                    (Stop, 2),
                    (Crash, 2),
                    (Split, 12),
                    (Merge, 12),
                    (Trim, 6),
                ],
                weather: Weather { table_permille: 10, ..FAIR },
                excuses_steals: true,
                ..fair
            },
            Self::Outages => Profile {
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
                ..fair
            },
            Self::Latest => Profile {
                operations: &[(Put, 60), (Start, 6), (Stop, 3), (Crash, 3), (Split, 6), (Merge, 6)],
                ..fair
            },
            Self::Big => Profile {
                operations: &[(Put, 60), (Start, 6), (Stop, 4), (Crash, 2), (Split, 2), (Merge, 2)],
                failover_secs: (10, 10),
                ..fair
            },
        }
    }

    /// How many workers and shards a run has unless it is told otherwise.
    pub fn size(self) -> (usize, usize) {
        match self {
            Self::Big => (50, 2_000),
            _ => (5, 20),
        }
    }

    /// How long the trouble lasts unless the run is told otherwise.
    pub fn duration(self) -> Duration {
        match self {
            Self::Big => Duration::from_mins(2),
            _ => Duration::from_mins(10),
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}
