//! Prints how long it takes from the start of a `kcl-worker run` process to its first line of output, with the default
//! settings, through the SDK and real sockets.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

use std::process::Stdio;
use std::time::Duration;

use kcl_core::model::StreamId;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use backend::Backend;

#[expect(dead_code, reason = "tests need more of it")]
#[path = "../tests/it/backend.rs"]
mod backend;

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
    print_row(
        &format!("process start to first record, {ROUNDS} rounds"),
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

/// Runs a worker process up to its first record. Asked to stop then, it commits and releases its leases, so that the
/// next one finds them free.
async fn time_to_first_record(backend: &Backend, stream: &StreamId) -> Duration {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kcl-worker-under-test"));
    command.args(["run", "--stream", stream.name(), "--application", stream.name()]);
    command.envs(backend.environment()).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    let started = Instant::now();
    let mut process = command.kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    lines.next_line().await.unwrap().unwrap();
    let elapsed = started.elapsed();
    terminate(&process).await;
    while lines.next_line().await.unwrap().is_some() {}
    assert!(process.wait().await.unwrap().success());
    elapsed
}

/// SIGTERM, by the shell's own `kill`: there is a shell on every Unix, and no unsafe code in it.
async fn terminate(process: &Child) {
    let kill = format!("kill -TERM {}", process.id().unwrap());
    assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
}

fn summary(mut times: Vec<Duration>) -> [String; 3] {
    times.sort();
    let shown = [times[0], times[times.len() / 2], times[times.len() - 1]];
    shown.map(|time| format!("{} ms", time.as_millis()))
}

fn print_row(name: &str, [min, median, max]: [String; 3]) {
    println!("{name:<44}{min:>9}{median:>9}{max:>9}");
}
