use std::time::Duration;

use kcl_core::stream::GET_RECORDS_MAX;

use super::{Group, MILLIS_MAX};
use crate::config::config::CheckpointingChoice;
use crate::config::key::{Choice, Key, Kind, Preset};

pub(super) static GROUP: Group = Group { title: "Processing", keys: &KEYS };

/// Each interval costs a write; a hundred times a second is more than any use.
const INTERVAL_MS_MIN: u64 = 10;

static CHECKPOINTING: [Choice; 2] = [
    Choice {
        word: "automatic",
        doc: "the worker commits what the processor has taken",
        set: |config| config.checkpointing = Some(CheckpointingChoice::Automatic),
    },
    Choice {
        word: "manual",
        doc: "the processor commits",
        set: |config| config.checkpointing = Some(CheckpointingChoice::Manual),
    },
];

static KEYS: [Key; 10] = [
    Key::new(
        "records_per_batch_max",
        Kind::Whole {
            range: 1..=GET_RECORDS_MAX as u64,
            set: |config, records| {
                config.worker.records_per_batch_max = usize::try_from(records).unwrap_or(usize::MAX);
            },
        },
        Preset::Words("10000; 1000 with `processor` exec"),
        "The most records that the processor gets at once. Reads are no smaller for it. Where the worker commits after each \
         batch, smaller ones mean more writes to the lease table.",
    ),
    Key::new(
        "checkpointing",
        Kind::Choice(&CHECKPOINTING),
        Preset::Words("automatic; manual with `processor` exec"),
        "Who commits the position that is processed.",
    ),
    Key::new(
        "checkpoint_interval_ms",
        Kind::Whole {
            range: INTERVAL_MS_MIN..=MILLIS_MAX,
            set: |config, millis| config.checkpoint_interval = Some(Duration::from_millis(millis)),
        },
        Preset::Words("after each batch"),
        "Commit what is processed at most this often, instead of after each batch. Fewer writes to the lease table, and a \
         crash repeats what was processed in so long. Above half the failover time it saves next to nothing.",
    ),
    Key::new(
        "report_after_ms",
        Kind::Whole {
            range: 1..=MILLIS_MAX,
            set: |config, millis| config.worker.call_deadlines.report_after = Duration::from_millis(millis),
        },
        Preset::Value("30000"),
        "After this long, and again each time it has passed once more, the log says that a call of the processor has not \
         returned.",
    ),
    Key::new(
        "initialize_timeout_ms",
        Kind::Whole {
            range: 1..=MILLIS_MAX,
            set: |config, millis| {
                config.worker.call_deadlines.initialize = Some(Duration::from_millis(millis));
            },
        },
        Preset::Words("no limit"),
        "How long the processor may take to begin a shard.",
    ),
    Key::new(
        "process_records_timeout_ms",
        Kind::Whole {
            range: 1..=MILLIS_MAX,
            set: |config, millis| {
                config.worker.call_deadlines.process_records = Some(Duration::from_millis(millis));
            },
        },
        Preset::Words("no limit"),
        "How long the processor may take for a batch.",
    ),
    Key::new(
        "shard_ended_timeout_ms",
        Kind::Whole {
            range: 1..=MILLIS_MAX,
            set: |config, millis| {
                config.worker.call_deadlines.shard_ended = Some(Duration::from_millis(millis));
            },
        },
        Preset::Words("no limit"),
        "How long the processor may take for the end of a shard.",
    ),
    Key::new(
        "shutdown_requested_timeout_ms",
        Kind::Whole {
            range: 1..=MILLIS_MAX,
            set: |config, millis| {
                config.worker.call_deadlines.shutdown_requested = Some(Duration::from_millis(millis));
            },
        },
        Preset::Words("no limit but `shutdown_grace_ms`"),
        "How long the processor may take to finish when it is asked to stop.",
    ),
    Key::new(
        "lease_lost_timeout_ms",
        Kind::Whole {
            range: 1..=MILLIS_MAX,
            set: |config, millis| config.worker.call_deadlines.lease_lost = Duration::from_millis(millis),
        },
        Preset::Value("30000"),
        "How long the processor may take to clean up after a shard that another worker has.",
    ),
    Key::new(
        "shutdown_grace_ms",
        Kind::Whole {
            range: 0..=MILLIS_MAX,
            set: |config, millis| config.worker.shutdown_grace = Duration::from_millis(millis),
        },
        Preset::Value("30000"),
        "How long a shutdown waits for the batches in hand.",
    ),
];
