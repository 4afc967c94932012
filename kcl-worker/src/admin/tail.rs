use std::io::stdout;
use std::sync::Arc;

use kcl_core::WorkerSettings;
use kcl_core::memory::MemoryLeaseStore;
use kcl_core::worker::{Ports, Worker, unique_worker_id};
use tokio_util::sync::CancellationToken;

use super::target::clients;
use crate::Failure;
use crate::cli::TailArgs;
use crate::run::{JsonLines, Output};

/// Prints what is in the stream: a worker of its own, whose lease table is in its memory.
pub(super) async fn tail(args: &TailArgs, stop: CancellationToken) -> Result<(), Failure> {
    let config = args.stream.config()?;
    let (stream, kinesis) = (config.stream.clone(), clients(&config).await?.kinesis(&config));
    let ports = Ports { kinesis: Arc::new(kinesis), leases: Arc::new(MemoryLeaseStore::new()) };
    let mut settings = WorkerSettings::new(stream, unique_worker_id("tail").map_err(Failure::runtime)?);
    settings.initial_position = args.from;
    let output = Arc::new(Output::new(stdout(), stop.clone()));
    let worker = Worker::new(settings, ports, JsonLines::factory(Arc::clone(&output)));
    worker.run(stop.cancelled_owned()).await.map_err(Failure::runtime)?;
    output.failure().map_or(Ok(()), Err)
}
