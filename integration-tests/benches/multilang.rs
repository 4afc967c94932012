//! How fast records get through a Python child that only counts them: of `kcl-worker run --processor exec`, and of the Java
//! `MultiLangDaemon` on the same stream with the same child.
//!
//! Needs `KCLPY_PATH`, the source of `amazon_kclpy`, and for the daemon `DAEMON_JARS`, a folder with its jars, and `java`. The
//! stream and the lease table are in a process of their own. Linux only: processor time is read from `/proc`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use integration_tests::wire::{Transport, WireFront};
use kcl_core::memory::{MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings};
use kcl_core::model::StreamId;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use proc::cpu_secs;

mod proc;

/// The default streams: shards, records in each, and bytes of a record. A shard is read at 2 MB a second, so few shards of larger
/// records would measure that pace.
const STREAMS: [Stream; 2] = [
    Stream { shards: 16, records_per_shard: 100_000, record_bytes: 50 },
    Stream { shards: 32, records_per_shard: 50_000, record_bytes: 100 },
];

/// Batches from one checkpoint to the next; 0 for none.
const CHECKPOINTS: [usize; 2] = [0, 2];

const ROUNDS: usize = 3;

/// How often the children's file is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// The settings of glibc's allocator for the process that serves: it keeps the memory of an answer for the next one. The service
/// is on the machine, but it is not what is measured.
const KEEP_MEMORY: &str = "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=67108864";

#[derive(Debug, Clone, Copy)]
struct Stream {
    shards: usize,
    records_per_shard: usize,
    record_bytes: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let numbers: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let chosen = match numbers[..] {
        [shards, records_per_shard, record_bytes] => Some(Stream { shards, records_per_shard, record_bytes }),
        _ => None,
    };
    match (arguments.first().map(String::as_str), chosen) {
        (Some("serve"), Some(stream)) => serve(stream).await,
        (_, Some(stream)) => measure(&[stream]).await,
        _ => measure(&STREAMS).await,
    }
}

async fn measure(streams: &[Stream]) {
    let Ok(kclpy) = env::var("KCLPY_PATH") else {
        println!("KCLPY_PATH is not set; after .ci/multilang the source is below target/tools");
        return;
    };
    let jars = env::var("DAEMON_JARS").ok();
    let python = interpreter().await;
    for stream in streams {
        println!("{stream:?}");
        println!(
            "batches per checkpoint | of | records/s | MB/s | CPU-s for a million records: parent, children, service"
        );
        for batches_per_checkpoint in CHECKPOINTS {
            for round in 0..ROUNDS {
                let run = Run { stream, python: &python, kclpy: &kclpy, batches_per_checkpoint, round };
                run.measure("worker", |scene| run.worker(scene)).await;
                if let Some(jars) = &jars {
                    run.measure("daemon", |scene| run.daemon(scene, jars)).await;
                }
            }
        }
    }
}

async fn interpreter() -> String {
    let told =
        Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().await.unwrap();
    String::from_utf8(told.stdout).unwrap().trim().to_owned()
}

struct Run<'a> {
    stream: &'a Stream,
    /// The interpreter itself: `python3` may be a script that looks for it, once for each child.
    python: &'a str,
    kclpy: &'a str,
    batches_per_checkpoint: usize,
    round: usize,
}

/// Where one parent of children works.
struct Scene {
    folder: PathBuf,
    /// What the children tell.
    log: PathBuf,
    kinesis: String,
    dynamodb: String,
}

