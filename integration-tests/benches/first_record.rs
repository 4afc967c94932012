//! Prints how long it takes from the start of a `kcl-worker run` process to its first line of output, with the default
//! settings, through the SDK and real sockets.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

use std::time::Duration;

use kcl_core::model::StreamId;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::Instant;

use backend::Backend;
use worker::{print_row, run, summary, terminate};

#[expect(dead_code, reason = "tests need more of it")]
#[path = "../tests/it/backend.rs"]
mod backend;
mod worker;

const ROUNDS: usize = 5;

const SHARDS: usize = 4;

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
    print_row(&format!("process start to first record, {ROUNDS} rounds"), ["min", "median", "max"]);
    print_times("no lease table", empty);
    print_times("leases that were released", existing);
}

async fn put(backend: &Backend, stream: &StreamId) {
    for number in 0..RECORDS {
        backend.put(stream, &format!("key-{number}"), b"record").await;
    }
}

/// Runs a worker process up to its first record. Asked to stop then, it commits and releases its leases, so that the
/// next one finds them free.
async fn time_to_first_record(backend: &Backend, stream: &StreamId) -> Duration {
    let started = Instant::now();
    let mut process = run(backend, stream).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    lines.next_line().await.unwrap().unwrap();
    let elapsed = started.elapsed();
    terminate(&process).await;
    while lines.next_line().await.unwrap().is_some() {}
    assert!(process.wait().await.unwrap().success());
    elapsed
}

fn print_times(name: &str, times: Vec<Duration>) {
    let shown = summary(times).map(|time| format!("{} ms", time.as_millis()));
    print_row(name, [&shown[0], &shown[1], &shown[2]]);
}
