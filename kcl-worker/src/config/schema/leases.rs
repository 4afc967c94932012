use std::time::Duration;

use super::{Group, MILLIS_MAX};
use crate::config::key::{Key, Kind, Preset};

pub(super) static GROUP: Group = Group { title: "Leases", keys: &KEYS };

/// The library's least: below it a healthy worker's renewals cannot keep up with ordinary latencies of the table.
const FAILOVER_TIME_MS_MIN: u64 = 1_000;

/// Each interval costs a request or more; a hundred times a second is more than any use.
const INTERVAL_MS_MIN: u64 = 10;

static KEYS: [Key; 6] = [
    Key::new(
        "failover_time_ms",
        Kind::Whole {
            range: FAILOVER_TIME_MS_MIN..=MILLIS_MAX,
            set: |config, millis| config.worker.failover_time = Duration::from_millis(millis),
        },
        Preset::Value("10000"),
        "How long a lease lives without renewal: what a crash costs. The same for all workers.",
    ),
    Key::new(
        "lease_scan_interval_ms",
        Kind::Whole {
            range: INTERVAL_MS_MIN..=MILLIS_MAX,
            set: |config, millis| config.worker.lease_scan_interval = Duration::from_millis(millis),
        },
        Preset::Value("500"),
        "The shortest time between two looks at the lease table.",
    ),
    Key::new(
        "lease_read_units_per_second",
        Kind::Whole {
            range: 1..=u32::MAX as u64,
            set: |config, units| {
                config.worker.lease_read_units_per_second = u32::try_from(units).unwrap_or(u32::MAX);
            },
        },
        Preset::Value("5"),
        "What looks at the lease table may cost, in DynamoDB read units a second. A large table is looked at less often, \
         but at least once in a failover time.",
    ),
    Key::new(
        "hand_over_timeout_ms",
        Kind::Whole {
            range: 0..=MILLIS_MAX,
            set: |config, millis| config.worker.hand_over_timeout = Duration::from_millis(millis),
        },
        Preset::Value("30000"),
        "How long another worker may take to hand over a lease that it was asked for; then the lease is taken from it.",
    ),
    Key::new(
        "shard_sync_interval_ms",
        Kind::Whole {
            range: INTERVAL_MS_MIN..=MILLIS_MAX,
            set: |config, millis| config.worker.shard_sync_interval = Duration::from_millis(millis),
        },
        Preset::Value("60000"),
        "The time between two looks at the stream's shards.",
    ),
    Key::new(
        "max_leases",
        Kind::Whole {
            range: 1..=u64::MAX,
            set: |config, leases| {
                config.worker.max_leases_for_worker = usize::try_from(leases).unwrap_or(usize::MAX);
            },
        },
        Preset::Words("no limit"),
        "The most leases that this worker holds.",
    ),
];
