//! Workers on one stream and one lease table, with an oracle that sees every put and every delivery.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kcl_core::lease::{Consistency, Lease, LeaseStore};
use kcl_core::memory::{
    MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings, MemoryLeaseStore, PutRecordOutput,
};
use kcl_core::model::{Checkpoint, RecordPosition, ShardId, ShardKey, StreamId, WorkerId};
use kcl_core::processor::{
    Checkpointer, ProcessorError, ProcessorFactory, RecordBatch, RecordProcessor, ShardStart,
};
use kcl_core::stream::Kinesis;
use kcl_core::testing::{DeliveryOracle, Fault, FaultyKinesis, FaultyLeaseStore, KinesisCall, LeaseCall};
use kcl_core::worker::{Ports, ShutdownReport, Worker};
use kcl_core::{Event, Result, WorkerSettings};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Virtual time, so generous: whatever is promised happens long before.
const PATIENCE: Duration = Duration::from_secs(300);

/// The rhythm in which a condition is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// The keys that records are spread over.
const KEYS: usize = 20;

pub(super) struct Fleet {
    pub(super) kinesis: Arc<MemoryKinesis>,
    pub(super) leases: Arc<dyn LeaseStore>,
    pub(super) stream: StreamId,
    pub(super) oracle: Arc<DeliveryOracle>,
    /// What workers reported, as `worker: event`, and when.
    pub(super) events: Arc<Mutex<Vec<(Instant, String)>>>,
    running: BTreeMap<String, Running>,
    records_put: usize,
}

struct Running {
    task: JoinHandle<Result<ShutdownReport>>,
    shutdown: oneshot::Sender<()>,
}

impl Fleet {
    /// A stream of `shards` shards, and no worker.
    pub(super) fn new(shards: usize) -> Self {
        let stream = StreamId::named("orders").unwrap();
        let limits = MemoryKinesisLimits::of_reads();
        let settings = MemoryKinesisSettings { limits, ..MemoryKinesisSettings::default() };
        let kinesis = Arc::new(MemoryKinesis::new(settings));
        kinesis.create_stream(&stream, shards).unwrap();
        Self {
            kinesis,
            leases: Arc::new(MemoryLeaseStore::default()),
            stream,
            oracle: Arc::default(),
            events: Arc::default(),
            running: BTreeMap::new(),
            records_put: 0,
        }
    }

    pub(super) fn settings(&self, name: &str) -> WorkerSettings {
        WorkerSettings::new(self.stream.clone(), WorkerId::new(name).unwrap())
    }

    /// The backend, for a worker or for a wrapper that adds faults.
    pub(super) fn ports(&self) -> Ports {
        let kinesis: Arc<dyn Kinesis> = Arc::<MemoryKinesis>::clone(&self.kinesis);
        Ports { kinesis, leases: Arc::clone(&self.leases) }
    }

    /// Starts a worker that tells the oracle what it delivers.
    pub(super) fn start(&mut self, name: &str) {
        self.start_with(name, self.settings(name), self.ports(), self.recorder());
    }

    /// Starts a worker under the name `name` with everything of the test's own choice.
    pub(super) fn start_with(
        &mut self,
        name: &str,
        settings: WorkerSettings,
        ports: Ports,
        processors: impl ProcessorFactory,
    ) {
        self.start_worker(name, Worker::new(settings, ports, processors));
    }

