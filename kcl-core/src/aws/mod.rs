//! The adapters of the two ports to Amazon Kinesis and DynamoDB.
