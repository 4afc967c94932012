//! What a worker pays in processor time for records that it polls through the SDK adapter over real sockets, with a processor
//! that does nothing.
//!
//! The stream is in a process of its own and every run of a worker in another, so that only the worker's time and memory are
//! counted. Linux only: both are read from `/proc`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

use std::env;
use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use aws_config::Region;
use aws_sdk_kinesis::config::{Builder, Credentials};
use bytes::Bytes;
use integration_tests::wire::{Transport, WireFront};
use kcl_core::WorkerSettings;
use kcl_core::aws::{AwsKinesis, kinesis_client};
use kcl_core::memory::{MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings, MemoryLeaseStore};
use kcl_core::model::{ShardKey, StreamId, WorkerId};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor};
use kcl_core::stream::{GET_RECORDS_MAX, IteratorPosition, Kinesis, ShardPageRequest};
use kcl_core::worker::{Ports, Worker};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::Notify;
use tokio::time::Instant;

const SHARDS: usize = 8;

const RECORDS_PER_SHARD: usize = 125_000;

const RECORD_BYTES: usize = 100;

const ROUNDS: usize = 3;

const NANOS_PER_SEC: f64 = 1e9;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => serve().await,
        ["worker", url] => worker(url).await,
        ["sdk", url] => sdk(url).await,
        _ => measure().await,
    }
}

async fn measure() {
    let (mut server, mut lines) = child(&["serve"]);
    let url = lines.next_line().await.unwrap().unwrap();
    println!("of {} records of {RECORD_BYTES} bytes in {SHARDS} shards", SHARDS * RECORDS_PER_SHARD);
    for _ in 0..ROUNDS {
        for reader in ["sdk", "worker"] {
            let (mut process, mut lines) = child(&[reader, &url]);
            while let Some(line) = lines.next_line().await.unwrap() {
                println!("{reader:6} | {line}");
            }
            assert!(process.wait().await.unwrap().success());
        }
    }
    server.kill().await.unwrap();
}

fn child(arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

fn stream() -> StreamId {
    StreamId::named("orders").unwrap()
}

/// Serves a full stream over HTTP/1.1.
async fn serve() {
    let settings = MemoryKinesisSettings { limits: MemoryKinesisLimits::none(), ..Default::default() };
    let kinesis = Arc::new(MemoryKinesis::new(settings));
    kinesis.create_stream(&stream(), SHARDS).unwrap();
    let data = Bytes::from(vec![b'.'; RECORD_BYTES]);
    for shard in kinesis.shards(&stream()).unwrap() {
        for number in 0..RECORDS_PER_SHARD {
            let key = format!("customer-{}", number % 100);
            let start = Some(shard.hash_key_range.start);
            kinesis.put_record(&stream(), &key, start, data.clone()).unwrap();
        }
    }
    let front = WireFront::start(kinesis, Transport::Plain).await.unwrap();
    println!("{}", front.url());
    std::future::pending::<()>().await;
}

fn client(url: &str) -> aws_sdk_kinesis::Client {
    let config = Builder::new()
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("test", "test", None, None, "bench"));
    kinesis_client(config)
}

/// What has been used since it was made, of the processor and of time.
struct Usage {
    cpu_nanos: f64,
    started: Instant,
}

impl Usage {
    fn now() -> Self {
        Self { cpu_nanos: cpu_nanos(), started: Instant::now() }
    }

    fn print(&self) {
        println!(
            "{:.2} CPU-s, {:.1} s, {:.0} MiB resident, {:.0} MiB at most",
            (cpu_nanos() - self.cpu_nanos) / NANOS_PER_SEC,
            self.started.elapsed().as_secs_f64(),
            status_mib("VmRSS:"),
            status_mib("VmHWM:")
        );
    }
}

/// A worker with the default settings, from the first record that its processors are given to the last.
async fn worker(url: &str) {
    let (seen, first, last) = (Arc::default(), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let kinesis = Arc::new(AwsKinesis::new(client(url)));
    let ports = Ports { kinesis, leases: Arc::new(MemoryLeaseStore::default()) };
    let settings = WorkerSettings::new(stream(), WorkerId::new("a").unwrap());
    let (came, done) = (Arc::clone(&first), Arc::clone(&last));
    let count = move |_: &ShardKey| Count {
        seen: Arc::clone(&seen),
        first: Arc::clone(&came),
        last: Arc::clone(&done),
    };
    let before = Usage::now();
    let _worker = tokio::spawn(Worker::new(settings, ports, count).run(std::future::pending()));
    first.notified().await;
    let from_first = Usage::now();
    last.notified().await;
    from_first.print();
    print!("from the start: ");
    before.print();
}

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

/// The same records by bare calls of the SDK, as large as they can be and as fast as they come.
async fn sdk(url: &str) {
    let client = client(url);
    let adapter = AwsKinesis::new(client.clone());
    let before = Usage::now();
    for shard in adapter.list_shards(&stream(), &ShardPageRequest::ALL).await.unwrap().shards {
        let shard = ShardKey::new(stream(), shard.shard_id);
        let mut iterator =
            adapter.get_shard_iterator(&shard, &IteratorPosition::TrimHorizon).await.unwrap().token;
        let mut records = 0;
        while records < RECORDS_PER_SHARD {
            let limit = i32::try_from(GET_RECORDS_MAX).unwrap();
            let output = client.get_records().shard_iterator(iterator).limit(limit).send().await.unwrap();
            records += output.records.len();
            iterator = output.next_shard_iterator.unwrap();
        }
    }
    before.print();
}

/// The processor time that this process has used, in nanoseconds.
fn cpu_nanos() -> f64 {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let of_thread = |path: std::path::PathBuf| -> f64 {
        let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default()
    };
    threads.map(|thread| of_thread(thread.unwrap().path())).sum()
}

fn status_mib(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
