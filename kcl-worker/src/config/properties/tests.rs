use std::collections::BTreeSet;

use kcl_core::Checkpointing;
use kcl_core::model::{InitialPosition, StreamArn, Timestamp};
use kcl_core::stream::{FanOutConsumer, Retrieval};

use super::*;
use crate::config::resolve::{Resolved, resolve};
use crate::config::{AssumedRole, CredentialSource, ProcessorKind};

/// What every file needs.
const LEAST: &str = "executableName=app.py\nstreamName=words\napplicationName=counter\n";

fn resolved(content: &[u8]) -> Resolved {
    let schema = Schema::worker();
    resolve(&schema, vec![read(&schema, "app.properties", content)]).unwrap()
}

fn good(lines: &str) -> Resolved {
    let resolved = resolved(format!("{LEAST}{lines}").as_bytes());
    assert!(resolved.problems.is_empty() && resolved.missing.is_empty(), "{lines}: {:?}", resolved.problems);
    resolved
}

/// The one problem of a file with these lines, from its fourth on.
#[track_caller]
fn problem(lines: &str) -> String {
    let resolved = resolved(format!("{LEAST}{lines}").as_bytes());
    let [problem] = &resolved.problems[..] else { panic!("{lines}: {:?}", resolved.problems) };
    problem.to_string()
}

/// The keys of `MultiLangDaemonConfiguration.java`, its beans and `MultiLangDaemonConfig.java`, version 3.5.
const ALL: &str = "
    executableName processingLanguage maxActiveThreads shutdownGraceMillis timeoutInSeconds
    applicationName streamName streamArn tableName workerId workerIdentifier regionName kinesisEndpoint dynamoDBEndpoint
    AwsCredentialsProvider AwsCredentialsProviderDynamoDB AwsCredentialsProviderCloudWatch
    initialPositionInStream initialPositionInStreamExtended
    failoverTimeMillis leaseAssignmentIntervalMillis enablePriorityLeaseAssignment leaseTableDeletionProtectionEnabled
    leaseTablePitrEnabled shardSyncIntervalMillis cleanupLeasesUponShardCompletion ignoreUnexpectedChildShards
    maxLeasesForWorker maxLeasesToStealAtOneTime initialLeaseTableReadCapacity initialLeaseTableWriteCapacity
    leaseTableScanTotalSegments maxLeaseRenewalThreads listShardsBackoffTimeInMillis maxListShardsRetryAttempts
    callProcessRecordsEvenForEmptyRecordList parentShardPollIntervalMillis shardPrioritization
    skipShardSyncAtWorkerInitializationIfLeasesExist schedulerInitializationBackoffTimeMillis taskBackoffTimeMillis
    logWarningForTaskAfterMillis validateSequenceNumberBeforeCheckpointing
    clientVersionConfig migrateAllEntitiesToLeaseTable tableMigrationCompleteBakeTimeSeconds
    metricsBufferTimeMillis metricsMaxQueueSize metricsLevel metricsEnabledDimensions
    retrievalMode maxRecords idleTimeBetweenReadsInMillis millisBehindLatestThresholdForReducedTps
    retryGetRecordsInSeconds maxGetRecordsThreadPool
    fanoutConfig.consumerArn fanoutConfig.consumerName fanoutConfig.maxDescribeStreamSummaryRetries
    fanoutConfig.maxDescribeStreamConsumerRetries fanoutConfig.registerStreamConsumerRetries
    fanoutConfig.retryBackoffMillis
    gracefulLeaseHandoffTimeoutMillis isGracefulLeaseHandoffEnabled
    inMemoryWorkerMetricsCaptureFrequencyMillis workerMetricsReporterFreqInMillis noOfPersistedMetricsPerWorkerMetrics
    disableWorkerMetrics workerMetricList maxThroughputPerHostKBps dampeningPercentage reBalanceThresholdPercentage
    allowThroughputOvershoot staleWorkerMetricsEntryCleanupDuration varianceBalancingFrequency workerMetricsEMAAlpha
    workerMetricsTableName workerMetricsBillingMode workerMetricsReadCapacity workerMetricsWriteCapacity
    workerMetricsPointInTimeRecoveryEnabled workerMetricsDeletionProtectionEnabled workerMetricsTags
    coordinatorStateTableName coordinatorStateBillingMode coordinatorStateReadCapacity coordinatorStateWriteCapacity
    coordinatorStatePointInTimeRecoveryEnabled coordinatorStateDeletionProtectionEnabled coordinatorStateTags
    kinesisClient. dynamoDbClient. cloudWatchClient.";

