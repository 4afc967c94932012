//! What lanes are worth and what they cost: one shard, 1,000 keys, and a handler that waits 5 ms, as for a database, with 1
//! and with 64 calls at a time; then one that returns at once, which shows the framework's own share.
//!
//! In real time: under a paused clock the work between two waits would take none, and the ratio would be perfect.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kcl_core::WorkerSettings;
use kcl_core::memory::{MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings, MemoryLeaseStore};
use kcl_core::model::{Record, StreamId, WorkerId};
use kcl_core::processor::for_each_record;
use kcl_core::worker::{Ports, Worker};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

const KEYS: usize = 1_000;

const RECORD_BYTES: usize = 100;

const NANOS_PER_SEC: f64 = 1e9;

/// What a run has taken from its first record to its last.
struct Taken {
    records_per_sec: f64,
    cpu_micros_per_record: f64,
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

fn filled(records: usize) -> (Arc<MemoryKinesis>, StreamId) {
    let stream = StreamId::named("orders").unwrap();
    let settings = MemoryKinesisSettings { limits: MemoryKinesisLimits::none(), ..Default::default() };
    let kinesis = Arc::new(MemoryKinesis::new(settings));
    kinesis.create_stream(&stream, 1).unwrap();
    let data = Bytes::from(vec![b'.'; RECORD_BYTES]);
    for number in 0..records {
        kinesis.put_record(&stream, &format!("key-{}", number % KEYS), None, data.clone()).unwrap();
    }
    (kinesis, stream)
}

/// Handles `records` records, `calls` at a time.
fn measure(runtime: &Runtime, calls: usize, wait: Duration, records: usize) -> Taken {
    let (kinesis, stream) = filled(records);
    let ports = Ports { kinesis, leases: Arc::new(MemoryLeaseStore::default()) };
    let settings = WorkerSettings::new(stream, WorkerId::new("a").unwrap());
    let (finished, first, last) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun, done) = (Arc::clone(&first), Arc::clone(&last));
    let waits = for_each_record(move |_: Record| {
        let (finished, begun, done) = (Arc::clone(&finished), Arc::clone(&begun), Arc::clone(&done));
        async move {
            if !wait.is_zero() {
                sleep(wait).await;
            }
            match finished.fetch_add(1, Ordering::Relaxed) + 1 {
                1 => begun.notify_one(),
                number if number == records => done.notify_one(),
                _ => {}
            }
            Ok(())
        }
    });
    runtime.block_on(async {
        let worker =
            tokio::spawn(Worker::new(settings, ports, waits.concurrency(calls)).run(std::future::pending()));
        first.notified().await;
        let (started, cpu) = (Instant::now(), cpu_nanos());
        last.notified().await;
        let wall = started.elapsed().as_secs_f64();
        let cpu = (cpu_nanos() - cpu) / NANOS_PER_SEC;
        worker.abort();
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let records = records as f64;
        Taken { records_per_sec: records / wall, cpu_micros_per_record: cpu / records * 1e6 }
    })
}

fn report(name: &str, runtime: &Runtime) {
    let wait = Duration::from_millis(5);
    let one = measure(runtime, 1, wait, 400);
    let many = measure(runtime, 64, wait, 20_000);
    let ratio = many.records_per_sec / one.records_per_sec;
    println!(
        "{name}: a handler that waits 5 ms: {:.0} records per second with 1 call at a time, {:.0} with 64: {ratio:.1} times; \
         {:.1} and {:.1} us of CPU per record",
        one.records_per_sec, many.records_per_sec, one.cpu_micros_per_record, many.cpu_micros_per_record
    );
    let one = measure(runtime, 1, Duration::ZERO, 200_000);
    let many = measure(runtime, 64, Duration::ZERO, 200_000);
    println!(
        "{name}: one that returns at once: {:.2} us of CPU per record with 1 call at a time, {:.2} with 64",
        one.cpu_micros_per_record, many.cpu_micros_per_record
    );
}

fn main() {
    let runtimes = [
        ("one thread ", Builder::new_current_thread().enable_time().build().unwrap()),
        ("two threads", Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()),
    ];
    for _ in 0..3 {
        for (name, runtime) in &runtimes {
            report(name, runtime);
        }
    }
}