    /// Starts a worker under the name `name`, and keeps its events.
    pub(super) fn start_worker(&mut self, name: &str, worker: Worker) {
        let events = Arc::clone(&self.events);
        let worker = worker.with_event_sink(move |worker: &WorkerId, event: &Event<'_>| {
            events.lock().unwrap().push((Instant::now(), format!("{worker}: {event:?}")));
        });
        let (shutdown, stopped) = oneshot::channel();
        let task = tokio::spawn(worker.run(async {
            let _dropped_or_sent = stopped.await;
        }));
        self.running.insert(name.to_owned(), Running { task, shutdown });
    }

    /// A factory of processors that do nothing but tell the oracle.
    pub(super) fn recorder(&self) -> impl ProcessorFactory + use<> {
        let oracle = Arc::clone(&self.oracle);
        move |_: &ShardKey| Recorder { oracle: Arc::clone(&oracle) }
    }

    /// Puts ten records, has a worker process and commit them, and stops it.
    pub(super) async fn consume_ten(&mut self) {
        self.put(10);
        self.start("a");
        self.drain().await;
        self.stop("a").await;
    }

    /// Ends a worker without goodbye.
    pub(super) async fn crash(&mut self, name: &str) {
        let Running { task, shutdown } = self.running.remove(name).unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        drop(shutdown);
    }

    /// Asks a worker to stop, and waits until it has.
    pub(super) async fn stop(&mut self, name: &str) {
        self.begin_stop(name).await;
    }

    /// Asks a worker to stop. The future is ready when it has.
    pub(super) fn begin_stop(&mut self, name: &str) -> impl Future<Output = ShutdownReport> + use<> {
        let Running { task, shutdown } = self.running.remove(name).unwrap();
        shutdown.send(()).unwrap();
        async { timeout(PATIENCE, task).await.unwrap().unwrap().unwrap() }
    }

    /// Waits until a worker ends by itself.
    pub(super) async fn outcome(&mut self, name: &str) -> Result<ShutdownReport> {
        let Running { task, shutdown } = self.running.remove(name).unwrap();
        let outcome = timeout(PATIENCE, task).await.unwrap().unwrap();
        drop(shutdown);
        outcome
    }

    /// How many workers have ended by themselves.
    pub(super) fn ended(&self) -> usize {
        self.running.values().filter(|running| running.task.is_finished()).count()
    }

    /// Puts `count` records, round and round over the keys.
    pub(super) fn put(&mut self, count: usize) {
        for _ in 0..count {
            let key = format!("key-{}", self.records_put % KEYS);
            let data = Bytes::from(format!("record {}", self.records_put));
            let PutRecordOutput { shard_id, sequence_number } =
                self.kinesis.put_record(&self.stream, &key, None, data).unwrap();
            self.oracle.put(&key, &shard_id, &sequence_number);
            self.records_put += 1;
        }
    }

    /// Puts a record into the first shard. Returns the checkpoint that covers it.
    pub(super) fn put_one(&mut self) -> Checkpoint {
        let data = Bytes::from_static(b"one");
        let PutRecordOutput { shard_id, sequence_number } =
            self.kinesis.put_record(&self.stream, "one", Some(0), data).unwrap();
        self.oracle.put("one", &shard_id, &sequence_number);
        Checkpoint::At(RecordPosition { sequence_number, sub_sequence_number: 0 })
    }

    /// Splits an open shard in the middle.
    pub(super) fn split(&self, shard_id: &ShardId) -> [ShardId; 2] {
        let shards = self.kinesis.shards(&self.stream).unwrap();
        let shard = shards.iter().find(|shard| shard.shard_id == *shard_id).unwrap();
        let range = shard.hash_key_range;
        let middle = range.start + (range.end - range.start) / 2;
        self.kinesis.split_shard(&self.stream, shard_id, middle).unwrap()
    }

    /// Waits until everything put is delivered.
    pub(super) async fn drain(&self) {
        self.until("everything is delivered", || self.oracle.outstanding() == 0).await;
    }

    /// Waits until a condition holds.
    pub(super) async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let looked = timeout(PATIENCE, async {
            while !condition() {
                sleep(LOOK_INTERVAL).await;
            }
        });
        let found = looked.await.is_ok();
        let (verdict, events) = (self.oracle.verdict(), self.events.lock().unwrap());
        assert!(found, "waited in vain until {what}: {verdict}\n{events:#?}");
    }

    /// Waits until the rows satisfy a condition.
    pub(super) async fn until_rows(&self, what: &str, condition: impl Fn(&[Lease]) -> bool) {
        let looked = timeout(PATIENCE, async {
            while !condition(&self.rows().await) {
                sleep(LOOK_INTERVAL).await;
            }
        });
        let found = looked.await.is_ok();
        assert!(found, "waited in vain until {what}: {:#?}", self.rows().await);
    }

    /// The lease table; empty before the first worker has made it.
    pub(super) async fn rows(&self) -> Vec<Lease> {
        self.leases.list(Consistency::Strong).await.unwrap_or_default()
    }

    pub(super) async fn row(&self, shard_id: &ShardId) -> Lease {
        let shard = ShardKey::new(self.stream.clone(), shard_id.clone());
        self.leases.get(&shard).await.unwrap().unwrap()
    }

    /// How many unfinished leases each worker owns.
    pub(super) async fn shares(&self) -> BTreeMap<String, usize> {
        let mut shares = BTreeMap::new();
        for owner in
            self.rows().await.iter().filter(|row| !row.is_finished()).filter_map(|row| row.owner.as_ref())
        {
            *shares.entry(owner.to_string()).or_default() += 1;
        }
        shares
    }

    /// How many events there were whose text has `needle` in it.
    pub(super) fn count_events(&self, needle: &str) -> usize {
        self.events.lock().unwrap().iter().filter(|(_, event)| event.contains(needle)).count()
    }

    /// How many records the processors took, as the events have it.
    pub(super) fn records_processed(&self) -> usize {
        let events = self.events.lock().unwrap();
        let records = events.iter().filter_map(|(_, event)| {
            let (_, records) = event.split_once(": BatchProcessed")?.1.split_once("records: ")?;
            records.split(',').next()?.parse::<usize>().ok()
        });
        records.sum()
    }

    /// Fails unless every record was delivered, in order. Returns the number of duplicates.
    pub(super) fn assert_good(&self) -> usize {
        let verdict = self.oracle.verdict();
        assert!(verdict.is_good(), "{verdict}");
        verdict.duplicates
    }
}

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The fleet's backend, with a lease table that fails as `decide` says.
pub(super) fn faulty_leases(
    fleet: &Fleet,
    decide: impl Fn(LeaseCall<'_>) -> Fault + Send + Sync + 'static,
) -> Ports {
    Ports { leases: Arc::new(FaultyLeaseStore::new(Arc::clone(&fleet.leases), decide)), ..fleet.ports() }
}

/// The fleet's backend, with a stream that fails as `decide` says.
pub(super) fn faulty_kinesis(
    fleet: &Fleet,
    decide: impl Fn(KinesisCall<'_>) -> Fault + Send + Sync + 'static,
) -> Ports {
    Ports { kinesis: Arc::new(FaultyKinesis::new(fleet.ports().kinesis, decide)), ..fleet.ports() }
}

pub(super) fn shard_id(number: usize) -> ShardId {
    ShardId::new(format!("shardId-{number:012}"))
}

struct Recorder {
    oracle: Arc<DeliveryOracle>,
}

#[async_trait]
impl RecordProcessor for Recorder {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        Ok(())
    }
}

/// A processor whose `process_records` is a closure and which counts its other calls.
pub(super) struct Scripted<F> {
    pub(super) process: F,
    pub(super) calls: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl<F> RecordProcessor for Scripted<F>
where
    F: AsyncScript,
{
    async fn initialize(&mut self, start: &ShardStart) -> Result<(), ProcessorError> {
        self.calls.lock().unwrap().push(format!("initialize {}", start.checkpoint));
        Ok(())
    }

    async fn process_records(
        &mut self,
        batch: &RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        self.process.run(batch, checkpointer).await
    }

    async fn lease_lost(&mut self) {
        self.calls.lock().unwrap().push("lease_lost".to_owned());
    }

    async fn shard_ended(&mut self) -> Result<(), ProcessorError> {
        self.calls.lock().unwrap().push("shard_ended".to_owned());
        Ok(())
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        self.calls.lock().unwrap().push("shutdown_requested".to_owned());
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

/// What a [`Scripted`] processor does with a batch.
#[async_trait]
pub(super) trait AsyncScript: Send + 'static {
    async fn run(&mut self, batch: &RecordBatch, checkpointer: &Checkpointer) -> Result<(), ProcessorError>;
}
