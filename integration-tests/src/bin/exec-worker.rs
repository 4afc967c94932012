//! A worker on the in-memory backend whose one shard is processed by the command that its arguments name, until it is
//! killed. It is its own guard, and that of children that tests start themselves.

use std::env::args;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kcl_core::memory::{MemoryKinesis, MemoryKinesisSettings, MemoryLeaseStore};
use kcl_core::model::{StreamId, WorkerId};
use kcl_core::worker::{Ports, Worker};
use kcl_core::{Checkpointing, Result, RetryDelays, WorkerSettings};
use kcl_worker::multilang::{ExecFactory, ExecSettings, guard_if_asked};

fn main() -> ExitCode {
    if let Some(status) = guard_if_asked() {
        return status;
    }
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return ExitCode::FAILURE };
    match runtime.block_on(run(args().skip(1).collect())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Vec<String>) -> Result<()> {
    let stream = StreamId::named("orders")?;
    let kinesis = MemoryKinesis::new(MemoryKinesisSettings::default());
    kinesis.create_stream(&stream, 1)?;
    let mut settings = WorkerSettings::new(stream, WorkerId::new("worker")?);
    settings.checkpointing = Checkpointing::Manual;
    // So that children which die at once are many.
    settings.failure_policy.retry_delays =
        RetryDelays { initial: Duration::from_millis(1), max: Duration::from_millis(10) };
    let ports = Ports { kinesis: Arc::new(kinesis), leases: Arc::new(MemoryLeaseStore::new()) };
    let processors = ExecFactory::new(ExecSettings::new(command))?;
    Worker::new(settings, ports, processors).run(std::future::pending()).await?;
    Ok(())
}