#[test]
fn every_property_of_the_daemon_is_known_and_has_one_fate() {
    let schema = Schema::worker();
    for name in ALL.split_whitespace() {
        let found: Vec<_> = entries().filter(|entry| entry.is_named(name)).collect();
        assert_eq!(found.len(), 1, "{name}");
        if let Fate::Sets(key) | Fate::SetsUnlessZero(key) | Fate::Converts { key, .. } = &found[0].fate {
            assert!(schema.find(key).is_some(), "{name} sets {key}, which is no setting");
        }
    }
    let names: BTreeSet<_> = entries().map(|entry| entry.name).collect();
    assert_eq!(names.len(), entries().count());
}

#[test]
fn each_honoured_property_arrives_where_it_belongs() {
    for (line, key, shown) in [
        ("timeoutInSeconds=30", "exec_timeout_ms", "30000"),
        (
            "streamArn=arn:aws:kinesis:eu-west-1:123456789012:stream/other",
            "stream",
            "arn:aws:kinesis:eu-west-1:123456789012:stream/other",
        ),
        ("tableName=leases", "table", "leases"),
        ("workerId=w1", "worker_id", "w1"),
        ("WorkerIdentifier=w1", "worker_id", "w1"),
        ("regionName=eu-west-1", "region", "eu-west-1"),
        ("kinesisEndpoint=http://localhost:1", "kinesis_endpoint_url", "http://localhost:1"),
        ("dynamoDBEndpoint=http://u:p@localhost:1", "dynamodb_endpoint_url", "http://***@localhost:1"),
        ("AWSCREDENTIALSPROVIDER=InstanceProfileCredentialsProvider", "credentials", "instance"),
        (
            "awsCredentialsProviderDynamoDB=ProfileCredentialsProvider|db",
            "dynamodb_credentials",
            "profile:db",
        ),
        ("initialPositionInStream=trim_horizon", "initial_position", "trim-horizon"),
        ("initialPositionInStreamExtended=1700000000", "initial_position", "2023-11-14T22:13:20Z"),
        ("failoverTimeMillis=20000", "failover_time_ms", "20000"),
        ("FailoverTimeMillis = 20000  ", "failover_time_ms", "20000"),
        ("shardSyncIntervalMillis=30000", "shard_sync_interval_ms", "30000"),
        ("maxLeasesForWorker=7", "max_leases", "7"),
        ("gracefulLeaseHandoffTimeoutMillis=5", "hand_over_timeout_ms", "5"),
        (
            "isGracefulLeaseHandoffEnabled=false\ngracefulLeaseHandoffTimeoutMillis=5",
            "hand_over_timeout_ms",
            "0",
        ),
        (
            "isGracefulLeaseHandoffEnabled=true\ngracefulLeaseHandoffTimeoutMillis=5",
            "hand_over_timeout_ms",
            "5",
        ),
        ("shutdownGraceMillis=5", "shutdown_grace_ms", "5"),
        ("taskBackoffTimeMillis=500", "retry_delay_initial_ms", "500"),
        ("logWarningForTaskAfterMillis=5", "report_after_ms", "5"),
        ("maxRecords=5", "records_per_read_max", "5"),
        ("idleTimeBetweenReadsInMillis=250", "idle_time_between_reads_ms", "250"),
        ("idleTimeBetweenReadsInMillis=10", "idle_time_between_reads_ms", "200"),
        ("millisBehindLatestThresholdForReducedTps=5", "tip_distance_ms", "5"),
        ("fanoutConfig.consumerName=c", "fan_out", "c"),
        ("callProcessRecordsEvenForEmptyRecordList=false", "exec_command", "app.py"),
    ] {
        let resolved = good(line);
        assert_eq!(resolved.given[key].shown(), shown, "{line}");
        assert!(resolved.given[key].origin.to_string().starts_with("app.properties:"), "{line}");
    }
}

