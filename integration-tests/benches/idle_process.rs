//! Prints what a `kcl-worker run` process costs that holds 64 shards in which nothing happens: resident memory and
//! processor time, with the default settings, through the SDK and real sockets. Linux only: it reads `/proc`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

use std::fs;
use std::time::Duration;

use kcl_core::lease::Consistency;
use tokio::time::sleep;

use backend::{Backend, until};
use proc::{cpu_secs, resident_kib};
use worker::{print_row, program, run, summary, terminate};

#[expect(dead_code, reason = "tests need more of it")]
#[path = "../tests/it/backend.rs"]
mod backend;
mod proc;
mod worker;

const ROUNDS: usize = 3;

const SHARDS: usize = 64;

/// All shards are polled several times, and their leases renewed.
const WARM_UP: Duration = Duration::from_secs(20);

const WINDOW: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() {
    let backend = Backend::start().await;
    let (mut resident, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (kib, secs) = idle(&backend).await;
        resident.push(kib);
        cpu.push(secs);
    }
    println!("program: {} bytes", fs::metadata(program()).unwrap().len());
    print_row(&format!("{SHARDS} idle shards, {ROUNDS} rounds"), ["min", "median", "max"]);
    let shown = summary(resident).map(|kib| format!("{:.1} MB", kib * 1024.0 / 1e6));
    print_row("resident memory", [&shown[0], &shown[1], &shown[2]]);
    let shown = summary(cpu).map(|secs| format!("{:.1} %", 100.0 * secs / WINDOW.as_secs_f64()));
    print_row("processor time, of a core", [&shown[0], &shown[1], &shown[2]]);
}

/// Resident memory in KiB, and the seconds of processor time within the window.
async fn idle(backend: &Backend) -> (f64, f64) {
    let stream = backend.create_stream(SHARDS).await;
    let mut process = run(backend, &stream).spawn().unwrap();
    let id = process.id().unwrap();
    let leases = backend.lease_store(&stream);
    until("all shards have an owner", || async {
        let rows = leases.list(Consistency::Strong).await.unwrap_or_default();
        rows.len() == SHARDS && rows.iter().all(|row| row.owner.is_some())
    })
    .await;
    sleep(WARM_UP).await;
    let before = cpu_secs(id);
    sleep(WINDOW).await;
    let measured = (resident_kib(id), cpu_secs(id) - before);
    terminate(&process).await;
    assert!(process.wait().await.unwrap().success());
    measured
}
