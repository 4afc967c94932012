use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kcl_core::WorkerSettings;
use kcl_core::model::{StreamArn, StreamId, WorkerId};
use kcl_core::processor::WhenExhausted;
use kcl_core::stream::FanOutConsumer;

use super::mask::printable_url;
use super::{CredentialSource, ExecConfig};

/// Everything that a worker is told by its file, the environment and the command line.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The stream to consume.
    pub stream: StreamId,
    /// Its ARN, if it was given by that: the way to address a stream of another account.
    pub stream_arn: Option<StreamArn>,
    /// The name that the workers of a fleet share.
    pub application: String,
    /// The DynamoDB table of the leases. Default: the application's name.
    pub table: Option<String>,
    /// This process's name in the lease table. Default: made of the host's name and a random part.
    pub worker_id: Option<WorkerId>,
    /// The AWS region. Default: from the environment or the profile.
    pub region: Option<String>,
    /// Where all requests go instead of AWS's own endpoints.
    pub endpoint_url: Option<EndpointUrl>,
    /// Where requests to Kinesis go, if not there.
    pub kinesis_endpoint_url: Option<EndpointUrl>,
    /// Where requests to DynamoDB go, if not there.
    pub dynamodb_endpoint_url: Option<EndpointUrl>,
    /// Where credentials are looked for, one place after the other.
    pub credentials: Vec<CredentialSource>,
    /// Those for DynamoDB, if they differ.
    pub dynamodb_credentials: Option<Vec<CredentialSource>>,
    /// What handles the records. A program with a processor of its own does not look at it.
    pub processor: ProcessorKind,
    /// With [`ProcessorKind::Exec`]: the program that is run.
    pub exec: ExecConfig,
    /// Who commits. Default: the worker, but for programs of [`ProcessorKind::Exec`], which do it themselves.
    pub checkpointing: Option<CheckpointingChoice>,
    /// Where the worker commits: at most once in this time. Default: after each batch.
    pub checkpoint_interval: Option<Duration>,
    /// Reads by enhanced fan-out as this consumer. Default: by polling.
    pub fan_out: Option<FanOutConsumer>,
    /// With fan-out: polls a shard that could not be subscribed to for this long. Default: it waits.
    pub fall_back_to_polling_after: Option<Duration>,
    /// With fan-out: how long a subscription may be silent.
    pub fan_out_silence_max: Duration,
    /// With fan-out: takes back the registration at the end.
    pub fan_out_deregister_at_stop: bool,
    /// Where records go that the failure policy has given up.
    pub on_failure_destination: Option<FailureDestination>,
    /// Where single records go that the destination cannot take for their size.
    pub on_failure_spill_directory: Option<PathBuf>,
    /// The form of the log on standard error.
    pub log_format: LogFormat,
    /// Where the HTTP endpoint is. Default: there is none.
    pub http_address: Option<SocketAddr>,
    /// True if metrics tell shards apart.
    pub metrics_shard_labels: bool,
    /// The rest of what the library takes: see [`worker_settings`](Self::worker_settings).
    pub(super) worker: WorkerSettings,
}

/// What handles the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessorKind {
    /// Each record is printed as a JSON line.
    Print,
    /// A child process for each shard, which speaks the MultiLang protocol.
    Exec,
}

/// Who commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointingChoice {
    /// The worker, what the processor has taken.
    Automatic,
    /// The processor.
    Manual,
}

/// Where records go that the failure policy has given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureDestination {
    /// Files of JSON lines in this directory.
    Directory(PathBuf),
    /// The SQS queue of this URL.
    Queue(String),
    /// This Kinesis stream, with its ARN if it was given by that.
    Stream(StreamId, Option<StreamArn>),
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for a person.
    Text,
    /// A JSON object per line, for a machine.
    Json,
}

/// A URL, which is never printed with the user and password that may be in it.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl(pub(super) String);

impl EndpointUrl {
    /// The whole of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable_url(&self.0))
    }
}

impl Config {
    /// Defaults for an application that consumes a stream.
    pub(super) fn new(stream: StreamId, worker_id: WorkerId) -> Self {
        Self {
            stream: stream.clone(),
            stream_arn: None,
            application: String::new(),
            table: None,
            worker_id: None,
            region: None,
            endpoint_url: None,
            kinesis_endpoint_url: None,
            dynamodb_endpoint_url: None,
            credentials: vec![CredentialSource::Default],
            dynamodb_credentials: None,
            processor: ProcessorKind::Print,
            exec: ExecConfig::default(),
            checkpointing: None,
            checkpoint_interval: None,
            fan_out: None,
            fall_back_to_polling_after: None,
            fan_out_silence_max: Duration::from_secs(30),
            fan_out_deregister_at_stop: false,
            on_failure_destination: None,
            on_failure_spill_directory: None,
            log_format: LogFormat::Text,
            http_address: None,
            metrics_shard_labels: true,
            worker: WorkerSettings::new(stream, worker_id),
        }
    }

    /// What becomes of records that the failure policy has no more tries for.
    pub fn when_exhausted(&self) -> WhenExhausted {
        self.worker.failure_policy.when_exhausted
    }

    /// The DynamoDB table of the leases.
    pub fn lease_table(&self) -> &str {
        self.table.as_deref().unwrap_or(&self.application)
    }
}
