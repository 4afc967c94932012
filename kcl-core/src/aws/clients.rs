//! SDK clients as the framework needs them: no retries, and an end to every wait.
//!
//! The SDK retries with a jitter of its own, which no seed controls, and hides that the first attempt may have been
//! applied. A lease protocol must see a lost response.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::config::BehaviorVersion;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;

use super::{AwsKinesis, DynamoDbLeaseStore};
use crate::model::StreamId;
use crate::worker::Ports;

/// How long a connection may take to open. Within a region it takes milliseconds.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long DynamoDB may take to begin an answer. Short, so that a lost response leaves time to renew again within
/// the usual failover time of 10 s.
pub const DYNAMODB_READ_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a DynamoDB call may take in all. Above the 5 s that the SDK allows for loading credentials, so that
/// missing credentials are reported as such and not as a time-out.
pub const DYNAMODB_OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

/// How long Kinesis may take to begin an answer.
pub const KINESIS_READ_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a Kinesis call may take in all: enough for the 10 MB of a full `GetRecords` answer on a slow line.
pub const KINESIS_OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// A Kinesis client with retries off, and with time-outs where `config` sets none.
///
/// `config` is an SDK configuration such as `&aws_config::SdkConfig`, or a Kinesis `config::Builder`.
/// [`AwsKinesis`](super::AwsKinesis) does the same to any client it is given.
pub fn kinesis_client(config: impl Into<aws_sdk_kinesis::config::Builder>) -> aws_sdk_kinesis::Client {
    let config = config.into().build();
    let timeouts = complete(config.timeout_config(), KINESIS_READ_TIMEOUT, KINESIS_OPERATION_TIMEOUT);
    let config = config
        .to_builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    aws_sdk_kinesis::Client::from_conf(config.build())
}

/// A DynamoDB client with retries off, and with time-outs where `config` sets none.
///
/// `config` is an SDK configuration such as `&aws_config::SdkConfig`, or a DynamoDB `config::Builder`.
/// [`DynamoDbLeaseStore`](super::DynamoDbLeaseStore) does the same to any client it is given.
pub fn dynamodb_client(config: impl Into<aws_sdk_dynamodb::config::Builder>) -> aws_sdk_dynamodb::Client {
    let config = config.into().build();
    let timeouts = complete(config.timeout_config(), DYNAMODB_READ_TIMEOUT, DYNAMODB_OPERATION_TIMEOUT);
    let config = config
        .to_builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// How long SQS may take to begin an answer.
#[cfg(feature = "sqs")]
pub const SQS_READ_TIMEOUT: Duration = Duration::from_secs(8);

/// How long an SQS call may take in all: enough to send the 1 MiB of a message on a slow line.
#[cfg(feature = "sqs")]
pub const SQS_OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// An SQS client with retries off, and with time-outs where `config` sets none.
///
/// `config` is an SDK configuration such as `&aws_config::SdkConfig`, or an SQS `config::Builder`.
/// [`SqsDestination`](super::SqsDestination) does the same to any client it is given.
#[cfg(feature = "sqs")]
pub fn sqs_client(config: impl Into<aws_sdk_sqs::config::Builder>) -> aws_sdk_sqs::Client {
    let config = config.into().build();
    let timeouts = complete(config.timeout_config(), SQS_READ_TIMEOUT, SQS_OPERATION_TIMEOUT);
    let config = config
        .to_builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// Everything that a [`Worker`](crate::worker::Worker) of `stream` needs, with its leases in the DynamoDB table
/// `lease_table`, which is created on first use.
///
/// `config` is an SDK configuration such as `&aws_config::SdkConfig`.
pub fn ports<C>(config: C, stream: &StreamId, lease_table: &str) -> Ports
where
    C: Copy + Into<aws_sdk_kinesis::config::Builder> + Into<aws_sdk_dynamodb::config::Builder>,
{
    let leases = DynamoDbLeaseStore::new(dynamodb_client(config), lease_table, stream.clone());
    Ports { kinesis: Arc::new(AwsKinesis::new(kinesis_client(config))), leases: Arc::new(leases) }
}

/// The time-outs that the user set, and ours for the rest.
fn complete(own: Option<&TimeoutConfig>, read: Duration, operation: Duration) -> TimeoutConfig {
    let ours = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(read)
        .operation_timeout(operation)
        .build();
    match own {
        None => ours,
        Some(own) => own.clone().take_defaults_from(&ours).clone(),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::config::Builder;

    use super::*;

    #[test]
    fn retries_are_off_whatever_the_configuration_says() {
        let client =
            kinesis_client(Builder::new().retry_config(RetryConfig::standard().with_max_attempts(7)));
        assert_eq!(client.config().retry_config().unwrap().max_attempts(), 1);
    }

    #[test]
    fn a_time_out_of_the_user_stands_and_the_others_are_filled_in() {
        let own = TimeoutConfig::builder().read_timeout(Duration::from_millis(77)).build();
        let client = kinesis_client(Builder::new().timeout_config(own));
        let timeouts = client.config().timeout_config().unwrap();
        assert_eq!(timeouts.read_timeout(), Some(Duration::from_millis(77)));
        assert_eq!(timeouts.connect_timeout(), Some(CONNECT_TIMEOUT));
        assert_eq!(timeouts.operation_timeout(), Some(KINESIS_OPERATION_TIMEOUT));
    }
}
