use std::ops::RangeInclusive;

use jiff::Timestamp;

use super::credentials_provider::sources;
use super::fate::{Entry, Fate, truth};
use super::keys_without_effect;
use crate::config::value::Value;

/// A day, as for times in milliseconds.
const SECONDS: RangeInclusive<u64> = 1..=24 * 60 * 60;

/// The least that the service allows, and Java raises to (`PollingConfig.java`).
const IDLE_MILLIS_MIN: u64 = 200;

/// Every property that a MultiLangDaemon has, and those that its sample files have from older versions.
pub(in crate::config) fn entries() -> impl Iterator<Item = &'static Entry> + Clone {
    HONOURED.iter().chain(&keys_without_effect::ENTRIES)
}

/// Of two that set the same, Java goes by the later here.
static HONOURED: [Entry; 39] = [
    Entry::new("executableName", Fate::Sets("exec_command")),
    Entry::new(
        "timeoutInSeconds",
        converts("exec_timeout_ms", millis_of_seconds, "in seconds there, in milliseconds here"),
    ),
    Entry::new("applicationName", Fate::Sets("application")),
    Entry::new("streamName", Fate::Sets("stream")),
    Entry::new("streamArn", converts("stream", unless_empty, "it beats `streamName`, as in Java")),
    Entry::new("tableName", Fate::Sets("table")),
    Entry::new("workerId", Fate::Sets("worker_id")),
    Entry::new("workerIdentifier", Fate::Sets("worker_id")),
    Entry::new("regionName", Fate::Sets("region")),
    Entry::new("kinesisEndpoint", Fate::Sets("kinesis_endpoint_url")),
    Entry::new("dynamoDBEndpoint", Fate::Sets("dynamodb_endpoint_url")),
    Entry::new("AwsCredentialsProvider", credentials("credentials")).with_secrets(),
    Entry::new("AwsCredentialsProviderDynamoDB", credentials("dynamodb_credentials")).with_secrets(),
    Entry::new(
        "initialPositionInStream",
        converts("initial_position", position, "`LATEST` or `TRIM_HORIZON`"),
    ),
    Entry::new(
        "initialPositionInStreamExtended",
        converts(
            "initial_position",
            position_at_seconds,
            "seconds since 1970; it beats `initialPositionInStream`",
        ),
    ),
    Entry::new("failoverTimeMillis", Fate::SetsUnlessZero("failover_time_ms")),
    Entry::new("shardSyncIntervalMillis", Fate::SetsUnlessZero("shard_sync_interval_ms")),
    Entry::new("maxLeasesForWorker", Fate::SetsUnlessZero("max_leases")),
    Entry::new("gracefulLeaseHandoffTimeoutMillis", Fate::Sets("hand_over_timeout_ms")),
    Entry::new(
        "isGracefulLeaseHandoffEnabled",
        converts("hand_over_timeout_ms", hand_over, "`false` sets 0: leases are taken and not asked for"),
    ),
    Entry::new("shutdownGraceMillis", Fate::SetsUnlessZero("shutdown_grace_ms")),
    Entry::new("taskBackoffTimeMillis", Fate::SetsUnlessZero("retry_delay_initial_ms")),
    Entry::new("logWarningForTaskAfterMillis", Fate::Sets("report_after_ms")),
    Entry::new("retrievalMode", Fate::ChoosesRetrieval),
    Entry::new("maxRecords", Fate::SetsUnlessZero("records_per_read_max")).polling(),
    Entry::new(
        "idleTimeBetweenReadsInMillis",
        converts("idle_time_between_reads_ms", idle_time, "less than 200 is raised to 200, as in Java"),
    )
    .polling(),
    Entry::new("millisBehindLatestThresholdForReducedTps", Fate::SetsUnlessZero("tip_distance_ms")).polling(),
    Entry::new("pollingConfig.maxRecords", Fate::SetsUnlessZero("records_per_read_max")).polling(),
    Entry::new(
        "pollingConfig.idleTimeBetweenReadsInMillis",
        converts("idle_time_between_reads_ms", idle_time, "less than 200 is raised to 200, as in Java"),
    )
    .polling(),
    Entry::new(
        "pollingConfig.millisBehindLatestThresholdForReducedTps",
        Fate::SetsUnlessZero("tip_distance_ms"),
    )
    .polling(),
    Entry::new("fanoutConfig.consumerName", Fate::Sets("fan_out")),
    Entry::new(
        "fanoutConfig.consumerArn",
        converts("fan_out", unless_empty, "it beats `fanoutConfig.consumerName`"),
    ),
    Entry::new(
        "callProcessRecordsEvenForEmptyRecordList",
        Fate::MustBeFalse("a processor is called with records only"),
    ),
    Entry::new("kinesisClient.", Fate::IsRefused("the clients of AWS are not Java's")),
    Entry::new("dynamoDbClient.", Fate::IsRefused("the clients of AWS are not Java's")),
    Entry::new("cloudWatchClient.", Fate::IsRefused("the clients of AWS are not Java's")),
    Entry::new("kinesisCredentialsProvider.", Fate::IsRefused("use AwsCredentialsProvider")).with_secrets(),
    Entry::new("dynamoDBCredentialsProvider.", Fate::IsRefused("use AwsCredentialsProviderDynamoDB"))
        .with_secrets(),
    Entry::new("cloudWatchCredentialsProvider.", Fate::IsRefused("nothing is sent to CloudWatch"))
        .with_secrets(),
];

