//! The adapters of the two ports to Amazon Kinesis and DynamoDB, and the on-failure destinations in AWS.
//!
//! The only place that names the SDK: no type of it appears in a signature outside. An adapter translates, one
//! method to one call; it never retries, paces or caches, because the framework does, once, for every backend.

mod clients;
mod dynamodb_lease_store;
mod endpoint;
mod error;
mod java_fleet;
mod kinesis;
mod kinesis_destination;
mod lease_row;
mod lease_table;
mod lease_update;
#[cfg(feature = "sqs")]
mod sqs_destination;

pub use clients::{
    CONNECT_TIMEOUT, DYNAMODB_OPERATION_TIMEOUT, DYNAMODB_READ_TIMEOUT, KINESIS_OPERATION_TIMEOUT,
    KINESIS_READ_TIMEOUT, dynamodb_client, kinesis_client, ports,
};
#[cfg(feature = "sqs")]
pub use clients::{SQS_OPERATION_TIMEOUT, SQS_READ_TIMEOUT, sqs_client};
pub use dynamodb_lease_store::DynamoDbLeaseStore;
pub use kinesis::AwsKinesis;
pub use kinesis_destination::{KINESIS_RECORD_BYTES_MAX, KinesisDestination};
#[cfg(feature = "sqs")]
pub use sqs_destination::{SQS_MESSAGE_BYTES_MAX, SqsDestination};