#[test]
fn what_is_not_said_is_what_the_daemon_takes_it_to_mean() {
    let resolved = good("");
    let config = &resolved.config;
    assert_eq!(config.worker.initial_position, InitialPosition::Latest);
    assert_eq!(
        (config.processor, &config.exec.command[..]),
        (ProcessorKind::Exec, &["app.py".to_owned()][..])
    );
    assert_eq!(config.fan_out, Some(FanOutConsumer::Named("counter".to_owned())));
    assert_eq!(config.worker_settings().unwrap().checkpointing, Checkpointing::Manual);
    let origin = resolved.given["initial_position"].origin.to_string();
    assert_eq!(origin, "app.properties, as the MultiLangDaemon takes it");
}

#[test]
fn records_are_polled_if_anything_of_polling_is_set_or_it_is_asked_for() {
    let polls = |lines: &str| good(lines).config.worker_settings().unwrap().retrieval == Retrieval::Polling;
    for lines in [
        "maxRecords=5",
        "retrievalMode=DEFAULT\nretryGetRecordsInSeconds=3",
        "retrievalMode=polling",
        "idleTimeBetweenReadsInMillis=250",
    ] {
        assert!(polls(lines), "{lines}");
    }
    for lines in ["", "retrievalMode=DEFAULT", "maxRecords=0", "retrievalMode=FANOUT\nmaxRecords=5"] {
        assert!(!polls(lines), "{lines}");
    }
    let resolved = good("fanoutConfig.consumerName=c\nmaxRecords=5");
    assert_eq!(resolved.config.fan_out, None);
    assert_eq!(
        resolved.warnings,
        ["app.properties:4: fanoutConfig.consumerName has no effect: retrievalMode polls"]
    );
    assert!(problem("retrievalMode=BOTH").contains("DEFAULT, FANOUT or POLLING"));
}

/// There a call has what one read has returned.
#[test]
fn the_bound_of_a_read_is_that_of_a_batch_where_records_are_polled() {
    for (lines, read, batch) in [
        ("maxRecords=5", 5, 5),
        ("pollingConfig.maxRecords=5\nmaxRecords=6", 5, 5),
        ("retrievalMode=POLLING", 10_000, 1_000),
        ("retrievalMode=POLLING\nmaxRecords=0", 10_000, 1_000),
        ("retrievalMode=FANOUT\nmaxRecords=5", 5, 1_000),
    ] {
        let settings = good(lines).config.worker_settings().unwrap();
        let found = (settings.polling.records_per_read_max, settings.records_per_batch_max);
        assert_eq!(found, (read, batch), "{lines}");
    }
    let refused = problem("maxRecords=20000");
    assert!(
        refused.contains("maxRecords is '20000'") && !refused.contains("records_per_batch_max"),
        "{refused}"
    );
    let origin = good("maxRecords=5").given["records_per_batch_max"].origin.to_string();
    assert_eq!(origin, "app.properties, as the MultiLangDaemon takes it");
}

#[test]
fn a_primitive_that_is_zero_is_not_given_as_in_java() {
    for name in [
        "failoverTimeMillis",
        "maxLeasesForWorker",
        "maxRecords",
        "idleTimeBetweenReadsInMillis",
        "shutdownGraceMillis",
    ] {
        let given = good(&format!("{name}=0")).given;
        assert!(given.values().all(|given| given.spelling != name), "{name}");
    }
}

#[test]
fn what_has_no_effect_is_reported_with_its_line_and_the_reason() {
    let all: Vec<_> = entries().filter(|entry| matches!(entry.fate, Fate::HasNoEffect(_))).collect();
    for entry in all {
        let warnings = good(&format!("{}=1", entry.name)).warnings;
        let [warning] = &warnings[..] else { panic!("{}: {warnings:?}", entry.name) };
        assert!(
            warning.starts_with(&format!("app.properties:4: {} has no effect: ", entry.name)),
            "{warning}"
        );
    }
    let resolved = good("workerId=a\nWorkerId=b");
    assert_eq!(resolved.given["worker_id"].shown(), "b");
    assert_eq!(resolved.warnings, ["app.properties:4: workerId has no effect: line 5 says something else"]);
}

