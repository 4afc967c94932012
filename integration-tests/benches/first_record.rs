//! Prints how long a worker takes from its start to the first record in its processor, with the default settings,
//! through the SDK and real sockets.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

use std::time::Duration;

use kcl_core::WorkerSettings;
use kcl_core::model::{Record, StreamId, WorkerId};
use kcl_core::processor::for_each_record;
use kcl_core::worker::{Ports, Worker};
use tokio::sync::mpsc;
use tokio::time::Instant;

use backend::Backend;

#[expect(dead_code, reason = "tests need more of it")]
#[path = "../tests/it/backend.rs"]
mod backend;

const ROUNDS: usize = 5;

const SHARDS: i32 = 4;

/// Enough for each shard to have some.
const RECORDS: usize = 40;

#[tokio::main]
async fn main() {
    let backend = Backend::start().await;
    let (mut empty, mut existing) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let stream = backend.create_stream(SHARDS).await;
        put(&backend, &stream).await;
        empty.push(time_to_first_record(&backend, &stream).await);
        put(&backend, &stream).await;
        existing.push(time_to_first_record(&backend, &stream).await);
    }
    print_row(
        &format!("time to the first record, {ROUNDS} rounds"),
        ["min", "median", "max"].map(str::to_owned),
    );
    print_row("no lease table", summary(empty));
    print_row("leases that were released", summary(existing));
}

async fn put(backend: &Backend, stream: &StreamId) {
    for number in 0..RECORDS {
        backend.put(stream, &format!("key-{number}"), b"record").await;
    }
}

/// Runs a worker up to its first record. Stopped then, it commits and releases its leases, so that the next one finds
/// them free.
async fn time_to_first_record(backend: &Backend, stream: &StreamId) -> Duration {
    let (delivered, mut first) = mpsc::channel(1);
    let handler = for_each_record(move |_: Record| {
        // Full after the first.
        let _ = delivered.try_send(Instant::now());
        async { Ok(()) }
    });
    let settings = WorkerSettings::new(stream.clone(), WorkerId::new("worker").unwrap());
    let ports = Ports { kinesis: backend.kinesis(), leases: backend.lease_store(stream) };
    let worker = Worker::new(settings, ports, handler);
    let mut delivered_at = None;
    let started = Instant::now();
    worker.run(async { delivered_at = first.recv().await }).await.unwrap();
    delivered_at.unwrap() - started
}

fn summary(mut times: Vec<Duration>) -> [String; 3] {
    times.sort();
    let shown = [times[0], times[times.len() / 2], times[times.len() - 1]];
    shown.map(|time| format!("{} ms", time.as_millis()))
}

fn print_row(name: &str, [min, median, max]: [String; 3]) {
    println!("{name:<36}{min:>9}{median:>9}{max:>9}");
}
