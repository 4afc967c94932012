//! A stream, its lease table and an oracle that sees every put and every delivery; and workers on them, in this process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::lease::{Consistency, Lease};
use kcl_core::model::{SequenceNumber, Shard, ShardId, ShardKey, StreamId, WorkerId};
use kcl_core::processor::{Checkpointer, ProcessorError, ProcessorFactory, RecordBatch, RecordProcessor};
use kcl_core::stream::PollingSettings;
use kcl_core::testing::DeliveryOracle;
use kcl_core::worker::{Ports, ShutdownReport, Worker};
use kcl_core::{Event, Result, WorkerSettings};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::backend::{Backend, WAIT_MAX, until};

/// The keys that records are spread over: enough for several in each shard.
const KEYS: usize = 20;

/// Where a fleet's stream and its lease table are.
pub(crate) trait Service: 'static {
    /// What a worker of `stream` needs.
    fn ports(&self, stream: &StreamId) -> Ports;

    /// Puts one record. Returns the shard that took it, and its sequence number.
    fn put(
        &self,
        stream: &StreamId,
        partition_key: &str,
        data: &[u8],
    ) -> impl Future<Output = (ShardId, SequenceNumber)>;

    /// All shards that the stream lists, ordered by id.
    fn shards(&self, stream: &StreamId) -> impl Future<Output = Vec<Shard>>;

    /// Splits a shard in the middle, and returns its two children.
    fn split(&self, stream: &StreamId, shard_id: &ShardId) -> impl Future<Output = Vec<Shard>>;
}

impl Service for Backend {
    fn ports(&self, stream: &StreamId) -> Ports {
        Ports { kinesis: self.kinesis(), leases: self.lease_store(stream) }
    }

    async fn put(&self, stream: &StreamId, partition_key: &str, data: &[u8]) -> (ShardId, SequenceNumber) {
        self.put(stream, partition_key, data).await
    }

    async fn shards(&self, stream: &StreamId) -> Vec<Shard> {
        self.shards(stream).await
    }

    async fn split(&self, stream: &StreamId, shard_id: &ShardId) -> Vec<Shard> {
        self.split(stream, shard_id).await
    }
}

pub(crate) struct Fleet<S = Backend> {
    pub(crate) backend: S,
    pub(crate) stream: StreamId,
    pub(crate) oracle: Arc<DeliveryOracle>,
    /// How many records each worker has delivered, repetitions included.
    deliveries: Arc<Mutex<BTreeMap<String, usize>>>,
    /// What workers reported: shown if the test fails.
    events: Arc<Mutex<Vec<String>>>,
    running: BTreeMap<String, Running>,
    records_put: AtomicUsize,
}

struct Running {
    task: JoinHandle<Result<ShutdownReport>>,
    shutdown: oneshot::Sender<()>,
}

impl Fleet {
    /// A stream of `shards` shards, and no worker.
    pub(crate) async fn new(shards: usize) -> Self {
        let backend = Backend::start().await;
        let stream = backend.create_stream(shards).await;
        Self::on(backend, stream)
    }
}

impl<S: Service> Fleet<S> {
    /// This stream, and no worker.
    pub(crate) fn on(backend: S, stream: StreamId) -> Self {
        Self {
            backend,
            stream,
            oracle: Arc::default(),
            deliveries: Arc::default(),
            events: Arc::default(),
            running: BTreeMap::new(),
            records_put: AtomicUsize::new(0),
        }
    }

    /// The defaults, but for the two rhythms, which are as fast as they may be.
    pub(crate) fn settings(&self, name: &str) -> WorkerSettings {
        WorkerSettings {
            lease_scan_interval: Duration::from_millis(100),
            polling: PollingSettings {
                idle_time_between_reads: Duration::from_millis(200),
                ..PollingSettings::default()
            },
            ..WorkerSettings::new(self.stream.clone(), WorkerId::new(name).unwrap())
        }
    }

    /// Settings with which a shard takes many reads, so that things happen in the middle of it.
    pub(crate) fn small_reads(&self, name: &str) -> WorkerSettings {
        let mut settings = self.settings(name);
        settings.polling.records_per_read_max = 10;
        settings
    }

    pub(crate) fn ports(&self) -> Ports {
        self.backend.ports(&self.stream)
    }

    /// Starts a worker that tells the oracle what it delivers.
    pub(crate) fn start(&mut self, settings: WorkerSettings) {
        let recorder = self.recorder(&settings);
        self.start_with(settings, self.ports(), recorder);
    }

