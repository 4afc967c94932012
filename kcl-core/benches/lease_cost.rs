//! Counts what leases cost on DynamoDB: whole workers in memory for hours of virtual time, beside what the Java KCL 2
//! would do. Nothing depends on the machine or its clock.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use kcl_core::WorkerSettings;
use kcl_core::lease::{Consistency, LeaseChange, LeaseStore};
use kcl_core::memory::{MemoryKinesis, MemoryKinesisSettings, MemoryLeaseStore};
use kcl_core::model::{Record, StreamId, WorkerId};
use kcl_core::processor::for_each_record;
use kcl_core::testing::{Fault, FaultyLeaseStore, LeaseCall};
use kcl_core::worker::{Ports, Worker};
use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// The default of both.
const FAILOVER_TIME_SECS: f64 = 10.0;

/// Until shares are equal and records arrive in their rhythm.
const WARM_UP: Duration = Duration::from_mins(2);

const MEASURED: Duration = Duration::from_hours(1);

const SECS_PER_HOUR: f64 = 3_600.0;

/// A row of the lease table takes about this much, as the worker's read budget has it.
const ROW_BYTES: usize = 512;

/// What a read unit pays for (DynamoDB developer guide).
const READ_UNIT_BYTES: usize = 4_096;

/// What an eventually consistent read costs of it.
const EVENTUAL_SHARE: f64 = 0.5;

/// What has been read is of no use any more.
const RETENTION: Duration = Duration::from_mins(1);

/// Workers, the leases that they share, and the seconds between two records of a shard, which are committed as soon as they
/// are processed; 0 if there are none. Most of the time goes into reading a hundred shards, so only some rhythms are run
/// there.
const FLEETS: [(usize, usize, &[u64]); 2] = [(1, 10, &[0, 1, 4, 5, 8, 30]), (4, 100, &[0, 1, 5])];

/// The most that the writes of an idle lease may be of Java's.
const IDLE_RATIO_MAX: f64 = 2.0 / 3.0;

/// When the last write of a lease is this old, it is renewed. One that is written at least as often needs no renewal.
const RENEWAL_INTERVAL_SECS: f64 = FAILOVER_TIME_SECS / 2.0;

/// What is measured.
#[derive(Debug, Clone, Copy)]
struct Setup {
    workers: usize,
    leases: usize,
    rhythm_secs: u64,
}

fn main() {
    let setups = FLEETS.into_iter().flat_map(|(workers, leases, rhythms)| {
        rhythms.iter().map(move |rhythm_secs| Setup { workers, leases, rhythm_secs: *rhythm_secs })
    });
    let running: Vec<_> = setups.map(|setup| (setup, thread::spawn(move || measure(setup)))).collect();

    println!("failover time {FAILOVER_TIME_SECS} s\n\nwrites for each lease-hour");
    print_row(
        &["workers", "leases", "record each", "checkpoints", "beyond", "all", "Java", "ratio"],
        "target",
    );
    let mut idle = Vec::new();
    for (setup, cost) in running {
        let cost = cost.join().unwrap();
        print_writes(setup, &cost);
        if setup.rhythm_secs == 0 {
            idle.push((setup, cost));
        }
    }
    println!("\nread units of each worker a second, rows of {ROW_BYTES} bytes; the same in each rhythm");
    print_row(&["workers", "leases", "scans", "consistent", "all", "Java", "ratio"], "");
    for (setup, cost) in idle {
        print_reads(setup, &cost);
    }
}

/// Calls of all workers together.
#[derive(Debug, Clone, Default)]
struct Cost {
    checkpoints: u32,
    /// Every other write, also one that lost a race: DynamoDB charges for it, too.
    other_writes: u32,
    scans: u32,
    consistent_scans: u32,
    gets: u32,
}

impl Cost {
    fn count(&mut self, call: LeaseCall<'_>) {
        match call {
            LeaseCall::Prepare => {}
            LeaseCall::List(Consistency::Eventual) => self.scans += 1,
            LeaseCall::List(Consistency::Strong) => self.consistent_scans += 1,
            LeaseCall::Get(_) => self.gets += 1,
            LeaseCall::Update(_, LeaseChange::Checkpoint { .. }) => self.checkpoints += 1,
            LeaseCall::Create(_)
            | LeaseCall::Update(..)
            | LeaseCall::Request(..)
            | LeaseCall::Pin(..)
            | LeaseCall::Delete(_) => {
                self.other_writes += 1;
            }
        }
    }
}

/// One run, on a clock of its own.
fn measure(setup: Setup) -> Cost {
    let mut runtime = runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(run(setup))
}

