use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::aggregation::{Expansion, Seal};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::lease::{Conditional, Consistency, Lease, LeaseChange, LeaseStore};
use crate::memory::{
    MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings, MemoryLeaseStore, PutRecordOutput,
};
use crate::model::{Checkpoint, HashKeyRange, Record, RecordPosition, Shard, ShardId, StreamId, WorkerId};
use crate::processor::{OnFailureDestination, Processor, ProcessorFactory, ShardStart};
use crate::settings::WorkerSettings;
use crate::stream::Kinesis;
use crate::worker::{Ports, ShutdownReport, Worker};

/// How often the table is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How long to wait for what must happen, in virtual time: an hour is nothing, and what has not happened then never does.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// The last events that a failure shows.
const EVENTS_SHOWN_MAX: usize = 20;

/// Runs a processor over records, reshards, crashes and lost leases, on the in-memory backend.
///
/// In a test with `start_paused`, time is virtual: a crash and the failover after it take no time at all.
///
/// ```
/// use kcl_core::model::Record;
/// use kcl_core::processor::for_each_record;
/// use kcl_core::testing::Rehearsal;
/// use std::sync::{Arc, Mutex};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> kcl_core::Result<()> {
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let log = Arc::clone(&seen);
/// let mut rehearsal = Rehearsal::new(for_each_record(move |record: Record| {
///     log.lock().unwrap().push(record.data);
///     async { Ok(()) }
/// }))?;
/// rehearsal.put("key", "before")?;
/// rehearsal.until_committed().await?;
/// rehearsal.crash().await;
/// rehearsal.split()?;
/// rehearsal.put("key", "after")?;
/// rehearsal.until_committed().await?;
/// assert_eq!(*seen.lock().unwrap(), ["before", "after"]);
/// # Ok(())
/// # }
/// ```
///
/// A worker is started when there is something to wait for, and again after a crash or a stop, each with an id of its
/// own. What is never committed, because the processor fails on it or does not checkpoint, is an error of
/// [`until_committed`](Self::until_committed) that says where each shard stands.
///
/// Errors, for every method: what the stream or the worker refuses.
pub struct Rehearsal {
    kinesis: Arc<MemoryKinesis>,
    leases: Arc<MemoryLeaseStore>,
    settings: WorkerSettings,
    processors: Arc<dyn ProcessorFactory>,
    destination: Option<Arc<dyn OnFailureDestination>>,
    running: Option<Running>,
    workers_started: u32,
    /// The last record put into each shard that a processor gets.
    put: BTreeMap<ShardId, RecordPosition>,
    events: Arc<Mutex<Vec<String>>>,
}

struct Running {
    task: JoinHandle<Result<ShutdownReport>>,
    shutdown: oneshot::Sender<()>,
}

impl Rehearsal {
    /// A stream of one shard, and nobody who reads it yet.
    pub fn new(processors: impl ProcessorFactory) -> Result<Self> {
        let stream = StreamId::named("rehearsal")?;
        // Any number of records may be put at once.
        let limits = MemoryKinesisLimits::of_reads();
        let settings = MemoryKinesisSettings { limits, ..MemoryKinesisSettings::default() };
        let kinesis = Arc::new(MemoryKinesis::new(settings));
        kinesis.create_stream(&stream, 1)?;
        Ok(Self {
            kinesis,
            leases: Arc::new(MemoryLeaseStore::new()),
            settings: WorkerSettings::new(stream, WorkerId::new("worker")?),
            processors: Arc::new(processors),
            destination: None,
            running: None,
            workers_started: 0,
            put: BTreeMap::new(),
            events: Arc::default(),
        })
    }

    /// The settings of the workers that are started from here on. Their worker id is not used.
    pub fn settings(&mut self) -> &mut WorkerSettings {
        &mut self.settings
    }

    /// Gives the workers that are started from here on an on-failure destination.
    pub fn with_on_failure_destination(mut self, destination: impl OnFailureDestination) -> Self {
        self.destination = Some(Arc::new(destination));
        self
    }

    /// Puts a record, or an aggregate of records, into the shard of its partition key.
    pub fn put(&mut self, partition_key: &str, data: impl Into<Bytes>) -> Result<()> {
        let data = data.into();
        let output = self.kinesis.put_record(&self.settings.stream, partition_key, None, data.clone())?;
        let PutRecordOutput { shard_id, sequence_number } = output;
        let shards = self.kinesis.shards(&self.settings.stream)?;
        let shard = shards.iter().find(|shard| shard.shard_id == shard_id);
        let range = shard.map_or(HashKeyRange::FULL, |shard| shard.hash_key_range);
        let seal = Seal::of(&data);
        let record = Record {
            position: RecordPosition { sequence_number, sub_sequence_number: 0 },
            partition_key: partition_key.into(),
            explicit_hash_key: None,
            approximate_arrival: self.kinesis.now(),
            data,
        };
        let delivered = Expansion::new(record, seal, range, self.settings.outside_range);
        if let Some(last) = delivered.last() {
            self.put.insert(shard_id, last.position);
        }
        Ok(())
    }

    /// Splits each open shard in the middle of its hash keys.
    pub fn split(&self) -> Result<()> {
        for shard in self.open_shards()? {
            let range = shard.hash_key_range;
            let middle = range.start + (range.end - range.start) / 2;
            self.kinesis.split_shard(&self.settings.stream, &shard.shard_id, middle)?;
        }
        Ok(())
    }

    /// Merges the open shards, two by two.
    pub fn merge(&self) -> Result<()> {
        let mut shards = self.open_shards()?;
        shards.sort_by_key(|shard| shard.hash_key_range.start);
        for pair in shards.chunks_exact(2) {
            self.kinesis.merge_shards(&self.settings.stream, &pair[0].shard_id, &pair[1].shard_id)?;
        }
        Ok(())
    }

