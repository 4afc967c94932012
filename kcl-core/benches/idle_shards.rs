//! What a worker costs that holds very many shards in which nothing happens, at default settings: memory and CPU time. The
//! in-memory stream and lease table are in the same process, and in the figures.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

use std::fs;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kcl_core::memory::{MemoryKinesis, MemoryKinesisSettings, MemoryLeaseStore};
use kcl_core::model::{Record, StreamId, WorkerId};
use kcl_core::processor::for_each_record;
use kcl_core::worker::{Ports, Worker};
use kcl_core::{Event, WorkerSettings};
use tokio::time::sleep;

const SHARDS: usize = 10_000;

const MEASURED: Duration = Duration::from_secs(30);

/// A page of memory, in kB.
const PAGE_KB: u64 = 4;

fn resident_mb() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * PAGE_KB / 1_000
}

/// The CPU time that this thread has used.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

async fn measure() {
    let stream = StreamId::named("orders").unwrap();
    let kinesis = Arc::new(MemoryKinesis::new(MemoryKinesisSettings::default()));
    kinesis.create_stream(&stream, SHARDS).unwrap();
    println!("the in-memory stream alone: {} MB resident", resident_mb());
    let ports = Ports { kinesis, leases: Arc::new(MemoryLeaseStore::default()) };
    let settings = WorkerSettings::new(stream, WorkerId::new("a").unwrap());
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let nothing = for_each_record(|_: Record| async { Ok(()) });
    let worker =
        Worker::new(settings, ports, nothing).with_event_sink(move |_: &WorkerId, event: &Event<'_>| {
            if let Event::LeaseTaken { .. } = event {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    tokio::spawn(worker.run(pending()));
    while taken.load(Ordering::Relaxed) < SHARDS {
        sleep(Duration::from_secs(1)).await;
    }
    println!("all leases are taken: {} MB resident, {:.1?} CPU so far", resident_mb(), cpu());
    for _ in 0..3 {
        let before = cpu();
        sleep(MEASURED).await;
        let share = cpu().saturating_sub(before).as_secs_f64() / MEASURED.as_secs_f64();
        println!("{SHARDS} idle shards: {} MB resident, {:.1} % of a core", resident_mb(), share * 100.0);
    }
}

fn main() {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(measure());
}