async fn run(Setup { workers, leases, rhythm_secs }: Setup) -> Cost {
    let stream = StreamId::named("orders").unwrap();
    let settings = MemoryKinesisSettings { retention: RETENTION, ..MemoryKinesisSettings::default() };
    let kinesis = Arc::new(MemoryKinesis::new(settings));
    kinesis.create_stream(&stream, leases).unwrap();
    let cost = Arc::new(Mutex::new(Cost::default()));
    let counted = Arc::clone(&cost);
    let count = move |call: LeaseCall<'_>| {
        counted.lock().unwrap().count(call);
        Fault::None
    };
    let store: Arc<dyn LeaseStore> =
        Arc::new(FaultyLeaseStore::new(Arc::new(MemoryLeaseStore::new()), count));

    // Dropped at the end, as by a crash.
    let mut tasks = JoinSet::new();
    for number in 0..workers {
        let worker_id = WorkerId::new(format!("worker-{number}")).unwrap();
        let failover_time = Duration::from_secs_f64(FAILOVER_TIME_SECS);
        let settings = WorkerSettings { failover_time, ..WorkerSettings::new(stream.clone(), worker_id) };
        let ports = Ports { kinesis: Arc::<MemoryKinesis>::clone(&kinesis), leases: Arc::clone(&store) };
        let worker = Worker::new(settings, ports, for_each_record(|_: Record| async { Ok(()) }));
        tasks.spawn(async { worker.run(pending()).await.map(drop).unwrap() });
    }
    if rhythm_secs > 0 {
        tasks.spawn(put_for_ever(kinesis, stream, leases, Duration::from_secs(rhythm_secs)));
    }
    sleep(WARM_UP).await;
    *cost.lock().unwrap() = Cost::default();
    sleep(MEASURED).await;
    cost.lock().unwrap().clone()
}

/// Puts a record into each shard in this rhythm, one shard after the other.
async fn put_for_ever(kinesis: Arc<MemoryKinesis>, stream: StreamId, shards: usize, rhythm: Duration) {
    let hash_keys: Vec<u128> =
        kinesis.shards(&stream).unwrap().iter().map(|shard| shard.hash_key_range.start).collect();
    let step = rhythm / u32::try_from(shards).unwrap();
    let mut next_at = Instant::now();
    loop {
        for hash_key in &hash_keys {
            sleep_until(next_at).await;
            kinesis.put_record(&stream, "key", Some(*hash_key), Bytes::from_static(b"record")).unwrap();
            next_at += step;
        }
    }
}

fn print_writes(Setup { workers, leases, rhythm_secs }: Setup, cost: &Cost) {
    let lease_hours = float(leases) * MEASURED.as_secs_f64() / SECS_PER_HOUR;
    let checkpoints = f64::from(cost.checkpoints) / lease_hours;
    let beyond = f64::from(cost.other_writes) / lease_hours;
    let java = java_renewals_per_hour() + checkpoints;
    let ratio = (checkpoints + beyond) / java;
    let target = match rhythm_secs {
        0 => verdict(ratio <= IDLE_RATIO_MAX, "ratio at most 0.667"),
        secs if float(secs) <= RENEWAL_INTERVAL_SECS => {
            verdict(cost.other_writes == 0, "none beyond the checkpoints")
        }
        _ => String::new(),
    };
    print_row(
        &[
            &workers.to_string(),
            &leases.to_string(),
            &if rhythm_secs == 0 { "-".to_owned() } else { format!("{rhythm_secs} s") },
            &format!("{checkpoints:.1}"),
            &format!("{beyond:.1}"),
            &format!("{:.1}", checkpoints + beyond),
            &format!("{java:.1}"),
            &format!("{ratio:.3}"),
        ],
        &target,
    );
}

fn verdict(is_met: bool, target: &str) -> String {
    format!("{target}: {}", if is_met { "met" } else { "MISSED" })
}

fn print_reads(Setup { workers, leases, .. }: Setup, cost: &Cost) {
    let worker_secs = float(workers) * MEASURED.as_secs_f64();
    let table_units = float((leases * ROW_BYTES).div_ceil(READ_UNIT_BYTES));
    let scans = f64::from(cost.scans) * table_units * EVENTUAL_SHARE / worker_secs;
    let consistent = (f64::from(cost.consistent_scans) * table_units + f64::from(cost.gets)) / worker_secs;
    let java = java_scans_per_worker_second(workers) * table_units * EVENTUAL_SHARE;
    print_row(
        &[
            &workers.to_string(),
            &leases.to_string(),
            &format!("{scans:.3}"),
            &format!("{consistent:.3}"),
            &format!("{:.3}", scans + consistent),
            &format!("{java:.3}"),
            &format!("{:.1}", (scans + consistent) / java),
        ],
        "",
    );
}

/// Each owned lease is renewed every F / 3 less 25 ms, whatever else is written (`DynamoDBLeaseCoordinator`).
fn java_renewals_per_hour() -> f64 {
    SECS_PER_HOUR / (FAILOVER_TIME_SECS / 3.0 - 0.025)
}

/// Each worker scans the table 50 ms more than 2 F apart to take leases (`DynamoDBLeaseCoordinator`), and every 300 s to
/// find its leader (`DeterministicShuffleShardSyncLeaderDecider`); the leader every 120 s to look for holes
/// (`PeriodicShardSyncManager`).
fn java_scans_per_worker_second(workers: usize) -> f64 {
    1.0 / (2.0 * FAILOVER_TIME_SECS + 0.05) + 1.0 / 300.0 + 1.0 / 120.0 / float(workers)
}

/// All counts here are small.
fn float(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}

fn print_row(cells: &[&str], target: &str) {
    let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>12}")).collect();
    println!("{}  {target}", cells.concat());
}