#[test]
fn what_cannot_be_had_is_refused_by_name() {
    for (lines, parts) in [
        ("maxRecord=5", ["app.properties:4: there is no property maxRecord", "did you mean maxRecords?"]),
        (
            "callProcessRecordsEvenForEmptyRecordList=true",
            ["app.properties:4: callProcess", "with records only"],
        ),
        ("kinesisClient.region=x", ["app.properties:4: kinesisClient.region is 'x'", "not Java's"]),
        (
            "awsCredentialsProvider=StaticCredentialsProvider|id|s3cret",
            ["is '***'", "do not belong in this file"],
        ),
        ("timeoutInSeconds=soon", ["timeoutInSeconds is 'soon'", "seconds from 1 to 86400"]),
        ("failoverTimeMillis=20", ["app.properties:4: failoverTimeMillis is '20'", "1000 to 86400000"]),
        ("initialPositionInStream=AT_TIMESTAMP", ["'AT_TIMESTAMP'", "initialPositionInStreamExtended"]),
        ("initialPositionInStreamExtended=99999999999", ["is '", "in the future"]),
        ("isGracefulLeaseHandoffEnabled=maybe", ["'maybe'", "true or false"]),
        ("regionName=\\u12", ["app.properties:4: ", "four hexadecimal digits"]),
        ("kinesisEndpoint=ftp://u:p@x", ["is 'ftp://***@x'", "http or https"]),
    ] {
        let problem = problem(lines);
        assert!(parts.iter().all(|part| problem.contains(part)), "{lines}: {problem}");
    }
}

#[test]
fn all_problems_come_in_the_order_of_their_lines() {
    let resolved = resolved(b"maxRecord=1\nstreamName=a b\nfailoverTimeMillis=x\nnonsense=1\n");
    let lines: Vec<_> =
        resolved.problems.iter().map(|problem| problem.to_string()[..17].to_owned()).collect();
    assert_eq!(
        lines[..4],
        ["app.properties:1:", "app.properties:2:", "app.properties:3:", "app.properties:4:"]
    );
    let missing: Vec<_> = resolved.missing.iter().map(|key| key.name).collect();
    assert_eq!(missing, ["application"]);
}

#[test]
fn the_samples_of_the_packages_are_accepted() {
    let python = resolved(include_bytes!("python_sample.properties"));
    assert!(python.problems.is_empty() && python.missing.is_empty(), "{:?}", python.problems);
    let time = Timestamp::from_millis(1_636_609_142_000);
    assert_eq!(python.config.worker.initial_position, InitialPosition::AtTimestamp(time));
    assert_eq!(python.config.exec.command, ["sample_kclpy_app.py", "--verbose"]);
    assert_eq!(python.config.stream_arn.as_ref().map(StreamArn::stream_name), Some("words"));
    let node = resolved(include_bytes!("node_sample.properties"));
    assert!(node.problems.is_empty() && node.missing.is_empty(), "{:?}", node.problems);
    assert_eq!(node.config.credentials, [CredentialSource::Default]);
    assert_eq!(node.config.fan_out, Some(FanOutConsumer::Named("kclnodejssample".to_owned())));
}

#[test]
fn a_role_is_assumed_with_everything_that_java_says_of_it() {
    let line = "AwsCredentialsProvider = KclStsAssumeRoleCredentialsProvider|arn:aws:iam::1:role/r|kcl\\\n  \
                |endpointRegion=us-east-1|externalId=spartacus";
    let role = AssumedRole {
        arn: "arn:aws:iam::1:role/r".to_owned(),
        session_name: Some("kcl".to_owned()),
        external_id: Some("spartacus".to_owned()),
        region: Some("us-east-1".to_owned()),
        endpoint_url: None,
    };
    assert_eq!(good(line).config.credentials, [CredentialSource::AssumeRole(role)]);
}

#[test]
fn a_program_with_a_processor_of_its_own_takes_the_rest_of_the_file() {
    let schema = Schema::own_processor();
    let layer = read(&schema, "app.properties", format!("{LEAST}timeoutInSeconds=3").as_bytes());
    let resolved = resolve(&schema, vec![layer]).unwrap();
    assert!(resolved.problems.is_empty(), "{:?}", resolved.problems);
    assert_eq!(resolved.warnings.len(), 2);
    assert!(resolved.warnings[0].contains("executableName has no effect: this program processes"));
}

/// Values in Latin-1, as Java reads all files, and in UTF-8, as most are written.
#[test]
fn both_encodings_are_read() {
    for content in [b"workerId=\xe9".as_slice(), "workerId=é".as_bytes(), b"workerId=\\u00e9"] {
        assert_eq!(resolved(content).given["worker_id"].shown(), "é");
    }
}
