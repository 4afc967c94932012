use super::fate::{Entry, Fate};

const NO_THREADS: &str = "there are no threads to count: what waits costs none";
const NO_CLOUDWATCH: &str = "nothing is sent to CloudWatch";
const NO_METRICS_TABLE: &str =
    "shards are shared evenly by their number, and no table of measurements is kept";
const NO_COORDINATOR_TABLE: &str = "there is no coordinator, and no table of its state";
const NO_OTHER_TABLES: &str = "there is one table, the lease table, and nothing to migrate";
const OWN_RETRIES: &str = "what fails is tried again with delays of its own, until it succeeds";
const ON_DEMAND: &str = "the lease table is created for payment on demand";
const TABLE_OPTION: &str = "a lease table that is created has the defaults of DynamoDB; set it on the table";

/// Those that mean nothing here, each with the reason.
pub(super) static ENTRIES: [Entry; 62] = [
    none("processingLanguage", "it was a part of the name that Java gave itself at AWS"),
    none("maxActiveThreads", NO_THREADS),
    none("AwsCredentialsProviderCloudWatch", NO_CLOUDWATCH).with_secrets(),
    none(
        "leaseAssignmentIntervalMillis",
        "lease_scan_interval_ms and lease_read_units_per_second say how often the table is looked at",
    ),
    none("enablePriorityLeaseAssignment", "every expired lease is taken at once"),
    none("leaseTableDeletionProtectionEnabled", TABLE_OPTION),
    none("leaseTablePitrEnabled", TABLE_OPTION),
    none(
        "cleanupLeasesUponShardCompletion",
        "rows of ended shards are deleted once their children are under way, which Java does whatever this says",
    ),
    none("ignoreUnexpectedChildShards", "a shard's children are found in the list of shards"),
    none("maxLeasesToStealAtOneTime", "a worker asks for the whole of its share"),
    none("initialLeaseTableReadCapacity", ON_DEMAND),
    none("initialLeaseTableWriteCapacity", ON_DEMAND),
    none("leaseTableScanTotalSegments", "the lease table is read page by page"),
    none("maxLeaseRenewalThreads", NO_THREADS),
    none("listShardsBackoffTimeInMillis", OWN_RETRIES),
    none("maxListShardsRetryAttempts", OWN_RETRIES),
    none(
        "parentShardPollIntervalMillis",
        "a child shard begins when its parents have ended, without asking again and again",
    ),
    none(
        "shardPrioritization",
        "all shards are read at once, but for children, which wait for their parents",
    ),
    none("skipShardSyncAtWorkerInitializationIfLeasesExist", "a start does not wait for the list of shards"),
    none("schedulerInitializationBackoffTimeMillis", OWN_RETRIES),
    none(
        "validateSequenceNumberBeforeCheckpointing",
        "sequence numbers are always checked, and Java ignores it, too",
    ),
    none(
        "clientVersionConfig",
        "the lease table is that of Java KCL 2.x, whose workers may share it; those of 3.x may with CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X",
    ),
    none("migrateAllEntitiesToLeaseTable", NO_OTHER_TABLES),
    none("tableMigrationCompleteBakeTimeSeconds", NO_OTHER_TABLES),
    none("metricsBufferTimeMillis", NO_CLOUDWATCH),
    none("metricsMaxQueueSize", NO_CLOUDWATCH),
    none("metricsLevel", NO_CLOUDWATCH),
    none("metricsEnabledDimensions", NO_CLOUDWATCH),
    none("retryGetRecordsInSeconds", "a read does not wait for others, and Java ignores it, too").polling(),
    none("maxGetRecordsThreadPool", NO_THREADS).polling(),
    none(
        "pollingConfig.retryGetRecordsInSeconds",
        "a read does not wait for others, and Java ignores it, too",
    )
    .polling(),
    none("pollingConfig.maxGetRecordsThreadPool", NO_THREADS).polling(),
    none("fanoutConfig.maxDescribeStreamSummaryRetries", OWN_RETRIES),
    none("fanoutConfig.maxDescribeStreamConsumerRetries", OWN_RETRIES),
    none("fanoutConfig.registerStreamConsumerRetries", OWN_RETRIES),
    none("fanoutConfig.retryBackoffMillis", OWN_RETRIES),
    none("inMemoryWorkerMetricsCaptureFrequencyMillis", NO_METRICS_TABLE),
    none("workerMetricsReporterFreqInMillis", NO_METRICS_TABLE),
    none("noOfPersistedMetricsPerWorkerMetrics", NO_METRICS_TABLE),
    none("disableWorkerMetrics", NO_METRICS_TABLE),
    none("workerMetricList", NO_METRICS_TABLE),
    none("maxThroughputPerHostKBps", NO_METRICS_TABLE),
    none("dampeningPercentage", NO_METRICS_TABLE),
    none("reBalanceThresholdPercentage", NO_METRICS_TABLE),
    none("allowThroughputOvershoot", NO_METRICS_TABLE),
    none("staleWorkerMetricsEntryCleanupDuration", NO_METRICS_TABLE),
    none("varianceBalancingFrequency", NO_METRICS_TABLE),
    none("workerMetricsEMAAlpha", NO_METRICS_TABLE),
    none("workerMetricsTableName", NO_METRICS_TABLE),
    none("workerMetricsBillingMode", NO_METRICS_TABLE),
    none("workerMetricsReadCapacity", NO_METRICS_TABLE),
    none("workerMetricsWriteCapacity", NO_METRICS_TABLE),
    none("workerMetricsPointInTimeRecoveryEnabled", NO_METRICS_TABLE),
    none("workerMetricsDeletionProtectionEnabled", NO_METRICS_TABLE),
    none("workerMetricsTags", NO_METRICS_TABLE),
    none("coordinatorStateTableName", NO_COORDINATOR_TABLE),
    none("coordinatorStateBillingMode", NO_COORDINATOR_TABLE),
    none("coordinatorStateReadCapacity", NO_COORDINATOR_TABLE),
    none("coordinatorStateWriteCapacity", NO_COORDINATOR_TABLE),
    none("coordinatorStatePointInTimeRecoveryEnabled", NO_COORDINATOR_TABLE),
    none("coordinatorStateDeletionProtectionEnabled", NO_COORDINATOR_TABLE),
    none("coordinatorStateTags", NO_COORDINATOR_TABLE),
];

const fn none(name: &'static str, reason: &'static str) -> Entry {
    Entry::new(name, Fate::HasNoEffect(reason))
}
