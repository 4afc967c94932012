//! Prints what a `kcl-worker run` process costs that holds 64 shards in which nothing happens: resident memory and
//! processor time, with the default settings, through the SDK and real sockets. Linux only: it reads `/proc`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

use std::fs;
use std::time::Duration;

use kcl_core::lease::Consistency;
use tokio::time::sleep;

use backend::{Backend, until};
use worker::{print_row, program, run, summary, terminate};

#[expect(dead_code, reason = "tests need more of it")]
#[path = "../tests/it/backend.rs"]
mod backend;
mod worker;

const ROUNDS: usize = 3;

const SHARDS: usize = 64;

/// All shards are polled several times, and their leases renewed.
const WARM_UP: Duration = Duration::from_secs(20);

const WINDOW: Duration = Duration::from_secs(20);

/// `/proc` counts processor time in hundredths of a second, whatever the kernel's clock (`USER_HZ`).
const TICKS_PER_SEC: f64 = 100.0;

#[tokio::main]
async fn main() {
    let backend = Backend::start().await;
    let (mut resident, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (kib, ticks) = idle(&backend).await;
        resident.push(kib);
        cpu.push(ticks);
    }
    println!("program: {:.1} MB", as_f64(fs::metadata(program()).unwrap().len()) / 1e6);
    print_row(&format!("{SHARDS} idle shards, {ROUNDS} rounds"), ["min", "median", "max"]);
    let shown = summary(resident).map(|kib| format!("{:.1} MB", as_f64(kib) * 1024.0 / 1e6));
    print_row("resident memory", [&shown[0], &shown[1], &shown[2]]);
    let percent = |ticks| 100.0 * as_f64(ticks) / TICKS_PER_SEC / WINDOW.as_secs_f64();
    let shown = summary(cpu).map(|ticks| format!("{:.1} %", percent(ticks)));
    print_row("processor time, of a core", [&shown[0], &shown[1], &shown[2]]);
}

/// Resident memory in KiB, and the ticks of processor time within the window.
async fn idle(backend: &Backend) -> (u64, u64) {
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
    let before = ticks(id);
    sleep(WINDOW).await;
    let measured = (resident_kib(id), ticks(id) - before);
    terminate(&process).await;
    assert!(process.wait().await.unwrap().success());
    measured
}

fn resident_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// User and system time. They are the twelfth and thirteenth word behind the program's name, which stands in brackets.
fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let words = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    words.map(|word| word.parse::<u64>().unwrap()).sum()
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit behind the point")]
fn as_f64(value: u64) -> f64 {
    value as f64
}