impl Run<'_> {
    async fn measure(&self, name: &str, start: impl FnOnce(&Scene) -> Command) {
        let (mut service, kinesis, dynamodb) = self.start_service().await;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "multilang-{}-{name}-{}-{}-{}",
            std::process::id(),
            self.stream.shards,
            self.batches_per_checkpoint,
            self.round
        ));
        fs::create_dir_all(&folder).unwrap();
        let scene = Scene { log: folder.join("log"), folder, kinesis, dynamodb };
        let output = fs::File::create(scene.folder.join("parent.log")).unwrap();
        let mut command = start(&scene);
        command
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let mut parent = command.kill_on_drop(true).spawn().unwrap();
        let pids = [parent.id().unwrap(), service.id().unwrap()];
        scene.until(&mut parent, "first", 1).await;
        let before = pids.map(cpu_secs);
        scene.until(&mut parent, "last", self.stream.shards).await;
        let after = pids.map(cpu_secs);
        self.print(name, &scene, [after[0] - before[0], after[1] - before[1]]);
        parent.kill().await.unwrap();
        service.kill().await.unwrap();
    }

    /// A full stream and an empty table: their addresses.
    async fn start_service(&self) -> (Child, String, String) {
        let mut command = Command::new(env::current_exe().unwrap());
        let Stream { shards, records_per_shard, record_bytes } = *self.stream;
        command.arg("serve").args([shards, records_per_shard, record_bytes].map(|number| number.to_string()));
        command.env("GLIBC_TUNABLES", KEEP_MEMORY);
        let mut service = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(service.stdout.take().unwrap()).lines();
        let kinesis = lines.next_line().await.unwrap().unwrap();
        let dynamodb = lines.next_line().await.unwrap().unwrap();
        (service, kinesis, dynamodb)
    }

    /// Without quotes: both parents split it at spaces.
    fn child(&self, scene: &Scene) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/multilang/count.py");
        format!(
            "env PYTHONPATH={} {} {} {} {} {}",
            self.kclpy,
            self.python,
            script.display(),
            self.stream.records_per_shard,
            self.batches_per_checkpoint,
            scene.log.display()
        )
    }

    fn worker(&self, scene: &Scene) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kcl-worker-under-test"));
        command.args(["run", "--stream", "orders", "--application", "bench", "--processor", "exec"]);
        command.args(["--exec-command", &self.child(scene)]);
        command
            .env("AWS_ENDPOINT_URL_KINESIS", &scene.kinesis)
            .env("AWS_ENDPOINT_URL_DYNAMODB", &scene.dynamodb);
        command
    }

    /// With nothing that would slow it down: no pause between two reads, no metrics.
    fn daemon(&self, scene: &Scene, jars: &str) -> Command {
        let properties = scene.folder.join("daemon.properties");
        let settings = [
            ("executableName", self.child(scene).as_str()),
            ("streamName", "orders"),
            ("applicationName", "bench"),
            ("AWSCredentialsProvider", "EnvironmentVariableCredentialsProvider"),
            ("regionName", "us-east-1"),
            ("kinesisEndpoint", &scene.kinesis),
            ("dynamoDBEndpoint", &scene.dynamodb),
            ("initialPositionInStream", "TRIM_HORIZON"),
            ("retrievalMode", "POLLING"),
            ("maxRecords", "10000"),
            ("idleTimeBetweenReadsInMillis", "0"),
            ("metricsLevel", "NONE"),
        ]
        .map(|(name, value)| format!("{name} = {value}\n"));
        fs::write(&properties, settings.concat()).unwrap();
        let mut command = Command::new("java");
        // The service here speaks JSON alone.
        command.args(["-Daws.cborEnabled=false", "-cp", &format!("{jars}/*")]);
        command
            .args(["software.amazon.kinesis.multilang.MultiLangDaemon", "--properties-file"])
            .arg(properties);
        command
    }

    #[expect(clippy::cast_precision_loss, reason = "there are not so many records")]
    fn print(&self, name: &str, scene: &Scene, [parent, service]: [f64; 2]) {
        let told = scene.told();
        let at = |word: &'static str| told.iter().filter(move |told| told.word == word);
        let first = at("first").map(|told| told.at).fold(f64::INFINITY, f64::min);
        let last = at("last").map(|told| told.at).fold(0.0, f64::max);
        let children: f64 = at("last").map(|told| told.cpu).sum();
        let records = (self.stream.shards * self.stream.records_per_shard) as f64;
        let (rate, millions) = (records / (last - first), records / 1e6);
        println!(
            "{:>2} | {name} | {rate:.0} | {:.1} | {:.2}, {:.2}, {:.2}",
            self.batches_per_checkpoint,
            rate * self.stream.record_bytes as f64 / 1e6,
            parent / millions,
            children / millions,
            service / millions
        );
    }
}

/// One line of a child's.
struct Told {
    word: String,
    at: f64,
    cpu: f64,
}

impl Scene {
    fn told(&self) -> Vec<Told> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let told = lines.map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |index: usize| words[index].parse().unwrap();
            Told { word: words[0].to_owned(), at: number(1), cpu: number(2) }
        });
        told.collect()
    }

    async fn until(&self, parent: &mut Child, word: &str, count: usize) {
        while self.told().iter().filter(|told| told.word == word).count() < count {
            let log = self.folder.join("parent.log");
            assert!(parent.try_wait().unwrap().is_none(), "it has ended; {} says why", log.display());
            sleep(LOOK_INTERVAL).await;
        }
    }
}

/// Serves a full stream, without limits, and an empty lease table.
async fn serve(of: Stream) {
    let settings = MemoryKinesisSettings { limits: MemoryKinesisLimits::none(), ..Default::default() };
    let (kinesis, stream) = (Arc::new(MemoryKinesis::new(settings)), StreamId::named("orders").unwrap());
    kinesis.create_stream(&stream, of.shards).unwrap();
    let data = Bytes::from(vec![b'.'; of.record_bytes]);
    for shard in kinesis.shards(&stream).unwrap() {
        for number in 0..of.records_per_shard {
            let (key, start) = (format!("customer-{}", number % 100), Some(shard.hash_key_range.start));
            kinesis.put_record(&stream, &key, start, data.clone()).unwrap();
        }
    }
    let front = WireFront::start(kinesis, Transport::Plain).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}\nhttp://{}", front.url(), listener.local_addr().unwrap());
    dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()).await;
}
