use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use std::{fmt, io};

use kcl_core::model::WorkerId;
use kcl_core::{Event, describe_metrics};
use metrics::{describe_gauge, with_local_recorder};
use tokio::runtime::{Builder, Runtime};
use tokio::select;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::board::StatusBoard;
use super::health::Health;
use super::http::serve;
use super::metrics::Metrics;
use crate::Failure;

/// How often the worker's runtime is asked whether it answers.
const PULSE_INTERVAL: Duration = Duration::from_secs(1);

/// The metrics of shards that have left are kept for a number of these.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(60);

/// What to serve, and of which worker.
#[derive(Debug, Clone)]
pub struct OperationsSettings {
    /// Where: see [`http_address`](super::http_address).
    pub http_address: SocketAddr,
    /// Whether metrics tell shards apart. Off for a worker of thousands of shards: each has some ten series.
    pub metrics_shard_labels: bool,
    /// Who is shown.
    pub worker: WorkerFacts,
    /// The worker's failover time, by which the age of its last scan is judged.
    pub failover_time: Duration,
}

/// What is shown of the worker that it does not report.
#[derive(Debug, Clone)]
pub struct WorkerFacts {
    /// Its name in the lease table.
    pub worker_id: WorkerId,
    /// The stream.
    pub stream: String,
    /// The application.
    pub application: String,
}

/// The HTTP endpoint of one worker. Dropping it closes it, so it is to be dropped after the worker has stopped: probes see
/// the shutdown as long as it lasts.
pub struct Operations {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    _pulse: AbortOnDropHandle<()>,
}

/// What events write and requests read.
pub(super) struct Shared {
    pub(super) worker: WorkerFacts,
    pub(super) metrics: Arc<Metrics>,
    failover_time: Duration,
    board: Mutex<StatusBoard>,
    started_at: Instant,
    /// When the worker's runtime ran our task last, in milliseconds since `started_at`.
    pulse_ms: AtomicU64,
}

impl Operations {
    /// Binds the address and answers from here on. The `metrics` facade writes to this endpoint, unless the program has
    /// given it another recorder before: then `/metrics` has only the age of the last scan.
    ///
    /// # Errors
    /// If the address cannot be bound, or the thread not be made.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn start(settings: OperationsSettings) -> Result<Self, Failure> {
        let wanted = settings.http_address;
        let (listener, address, runtime) = bind(wanted).map_err(|error| {
            Failure::runtime(format!("cannot serve HTTP at {wanted}: {error}; choose another address"))
        })?;
        let shared = Arc::new(Shared::new(settings));
        with_local_recorder(&*shared.metrics, || {
            describe_metrics();
            describe_gauge!("kcl_table_scan_age_seconds", "How long ago the lease table was scanned last");
        });
        if metrics::set_global_recorder(Arc::clone(&shared.metrics)).is_err() {
            warn!("this program records its metrics elsewhere, /metrics does not show them");
        }
        let stop = CancellationToken::new();
        let (served, stopped) = (Arc::clone(&shared), stop.clone());
        let thread = thread::Builder::new().name("operations".to_owned());
        let spawned = thread.spawn(move || runtime.block_on(run(listener, served, stopped)));
        spawned.map_err(|error| Failure::runtime(format!("cannot start a thread: {error}")))?;
        info!(%address, "serving /livez, /readyz, /status and /metrics");
        let pulse = AbortOnDropHandle::new(tokio::spawn(beat(Arc::clone(&shared))));
        Ok(Self { address, shared, stop, _pulse: pulse })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the worker's events are to be given to.
    pub fn sink(&self) -> impl Fn(&WorkerId, &Event<'_>) + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move |_, event| shared.observe(event)
    }
}

impl Drop for Operations {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(settings: OperationsSettings) -> Self {
        Self {
            worker: settings.worker,
            metrics: Arc::new(Metrics::new(settings.metrics_shard_labels)),
            failover_time: settings.failover_time,
            board: Mutex::default(),
            started_at: Instant::now(),
            pulse_ms: AtomicU64::new(0),
        }
    }

    pub(super) fn observe(&self, event: &Event<'_>) {
        self.metrics.observe(event);
        self.board.lock().unwrap_or_else(PoisonError::into_inner).observe(event, self.now());
    }

    /// The time since the start.
    pub(super) fn now(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// The board as it is: a copy, so that nothing waits while it is written out.
    pub(super) fn board_now(&self) -> StatusBoard {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_live(&self) -> Result<(), String> {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        self.health().is_live(&board, self.now())
    }

    pub(super) fn is_ready(&self) -> Result<(), String> {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        self.health().is_ready(&board, self.now())
    }

    fn health(&self) -> Health {
        let pulse_at = Duration::from_millis(self.pulse_ms.load(Ordering::Relaxed));
        Health { failover_time: self.failover_time, pulse_at }
    }
}

/// A runtime of its own: the worker's may be blocked, and that is to be told.
fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr, Runtime)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    Ok((listener, address, runtime))
}

async fn run(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let upkeep = async {
        let mut rounds = interval(UPKEEP_INTERVAL);
        loop {
            rounds.tick().await;
            shared.metrics.upkeep();
        }
    };
    select! {
        biased;
        () = stop.cancelled() => {}
        () = serve(listener, Arc::clone(&shared)) => {}
        () = upkeep => {}
    }
}

/// Shows that the runtime it runs on gets round to it.
async fn beat(shared: Arc<Shared>) {
    loop {
        let now = u64::try_from(shared.now().as_millis()).unwrap_or(u64::MAX);
        shared.pulse_ms.store(now, Ordering::Relaxed);
        sleep(PULSE_INTERVAL).await;
    }
}
