use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use tokio::select;
use tokio_util::sync::CancellationToken;

use super::ShutdownReport;
use super::coordinator::Coordinator;
use super::shard_consumer::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventSink, Events};
use crate::lease::LeaseStore;
use crate::processor::{OnFailureDestination, ProcessorFactory, WhenExhausted};
use crate::settings::WorkerSettings;
use crate::stream::{Kinesis, Retriever};

/// The services that a worker uses.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Where records come from.
    pub kinesis: Arc<dyn Kinesis>,
    /// The lease table.
    pub leases: Arc<dyn LeaseStore>,
}

/// One member of the fleet that consumes a stream.
pub struct Worker {
    settings: WorkerSettings,
    ports: Ports,
    processors: Arc<dyn ProcessorFactory>,
    destination: Option<Arc<dyn OnFailureDestination>>,
    sink: Option<Arc<dyn EventSink>>,
}

impl Worker {
    /// A worker that makes its processors with `processors`. It does nothing until it is [run](Self::run).
    pub fn new(settings: WorkerSettings, ports: Ports, processors: impl ProcessorFactory) -> Self {
        Self { settings, ports, processors: Arc::new(processors), destination: None, sink: None }
    }

    /// Sends the worker's events to `sink`, too. They always go to `tracing` and `metrics`.
    pub fn with_event_sink(mut self, sink: impl EventSink) -> Self {
        self.sink = Some(Arc::new(sink));
        self
    }

    /// Where records are sent that the failure policy has given up, if it is to
    /// [send them](crate::processor::WhenExhausted::SendToDestination).
    pub fn with_on_failure_destination(mut self, destination: impl OnFailureDestination) -> Self {
        self.destination = Some(Arc::new(destination));
        self
    }

    /// As [`with_on_failure_destination`](Self::with_on_failure_destination), with one that others use, too.
    #[cfg(feature = "testing")]
    pub(crate) fn with_shared_destination(mut self, destination: Arc<dyn OnFailureDestination>) -> Self {
        self.destination = Some(destination);
        self
    }

    /// Consumes the stream until `shutdown` is ready; then lets each processor finish its batch, commits, releases
    /// every lease, and returns what became of each shard. That takes
    /// [`shutdown_grace`](WorkerSettings::shutdown_grace) at most; processors that need longer are dropped.
    ///
    /// Dropping the future stops everything it started, at any await point, like a crash: other workers take the
    /// leases one failover time later.
    ///
    /// # Errors
    /// Found out at the start, before the first scan, sync or take has succeeded:
    /// [`Refused`](crate::ErrorKind::Refused) if the settings, the credentials, the permissions or the lease table
    /// cannot work, [`NotFound`](crate::ErrorKind::NotFound) if there is no such stream,
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if a row of the table is no lease. At any time: `Refused` if another
    /// process turns out to run under the same worker id. Passing trouble is never an error here: it is reported as an
    /// event and tried again.
    ///
    /// # Panics
    /// Outside of a Tokio runtime with timers.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<ShutdownReport> {
        self.settings.validate()?;
        self.check_destination()?;
        let events = Events::new(self.settings.worker_id.clone(), self.sink);
        let stopping = CancellationToken::new();
        let retriever = Retriever::new(Arc::clone(&self.ports.kinesis), &self.settings, events.clone());
        let context = Context {
            settings: Arc::new(self.settings),
            ports: self.ports,
            processors: self.processors,
            destination: self.destination,
            retriever: Arc::new(retriever),
            events,
            stopping: stopping.clone(),
        };
        let coordinator = Coordinator::new(context);
        let mut running = pin!(coordinator.run());
        select! {
            biased;
            () = shutdown => {
                stopping.cancel();
                running.await
            }
            outcome = &mut running => outcome,
        }
    }
}

impl Worker {
    fn check_destination(&self) -> Result<()> {
        let is_wanted = self.settings.failure_policy.when_exhausted == WhenExhausted::SendToDestination;
        let message = match (is_wanted, &self.destination) {
            (true, None) => {
                "failure_policy.when_exhausted is SendToDestination, and the worker has no destination"
            }
            (false, Some(_)) => {
                "the worker has an on-failure destination, and failure_policy.when_exhausted is not SendToDestination"
            }
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::Refused, message))
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("settings", &self.settings).finish_non_exhaustive()
    }
}
