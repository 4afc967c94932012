//! How many records a second go from the in-memory stream to a processor that does nothing: what the framework itself costs,
//! with no service and no network in it.
//!
//! Prints records for each second of CPU time, with one thread and with two, and the wall time beside it.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use kcl_core::WorkerSettings;
use kcl_core::memory::{MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings, MemoryLeaseStore};
use kcl_core::model::{ShardKey, StreamId, WorkerId};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor};
use kcl_core::worker::{Ports, Worker};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::time::Instant;

/// A shard is read at 2 MB a second, so it takes many to keep a core busy.
const SHARDS: usize = 200;

const RECORDS_PER_SHARD: usize = 20_000;

const RECORD_BYTES: usize = 100;

const NANOS_PER_SEC: f64 = 1e9;

/// Counts, and tells when the first and the last record have come.
struct Count {
    seen: Arc<AtomicUsize>,
    first: Arc<Notify>,
    last: Arc<Notify>,
}

#[async_trait]
impl RecordProcessor for Count {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        let before = self.seen.fetch_add(batch.records.len(), Ordering::Relaxed);
        if before == 0 {
            self.first.notify_one();
        }
        if before + batch.records.len() == SHARDS * RECORDS_PER_SHARD {
            self.last.notify_one();
        }
        Ok(())
    }
}

/// The CPU time that this process has used, in nanoseconds.
fn cpu_nanos() -> f64 {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let of_thread = |path: std::path::PathBuf| -> f64 {
        let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default()
    };
    threads.map(|thread| of_thread(thread.unwrap().path())).sum()
}

fn filled() -> (Arc<MemoryKinesis>, StreamId) {
    let stream = StreamId::named("orders").unwrap();
    let settings = MemoryKinesisSettings { limits: MemoryKinesisLimits::none(), ..Default::default() };
    let kinesis = Arc::new(MemoryKinesis::new(settings));
    kinesis.create_stream(&stream, SHARDS).unwrap();
    let data = Bytes::from(vec![b'.'; RECORD_BYTES]);
    for shard in 0..SHARDS {
        let hash_key = u128::MAX / SHARDS as u128 * shard as u128 + 1;
        for _ in 0..RECORDS_PER_SHARD {
            kinesis.put_record(&stream, "key", Some(hash_key), data.clone()).unwrap();
        }
    }
    (kinesis, stream)
}

/// Consumes everything. Prints what it took from the first record to the last.
fn measure(name: &str, runtime: &Runtime) {
    let (kinesis, stream) = filled();
    let (seen, first, last) = (Arc::default(), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let ports = Ports { kinesis, leases: Arc::new(MemoryLeaseStore::default()) };
    let settings = WorkerSettings::new(stream, WorkerId::new("a").unwrap());
    let (came, done) = (Arc::clone(&first), Arc::clone(&last));
    let count = move |_: &ShardKey| Count {
        seen: Arc::clone(&seen),
        first: Arc::clone(&came),
        last: Arc::clone(&done),
    };
    runtime.block_on(async {
        let worker = tokio::spawn(Worker::new(settings, ports, count).run(std::future::pending()));
        first.notified().await;
        let (started, cpu) = (Instant::now(), cpu_nanos());
        last.notified().await;
        let wall = started.elapsed().as_secs_f64();
        let cpu = (cpu_nanos() - cpu) / NANOS_PER_SEC;
        worker.abort();
        #[expect(clippy::cast_precision_loss, reason = "a few millions")]
        let records = (SHARDS * RECORDS_PER_SHARD) as f64;
        println!(
            "{name}: {:.2} million records per CPU-second, {:.2} per second, {cpu:.2} CPU-s in {wall:.2} s",
            records / cpu / 1e6,
            records / wall / 1e6
        );
    });
}

fn main() {
    for _ in 0..3 {
        measure("one thread ", &Builder::new_current_thread().enable_time().build().unwrap());
        measure("two threads", &Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap());
    }
}