const fn converts(
    key: &'static str,
    convert: fn(&str) -> Result<Option<Value>, String>,
    doc: &'static str,
) -> Fate {
    Fate::Converts { key, convert, doc }
}

const fn credentials(key: &'static str) -> Fate {
    converts(
        key,
        sources,
        "a comma list of Java's providers; those that can be had here, or else it is refused",
    )
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

#[expect(clippy::unnecessary_wraps, reason = "one of several converters")]
fn unless_empty(value: &str) -> Result<Option<Value>, String> {
    Ok(if value.is_empty() { None } else { Some(text(value)) })
}

fn millis_of_seconds(value: &str) -> Result<Option<Value>, String> {
    let seconds: Option<u64> = value.parse().ok().filter(|seconds| SECONDS.contains(seconds));
    match seconds {
        Some(seconds) => Ok(Some(text((seconds * 1_000).to_string()))),
        None => Err(format!("use a whole number of seconds from {} to {}", SECONDS.start(), SECONDS.end())),
    }
}

fn position(value: &str) -> Result<Option<Value>, String> {
    match value.to_ascii_uppercase().as_str() {
        "LATEST" => Ok(Some(text("latest"))),
        "TRIM_HORIZON" => Ok(Some(text("trim-horizon"))),
        _ => {
            Err("use LATEST or TRIM_HORIZON; for a time there is initialPositionInStreamExtended".to_owned())
        }
    }
}

fn position_at_seconds(value: &str) -> Result<Option<Value>, String> {
    let time = value.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(
        || Err("use a time in whole seconds since 1970-01-01T00:00:00Z, such as 1700000000".to_owned()),
        |time| Ok(Some(text(time.to_string()))),
    )
}

fn hand_over(value: &str) -> Result<Option<Value>, String> {
    Ok(if truth(value)? { None } else { Some(text("0")) })
}

#[expect(clippy::unnecessary_wraps, reason = "what it cannot make a number of is refused by the schema")]
fn idle_time(value: &str) -> Result<Option<Value>, String> {
    Ok(match value.parse() {
        Ok(0) => None,
        Ok(millis) if millis < IDLE_MILLIS_MIN => Some(text(IDLE_MILLIS_MIN.to_string())),
        Ok(_) | Err(_) => Some(text(value)),
    })
}
