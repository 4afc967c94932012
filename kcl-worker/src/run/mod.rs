//! `kcl-worker run`: consumes a Kinesis stream with the processor of the configuration, or with the program's own.
//!
//! Standard output carries records and nothing else; everything for people goes to standard error. A position is
//! committed only after its records have been written and flushed.

mod clients;
mod credentials;
mod destination;
mod endpoints;
mod json_lines;
mod logging;
mod processors;
mod shutdown;

use std::fmt;

use kcl_core::WorkerSettings;
use kcl_core::processor::ProcessorFactory;
use kcl_core::worker::Worker;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::Failure;
use crate::config::{Config, Resolved, none_of};
use crate::operations::{Operations, OperationsSettings, WorkerFacts};
pub(crate) use clients::Clients;
pub(crate) use destination::Destination;
pub(crate) use endpoints::check_environment;
pub(crate) use json_lines::{JsonLines, Output, rfc3339};
pub(crate) use logging::start as start_log;
pub(crate) use processors::Chosen;

/// What is logged unless `RUST_LOG` says otherwise: what the workers do, and what the SDK warns of. Not the places where
/// it found no credentials: if there are none, the error says so, without a dump of each attempt.
const LOG_FILTER: &str = "warn,aws_config=error,kcl_core=info,kcl_worker=info";

/// What handles the records.
pub enum Processors {
    /// What the configuration says.
    Configured,
    /// The program's own.
    Own(Box<dyn ProcessorFactory>),
}

impl fmt::Debug for Processors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configured => "Configured",
            Self::Own(_) => "Own",
        })
    }
}

/// Checks that nothing is wrong and nothing missing; then [runs](run).
pub(crate) async fn run_resolved(
    resolved: &Resolved,
    processors: Processors,
    stop: CancellationToken,
) -> Result<(), Failure> {
    none_of(&[resolved.problems.as_slice(), &resolved.missing_problems()].concat())?;
    start_log(resolved.config.log_format, LOG_FILTER)?;
    for warning in &resolved.warnings {
        warn!("{warning}");
    }
    // On the heap: it holds the whole worker.
    Box::pin(run(&resolved.config, processors, stop)).await
}

/// Consumes the stream until `stop` is cancelled; then drains, commits and releases.
///
/// # Errors
/// If the settings, the credentials, the stream or the lease table cannot work, another process runs under the same
/// worker id, standard output can no longer be written to, or a processor did not finish within the grace period.
pub async fn run(config: &Config, processors: Processors, stop: CancellationToken) -> Result<(), Failure> {
    check_environment()?;
    let settings = config.worker_settings().map_err(Failure::usage)?;
    let operations = operations(config, &settings)?;
    let clients = Clients::load(config).await;
    let chosen = Chosen::new(config, processors, &stop)?;
    let mut worker = Worker::new(settings, clients.ports(config), chosen.factory);
    if let Some(destination) = Destination::of(config, &clients) {
        worker = worker.with_on_failure_destination(destination);
    }
    if let Some(operations) = &operations {
        worker = worker.with_event_sink(operations.sink());
    }
    let stopping = async {
        stop.cancelled().await;
        info!("stopping: what is in hand is finished and committed; a second signal exits at once");
    };
    let report = worker.run(stopping).await.map_err(Failure::runtime)?;
    let printed = chosen.output.and_then(|output| output.failure());
    printed.or_else(|| shutdown::failure(&report)).map_or(Ok(()), Err)
}

/// The HTTP endpoint, if there is to be one.
fn operations(config: &Config, settings: &WorkerSettings) -> Result<Option<Operations>, Failure> {
    let Some(http_address) = config.http_address else { return Ok(None) };
    let worker = WorkerFacts {
        worker_id: settings.worker_id.clone(),
        stream: config.stream.to_string(),
        application: config.application.clone(),
    };
    let (metrics_shard_labels, failover_time) = (config.metrics_shard_labels, settings.failover_time);
    let settings = OperationsSettings { http_address, metrics_shard_labels, worker, failover_time };
    Operations::start(settings).map(Some)
}
