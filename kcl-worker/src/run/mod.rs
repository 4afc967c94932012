//! `kcl-worker run`: consumes a Kinesis stream, and prints its records.
//!
//! Standard output carries records and nothing else; everything for people goes to standard error. A position is
//! committed only after its records have been written and flushed.

mod json_lines;
mod logging;
mod settings;

use std::io::stdout;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use kcl_core::aws::{AwsKinesis, DynamoDbLeaseStore, dynamodb_client, kinesis_client};
use kcl_core::model::StreamId;
use kcl_core::worker::{Ports, Worker};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::Failure;
use crate::cli::RunArgs;
use json_lines::{JsonLines, Output};

/// Consumes the stream until `stop` is cancelled; then drains, commits and releases.
///
/// # Errors
/// If the settings, the credentials, the stream or the lease table cannot work, another process runs under the same
/// worker id, or standard output can no longer be written to.
pub async fn run(args: &RunArgs, stop: CancellationToken) -> Result<(), Failure> {
    logging::start(args.log_format)?;
    let settings = settings::worker_settings(args)?;
    let ports = ports(args, &settings.stream).await;
    let output = Arc::new(Output::new(stdout(), stop.clone()));
    let processors = JsonLines::factory(Arc::clone(&output));
    let worker = Worker::new(settings, ports, processors);
    let stopping = async {
        stop.cancelled().await;
        info!("stopping: what is in hand is finished and committed; a second signal exits at once");
    };
    worker.run(stopping).await.map_err(Failure::runtime)?;
    output.failure().map_or(Ok(()), Err)
}

async fn ports(args: &RunArgs, stream: &StreamId) -> Ports {
    let config = sdk_config(args).await;
    let table = args.table.as_ref().unwrap_or(&args.application);
    let leases = DynamoDbLeaseStore::new(dynamodb_client(&config), table, stream.clone());
    Ports {
        kinesis: Arc::new(AwsKinesis::new(kinesis_client(&config))),
        leases: Arc::new(leases),
    }
}

/// The SDK's usual chain, overridden where the command line says so.
async fn sdk_config(args: &RunArgs) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = &args.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &args.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}