    fn open_shards(&self) -> Result<Vec<Shard>> {
        let mut shards = self.kinesis.shards(&self.settings.stream)?;
        shards.retain(Shard::is_open);
        Ok(shards)
    }

    /// Waits until everything that was put is committed: processed, or given up as the failure policy says.
    pub async fn until_committed(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            self.start()?;
            let rows = self.rows().await;
            let missing = self.missing(&rows);
            if missing.is_empty() {
                return Ok(());
            }
            self.end_if_finished().await?;
            if Instant::now() >= until {
                return Err(self.never(&missing));
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Lets virtual time go by, with a worker at work. Fails if that has ended by then.
    pub async fn pass(&mut self, time: Duration) -> Result<()> {
        self.start()?;
        sleep(time).await;
        self.end_if_finished().await
    }

    /// Ends the worker without goodbye, as SIGKILL does: its calls are dropped where they await, and its leases have to expire.
    pub async fn crash(&mut self) {
        if let Some(Running { task, shutdown }) = self.running.take() {
            task.abort();
            let _cancelled = task.await;
            drop(shutdown);
        }
    }

    /// Stops the worker in good order. Returns what became of its shards.
    pub async fn stop(&mut self) -> Result<ShutdownReport> {
        if let Some(running) = &mut self.running {
            let (shutdown, _) = oneshot::channel();
            // One that has ended by itself hears nothing.
            let _told = std::mem::replace(&mut running.shutdown, shutdown).send(());
            return self.ended().await;
        }
        Ok(ShutdownReport::default())
    }

    /// Takes every lease from the worker, as another worker would that believes it dead, and frees it again.
    pub async fn lose_leases(&mut self) -> Result<()> {
        let thief = WorkerId::new("thief")?;
        for row in self.rows().await.into_iter().filter(|row| row.owner.is_some()) {
            let take = LeaseChange::Take { by: thief.clone() };
            if let Conditional::Applied(taken) = self.leases.update(&row, &take).await? {
                self.leases.update(&taken, &LeaseChange::Release).await?;
            }
        }
        Ok(())
    }

    /// What the workers have reported, as text.
    pub fn events(&self) -> Vec<String> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn start(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        self.workers_started += 1;
        let worker_id = WorkerId::new(format!("worker-{}", self.workers_started))?;
        let settings = WorkerSettings { worker_id, ..self.settings.clone() };
        let kinesis: Arc<dyn Kinesis> = Arc::<MemoryKinesis>::clone(&self.kinesis);
        let leases: Arc<dyn LeaseStore> = Arc::<MemoryLeaseStore>::clone(&self.leases);
        let ports = Ports { kinesis, leases };
        let events = Arc::clone(&self.events);
        let mut worker = Worker::new(settings, ports, Shared(Arc::clone(&self.processors))).with_event_sink(
            move |worker: &WorkerId, event: &Event<'_>| {
                let mut events = events.lock().unwrap_or_else(PoisonError::into_inner);
                events.push(format!("{worker}: {event:?}"));
            },
        );
        if let Some(destination) = &self.destination {
            worker = worker.with_shared_destination(Arc::clone(destination));
        }
        let (shutdown, stopped) = oneshot::channel();
        let task = tokio::spawn(worker.run(async {
            let _dropped_or_sent = stopped.await;
        }));
        self.running = Some(Running { task, shutdown });
        Ok(())
    }

    /// Nobody has told the worker to stop: if it has ended, that is an error, which it says.
    async fn end_if_finished(&mut self) -> Result<()> {
        if self.running.as_ref().is_some_and(|running| running.task.is_finished()) {
            self.ended().await?;
        }
        Ok(())
    }

    /// How the worker ended.
    async fn ended(&mut self) -> Result<ShutdownReport> {
        let Some(Running { task, shutdown }) = self.running.take() else {
            return Ok(ShutdownReport::default());
        };
        let outcome = task.await;
        drop(shutdown);
        outcome.map_err(|panic| Error::new(ErrorKind::Refused, format!("the worker ended: {panic}")))?
    }

    /// Empty before the first worker has made the table.
    async fn rows(&self) -> Vec<Lease> {
        self.leases.list(Consistency::Strong).await.unwrap_or_default()
    }

    fn missing(&self, rows: &[Lease]) -> Vec<String> {
        let committed = |shard: &ShardId| {
            rows.iter().find(|row| row.shard.shard_id == *shard).map(|row| row.checkpoint.clone())
        };
        let missing = self.put.iter().filter_map(|(shard, last)| match committed(shard) {
            Some(checkpoint) if checkpoint >= Checkpoint::At(last.clone()) => None,
            Some(checkpoint) => {
                Some(format!("{shard} stands at {checkpoint}, and its last record is {last}"))
            }
            None => Some(format!("{shard} has no lease, and its last record is {last}")),
        });
        missing.collect()
    }

    fn never(&self, missing: &[String]) -> Error {
        let events = self.events();
        let shown = events.len().saturating_sub(EVENTS_SHOWN_MAX);
        let message = format!(
            "not everything was committed within {PATIENCE:?}: {}; the last events were:\n{}",
            missing.join("; "),
            events[shown..].join("\n")
        );
        Error::new(ErrorKind::Transient, message)
    }
}

impl Drop for Rehearsal {
    /// A worker is not left behind in a test that goes on.
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.task.abort();
        }
    }
}

impl fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rehearsal").field("put", &self.put).finish_non_exhaustive()
    }
}

/// One factory for one worker after another.
struct Shared(Arc<dyn ProcessorFactory>);

impl ProcessorFactory for Shared {
    fn create(&self, start: &ShardStart) -> Processor {
        self.0.create(start)
    }
}
