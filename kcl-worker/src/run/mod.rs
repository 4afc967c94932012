//! `kcl-worker run`: consumes a Kinesis stream, and prints its records.
//!
//! Standard output carries records and nothing else; everything for people goes to standard error. A position is
//! committed only after its records have been written and flushed.

mod endpoints;
mod forced_shutdown;
mod json_lines;
mod logging;
mod settings;

use std::io::stdout;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use kcl_core::model::WorkerId;
use kcl_core::worker::Worker;
use kcl_core::{Event, WorkerSettings, aws};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::Failure;
use crate::cli::RunArgs;
use crate::operations::{Operations, OperationsSettings, WorkerFacts};
use forced_shutdown::ForcedShutdown;
use json_lines::{JsonLines, Output};

/// Consumes the stream until `stop` is cancelled; then drains, commits and releases.
///
/// # Errors
/// If the settings, the credentials, the stream or the lease table cannot work, another process runs under the same
/// worker id, standard output can no longer be written to, or a processor did not finish within the grace period.
pub async fn run(args: &RunArgs, stop: CancellationToken) -> Result<(), Failure> {
    logging::start(args.log_format)?;
    endpoints::check_environment()?;
    let settings = settings::worker_settings(args)?;
    let lease_table = args.table.as_ref().unwrap_or(&args.application);
    let ports = aws::ports(&sdk_config(args).await, &settings.stream, lease_table);
    let output = Arc::new(Output::new(stdout(), stop.clone()));
    let processors = JsonLines::factory(Arc::clone(&output));
    let forced = Arc::new(ForcedShutdown::default());
    let operations = operations(args, &settings)?;
    let shown = operations.as_ref().map(Operations::sink);
    let note_forced = ForcedShutdown::sink(&forced);
    let worker = Worker::new(settings, ports, processors).with_event_sink(
        move |worker: &WorkerId, event: &Event<'_>| {
            note_forced(worker, event);
            if let Some(shown) = &shown {
                shown(worker, event);
            }
        },
    );
    let stopping = async {
        stop.cancelled().await;
        info!("stopping: what is in hand is finished and committed; a second signal exits at once");
    };
    worker.run(stopping).await.map_err(Failure::runtime)?;
    output.failure().or_else(|| forced.failure()).map_or(Ok(()), Err)
}

/// The HTTP endpoint, if there is to be one.
fn operations(args: &RunArgs, settings: &WorkerSettings) -> Result<Option<Operations>, Failure> {
    let Some(http_address) = args.http_address else { return Ok(None) };
    let worker = WorkerFacts {
        worker_id: settings.worker_id.clone(),
        stream: args.stream.clone(),
        application: args.application.clone(),
    };
    let (metrics_shard_labels, failover_time) = (args.metrics_shard_labels, settings.failover_time);
    Operations::start(OperationsSettings { http_address, metrics_shard_labels, worker, failover_time })
        .map(Some)
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
