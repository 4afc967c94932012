use std::time::Duration;

use kcl_core::aggregation::{MalformedAggregates, OutsideRange};
use kcl_core::stream::GET_RECORDS_MAX;

use super::{Group, MILLIS_MAX};
use crate::config::forms;
use crate::config::key::{Choice, Key, Kind, Preset};

pub(super) static GROUP: Group = Group { title: "Reading", keys: &KEYS };

/// The service allows five reads a second on a shard.
const IDLE_TIME_MS_MIN: u64 = 200;

/// A shard that has just moved may need five seconds.
const FALL_BACK_MS_MIN: u64 = 6_000;

/// With less, a single shard could not hold a few of the largest records.
const FETCH_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// The library's most: the service's five reads a second are then one in ten seconds for each.
const APPLICATIONS_MAX: u64 = 50;

static OUTSIDE_RANGE: [Choice; 3] = [
    Choice {
        word: "deliver",
        doc: "they are delivered: no other shard has them",
        set: |config| config.worker.outside_range = OutsideRange::Deliver,
    },
    Choice {
        word: "filter",
        doc: "they are left out and counted",
        set: |config| config.worker.outside_range = OutsideRange::Filter,
    },
    Choice {
        word: "filter-whole",
        doc: "the first has its whole aggregate left out, as in the Java KCL, and counted",
        set: |config| config.worker.outside_range = OutsideRange::FilterWhole,
    },
];

static MALFORMED_AGGREGATES: [Choice; 2] = [
    Choice {
        word: "deliver",
        doc: "they are delivered as they came",
        set: |config| config.worker.malformed_aggregates = MalformedAggregates::Deliver,
    },
    Choice {
        word: "fail",
        doc: "the failure policy has them as if the processor had failed on them",
        set: |config| config.worker.malformed_aggregates = MalformedAggregates::Fail,
    },
];

static KEYS: [Key; 11] = [
    Key::new(
        "idle_time_between_reads_ms",
        Kind::Whole {
            range: IDLE_TIME_MS_MIN..=MILLIS_MAX,
            set: |config, millis| {
                config.worker.polling.idle_time_between_reads = Duration::from_millis(millis);
            },
        },
        Preset::Words("1000, or 200 for each of `polling_applications` if that is more"),
        "The time between two reads of a shard that has nothing new.",
    ),
    Key::new(
        "polling_applications",
        Kind::Whole {
            range: 1..=APPLICATIONS_MAX,
            set: |config, applications| {
                config.worker.polling.applications = u32::try_from(applications).unwrap_or(u32::MAX);
            },
        },
        Preset::Value("1"),
        "How many applications poll the stream, this one included: they share what the service allows for a shard.",
    ),
    Key::new(
        "tip_distance_ms",
        Kind::Whole {
            range: 0..=MILLIS_MAX,
            set: |config, millis| config.worker.polling.tip_distance = Duration::from_millis(millis),
        },
        Preset::Value("0"),
        "A reader that is behind by no more than this waits `idle_time_between_reads_ms`, too: fewer and larger reads.",
    ),
    Key::new(
        "records_per_read_max",
        Kind::Whole {
            range: 1..=GET_RECORDS_MAX as u64,
            set: |config, records| {
                config.worker.polling.records_per_read_max = u32::try_from(records).unwrap_or(u32::MAX);
            },
        },
        Preset::Value("10000"),
        "The most records that one read asks for.",
    ),
    Key::new(
        "fan_out",
        Kind::Text {
            placeholder: "NAME-OR-ARN",
            form: "the name or the ARN of a consumer",
            set: |config, text| {
                config.fan_out = Some(forms::fan_out_consumer(text)?);
                Ok(())
            },
        },
        Preset::Words("it polls"),
        "Read by enhanced fan-out instead of polling, as the registered consumer of this name or ARN. One of a name is \
         registered if there is none, one of an ARN must be there. All workers of an application use the same, and no \
         other application does.",
    ),
    Key::new(
        "fall_back_to_polling_after_ms",
        Kind::Whole {
            range: FALL_BACK_MS_MIN..=MILLIS_MAX,
            set: |config, millis| config.fall_back_to_polling_after = Some(Duration::from_millis(millis)),
        },
        Preset::Words("it waits"),
        "With `fan_out`: poll a shard that could not be subscribed to for this long, until it can.",
    ),
    Key::new(
        "fan_out_silence_max_ms",
        Kind::Whole {
            range: FALL_BACK_MS_MIN..=MILLIS_MAX,
            set: |config, millis| config.fan_out_silence_max = Duration::from_millis(millis),
        },
        Preset::Value("30000"),
        "With `fan_out`: a subscription from which nothing comes for as long as this is replaced.",
    ),
    Key::new(
        "fan_out_deregister_at_stop",
        Kind::Switch { set: |config, deregister| config.fan_out_deregister_at_stop = deregister },
        Preset::Value("false"),
        "With `fan_out`: take back the registration when the worker stops. Only for an application of one worker: others \
         could no longer read.",
    ),
    Key::new(
        "outside_range",
        Kind::Choice(&OUTSIDE_RANGE),
        Preset::Value("deliver"),
        "What becomes of user records whose hash key is outside the range of the shard that their aggregate was read from.",
    ),
    Key::new(
        "malformed_aggregates",
        Kind::Choice(&MALFORMED_AGGREGATES),
        Preset::Value("deliver"),
        "What becomes of records that begin as an aggregate and cannot be taken apart.",
    ),
    Key::new(
        "fetch_bytes_max",
        Kind::Whole {
            range: FETCH_BYTES_MIN..=u64::MAX,
            set: |config, bytes| config.worker.fetch_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX),
        },
        Preset::Value("268435456"),
        "How many bytes of records this worker may hold that have been read and not processed.",
    ),
];