    /// Starts a worker with everything of the test's own choice.
    pub(crate) fn start_with(
        &mut self,
        settings: WorkerSettings,
        ports: Ports,
        processors: impl ProcessorFactory,
    ) {
        let name = settings.worker_id.to_string();
        let events = Arc::clone(&self.events);
        let sink = move |worker: &WorkerId, event: &Event<'_>| {
            events.lock().unwrap().push(format!("{worker}: {event:?}"));
        };
        let worker = Worker::new(settings, ports, processors).with_event_sink(sink);
        let (shutdown, stopped) = oneshot::channel();
        let task = tokio::spawn(worker.run(async {
            let _dropped_or_sent = stopped.await;
        }));
        self.running.insert(name, Running { task, shutdown });
    }

    /// A factory of processors that do nothing but tell the oracle.
    pub(crate) fn recorder(&self, settings: &WorkerSettings) -> impl ProcessorFactory + use<S> {
        let (oracle, deliveries) = (Arc::clone(&self.oracle), Arc::clone(&self.deliveries));
        let worker = settings.worker_id.to_string();
        move |_: &ShardKey| Recorder {
            worker: worker.clone(),
            oracle: Arc::clone(&oracle),
            deliveries: Arc::clone(&deliveries),
        }
    }

    /// Ends a worker without goodbye.
    pub(crate) async fn crash(&mut self, name: &str) {
        let Running { task, shutdown } = self.running.remove(name).unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled(), "worker {name} had ended by itself");
        drop(shutdown);
    }

    /// Asks a worker to stop, and waits until it has.
    pub(crate) async fn stop(&mut self, name: &str) {
        let Running { task, shutdown } = self.running.remove(name).unwrap();
        // Fails if the worker has ended by itself; its error, next, says more.
        let _asked = shutdown.send(());
        timeout(WAIT_MAX, task).await.unwrap().unwrap().unwrap();
    }

    /// Puts `count` records, round and round over the keys. Returns the newest of each shard that took any.
    pub(crate) async fn put(&self, count: usize) -> BTreeMap<ShardId, SequenceNumber> {
        let mut newest = BTreeMap::new();
        for _ in 0..count {
            let number = self.records_put.fetch_add(1, Ordering::Relaxed);
            let key = format!("key-{}", number % KEYS);
            let data = format!("record {number}");
            let (shard_id, sequence_number) = self.backend.put(&self.stream, &key, data.as_bytes()).await;
            self.oracle.put(&key, &shard_id, &sequence_number);
            newest.insert(shard_id, sequence_number);
        }
        newest
    }

    /// The ids of all shards, in the order of their hash keys.
    pub(crate) async fn shard_ids(&self) -> Vec<ShardId> {
        let mut shards = self.backend.shards(&self.stream).await;
        shards.sort_by_key(|shard| shard.hash_key_range.start);
        shards.into_iter().map(|shard| shard.shard_id).collect()
    }

    /// The ids of the shards that take new records, in the order of their hash keys.
    pub(crate) async fn open_shard_ids(&self) -> Vec<ShardId> {
        let mut shards = self.backend.shards(&self.stream).await;
        shards.retain(Shard::is_open);
        shards.sort_by_key(|shard| shard.hash_key_range.start);
        shards.into_iter().map(|shard| shard.shard_id).collect()
    }

    /// Splits a shard in the middle, and returns its children in the order of their hash keys.
    pub(crate) async fn split(&self, shard_id: &ShardId) -> Vec<ShardId> {
        let mut children = self.backend.split(&self.stream, shard_id).await;
        children.sort_by_key(|shard| shard.hash_key_range.start);
        children.into_iter().map(|shard| shard.shard_id).collect()
    }

    /// Waits until everything put is delivered.
    pub(crate) async fn drain(&self) {
        self.until_outstanding("everything is delivered", 0).await;
    }

    /// Waits until no more than `count` records are still to be delivered.
    pub(crate) async fn until_outstanding(&self, what: &str, count: usize) {
        until(what, || async { self.oracle.outstanding() <= count }).await;
    }

    /// Waits until the rows satisfy a condition.
    pub(crate) async fn until_rows(&self, what: &str, condition: impl Fn(&[Lease]) -> bool) {
        until(what, || async { condition(&self.rows().await) }).await;
    }

    /// Waits until each of these workers owns as many unfinished leases as is said.
    pub(crate) async fn until_shares(&self, shares: &[(&str, usize)]) {
        let share = |rows: &[Lease], name: &str| {
            let owned = |row: &&Lease| row.owner.as_ref().is_some_and(|owner| owner.as_str() == name);
            rows.iter().filter(|row| !row.is_finished()).filter(owned).count()
        };
        let what = format!("the shares are {shares:?}");
        self.until_rows(&what, |rows| shares.iter().all(|(name, count)| share(rows, name) == *count)).await;
    }

    /// The lease table; empty before the first worker has made it.
    pub(crate) async fn rows(&self) -> Vec<Lease> {
        self.ports().leases.list(Consistency::Strong).await.unwrap_or_default()
    }

    /// How many records a worker has delivered, repetitions included.
    pub(crate) fn deliveries(&self, name: &str) -> usize {
        self.deliveries.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    /// How many events there were whose text has `needle` in it.
    pub(crate) fn count_events(&self, needle: &str) -> usize {
        self.events.lock().unwrap().iter().filter(|event| event.contains(needle)).count()
    }

    /// Fails unless every record was delivered, in order. Returns the number of duplicates.
    pub(crate) fn assert_good(&self) -> usize {
        let verdict = self.oracle.verdict();
        assert!(verdict.is_good(), "{verdict}");
        verdict.duplicates
    }
}

/// What a failed test has to say beyond its assertion.
impl<S> Drop for Fleet<S> {
    fn drop(&mut self) {
        if thread::panicking() {
            let events = self.events.lock().map(|events| events.join("\n")).unwrap_or_default();
            eprintln!("{}\n{events}", self.oracle.verdict());
        }
    }
}

struct Recorder {
    worker: String,
    oracle: Arc<DeliveryOracle>,
    deliveries: Arc<Mutex<BTreeMap<String, usize>>>,
}

#[async_trait]
impl RecordProcessor for Recorder {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        *self.deliveries.lock().unwrap().entry(self.worker.clone()).or_default() += batch.records.len();
        Ok(())
    }
}
