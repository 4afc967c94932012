use std::sync::Arc;

use kcl_core::lease::{Consistency, Lease, LeaseStore};
use kcl_core::memory::MemoryLeaseStore;
use kcl_core::model::{Checkpoint, ShardKey, StreamId, Timestamp, WorkerId};
use kcl_core::processor::{OnFailureDestination, ProcessorFactory, WhenExhausted};
use kcl_core::worker::{Ports, Worker, unique_worker_id};
use kcl_core::{Error, ErrorKind, Event, Result, WorkerSettings};
use tokio_util::sync::CancellationToken;

use super::fencing::Fenced;
use super::letters::Letters;
use super::letters_stream::LettersStream;
use super::outcome::Outcome;
use super::watch::Watch;
use crate::config::Config;
use crate::progress::with_progress;

/// One worker on its way through the letters.
pub(super) struct Session<D> {
    pub(super) letters: Arc<Letters>,
    pub(super) settings: WorkerSettings,
    /// Where records go that fail again; without one, the first of them ends the session.
    pub(super) destination: Option<D>,
    pub(super) clock: fn() -> Timestamp,
}

/// The settings of `run` that mean something here. Letters are old, so their age exhausts no policy; and a command comes
/// to an end, so none blocks. The name is another with each run: files of a destination are called by it, and one of them
/// may be the very file that is read.
pub(super) fn settings_of(config: &Config, letters: &Letters) -> Result<WorkerSettings> {
    let of_run = config.worker_settings()?;
    let stream = letters.stream.clone().unwrap_or(of_run.stream);
    let mut settings = WorkerSettings {
        malformed_aggregates: of_run.malformed_aggregates,
        checkpointing: of_run.checkpointing,
        fetch_bytes_max: of_run.fetch_bytes_max,
        records_per_batch_max: of_run.records_per_batch_max,
        failure_policy: of_run.failure_policy,
        call_deadlines: of_run.call_deadlines,
        shutdown_grace: of_run.shutdown_grace,
        ..WorkerSettings::new(stream, unique_worker_id("redrive")?)
    };
    settings.failure_policy.maximum_record_age = None;
    settings.failure_policy.when_exhausted = match settings.failure_policy.when_exhausted {
        WhenExhausted::Block | WhenExhausted::StopWorker => WhenExhausted::StopWorker,
        // Into the file of rejects.
        WhenExhausted::Skip | WhenExhausted::SendToDestination => WhenExhausted::SendToDestination,
    };
    Ok(settings)
}

impl<D: OnFailureDestination> Session<D> {
    /// Runs until all is processed, something fails for good, or `stop` is cancelled, which it cancels itself at the end.
    pub(super) async fn run(self, processors: impl ProcessorFactory, stop: CancellationToken) -> Outcome {
        let Self { letters, settings, destination, clock } = self;
        let failures_max = settings.failure_policy.maximum_retry_attempts;
        let watch = Arc::new(Watch::new(Arc::clone(&letters), failures_max, stop.clone()));
        let leases = Arc::new(MemoryLeaseStore::new());
        let kinesis = Arc::new(LettersStream { letters: Arc::clone(&letters), clock });
        let ports = Ports { kinesis, leases: Arc::<MemoryLeaseStore>::clone(&leases) };
        let sink = Arc::clone(&watch);
        let processors = Fenced { inner: processors, letters: Arc::clone(&letters) };
        let mut worker = Worker::new(settings, ports, processors)
            .with_event_sink(move |_: &WorkerId, event: &Event<'_>| sink.note(event));
        if let Some(destination) = destination {
            let destination = Fenced { inner: destination, letters: Arc::clone(&letters) };
            worker = worker.with_on_failure_destination(destination);
        }
        // On the heap: it holds the whole worker.
        let work = Box::pin(async {
            make_rows(&leases, &letters).await?;
            worker.run(stop.cancelled()).await
        });
        let ended = with_progress(|| watch.text(), work).await;
        let mut seen = watch.seen();
        if let Err(error) = ended {
            seen.trouble.get_or_insert(error.to_string());
        }
        // Nothing is known of a table that was never made, and nothing was processed.
        let rows = leases.list(Consistency::Strong).await.unwrap_or_default();
        Outcome::of(letters, &rows, seen)
    }
}

/// A row for each shard, with its parents, as a worker would make it.
async fn make_rows(leases: &MemoryLeaseStore, letters: &Letters) -> Result<()> {
    leases.prepare().await?;
    let stream = letters.stream.as_ref();
    let stream: &StreamId = stream.ok_or_else(|| Error::new(ErrorKind::Refused, "there are no letters"))?;
    for (name, shard) in &letters.shards {
        let key = ShardKey::new(stream.clone(), name.clone());
        let row = Lease::unowned(key, Checkpoint::TrimHorizon, shard.parents.clone());
        let _none_was_there = leases.create(&row).await?;
    }
    Ok(())
}
