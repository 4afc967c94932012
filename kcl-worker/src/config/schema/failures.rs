use std::path::PathBuf;
use std::time::Duration;

use kcl_core::processor::WhenExhausted;

use super::stream::stream;
use super::{Group, MILLIS_MAX};
use crate::config::config::FailureDestination;
use crate::config::forms;
use crate::config::key::{Choice, Key, Kind, Preset};

pub(super) static GROUP: Group = Group { title: "Failures", keys: &KEYS };

/// The longest that a stream keeps records (365 days, Kinesis Data Streams quotas).
const RECORD_AGE_MS_MAX: u64 = 365 * MILLIS_MAX;

const DESTINATION_FORM: &str = "file:DIRECTORY, sqs:QUEUE-URL, or kinesis: and a stream's name or ARN";

static WHEN_EXHAUSTED: [Choice; 4] = [
    Choice {
        word: "block",
        doc: "the call is made again all the same until it succeeds; the shard stands still, and the log and the metrics \
              say so",
        set: |config| config.worker.failure_policy.when_exhausted = WhenExhausted::Block,
    },
    Choice {
        word: "stop-worker",
        doc: "the worker stops in good order, with an error that names the record",
        set: |config| config.worker.failure_policy.when_exhausted = WhenExhausted::StopWorker,
    },
    Choice {
        word: "skip",
        doc: "the records are left out; the log and the metrics say so",
        set: |config| config.worker.failure_policy.when_exhausted = WhenExhausted::Skip,
    },
    Choice {
        word: "on-failure-destination",
        doc: "the records are sent to `on_failure_destination`",
        set: |config| config.worker.failure_policy.when_exhausted = WhenExhausted::SendToDestination,
    },
];

static KEYS: [Key; 8] = [
    Key::new(
        "maximum_retry_attempts",
        Kind::WholeOr {
            range: 0..=u32::MAX as u64,
            word: "unlimited",
            set: |config, attempts| {
                let attempts = attempts.map(|attempts| u32::try_from(attempts).unwrap_or(u32::MAX));
                config.worker.failure_policy.maximum_retry_attempts = attempts;
            },
        },
        Preset::Value("10"),
        "How often a call of the processor that failed is made again before the failure policy is exhausted.",
    ),
    Key::new(
        "maximum_record_age_ms",
        Kind::Whole {
            range: 1..=RECORD_AGE_MS_MAX,
            set: |config, millis| {
                config.worker.failure_policy.maximum_record_age = Some(Duration::from_millis(millis));
            },
        },
        Preset::Words("no limit"),
        "How long after its arrival a record that fails exhausts the policy, too. Unless the policy is to block, one that \
         is too old when its turn comes is given up without a try.",
    ),
    Key::new(
        "bisect_batch_on_error",
        Kind::Switch { set: |config, bisect| config.worker.failure_policy.bisect_batch_on_error = bisect },
        Preset::Value("false"),
        "Cut a batch that fails in two, again and again, until the record that fails is alone.",
    ),
    Key::new(
        "when_exhausted",
        Kind::Choice(&WHEN_EXHAUSTED),
        Preset::Value("block"),
        "What becomes of records on which the processor has failed that often.",
    ),
    Key::new(
        "on_failure_destination",
        Kind::Text {
            placeholder: "DESTINATION",
            form: DESTINATION_FORM,
            set: |config, text| {
                config.on_failure_destination = Some(destination(text)?);
                Ok(())
            },
        },
        Preset::Words("none"),
        "Where records are sent that have failed that often, with `when_exhausted` on-failure-destination. A directory \
         gets files of JSON lines that only their owner can read; they are never deleted.",
    ),
    Key::new(
        "on_failure_spill_directory",
        Kind::Text {
            placeholder: "DIRECTORY",
            form: "the path of a directory",
            set: |config, text| {
                config.on_failure_spill_directory = Some(directory(text)?);
                Ok(())
            },
        },
        Preset::Words("none: such a record blocks its shard"),
        "Where single records go that are too large for the queue or stream of `on_failure_destination`.",
    ),
    Key::new(
        "retry_delay_initial_ms",
        Kind::Whole {
            range: 1..=MILLIS_MAX,
            set: |config, millis| {
                config.worker.failure_policy.retry_delays.initial = Duration::from_millis(millis);
            },
        },
        Preset::Value("200"),
        "The delay before a call that failed is made again the first time. It grows from then on.",
    ),
    Key::new(
        "retry_delay_max_ms",
        Kind::Whole {
            range: 1..=MILLIS_MAX,
            set: |config, millis| {
                config.worker.failure_policy.retry_delays.max = Duration::from_millis(millis);
            },
        },
        Preset::Value("30000"),
        "The longest delay between two such calls.",
    ),
];

fn destination(text: &str) -> Result<FailureDestination, String> {
    match text.split_once(':') {
        Some(("file", path)) => directory(path).map(FailureDestination::Directory),
        Some(("sqs", url)) => forms::endpoint_url(url).map(FailureDestination::Queue),
        Some(("kinesis", name)) => stream(name).map(|(stream, arn)| FailureDestination::Stream(stream, arn)),
        _ => Err(format!("use {DESTINATION_FORM}")),
    }
}

fn directory(path: &str) -> Result<PathBuf, String> {
    if path.is_empty() { Err("use the path of a directory".to_owned()) } else { Ok(path.into()) }
}
