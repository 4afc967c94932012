//! The Java KCL itself, 2.x, on one table with ours: before us, beside us and after us.
//!
//! Needs `java`, and `DAEMON_JARS`: a folder with the jars of the MultiLangDaemon. Run by hand, as docs/testing.md says.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use integration_tests::wire::{Transport, WireFront};
use kcl_core::lease::Lease;
use kcl_core::memory::{MemoryKinesis, MemoryKinesisSettings};
use kcl_core::model::{Record, RecordPosition, ShardId, ShardKey, StreamId, Timestamp};
use kcl_core::testing::DeliveryOracle;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::worker_process::{WorkerProcess, ask_to_stop};
use crate::backend::{Backend, unique_name};
use crate::fleet::Fleet;

/// How often what a child has written is looked at. Far less than a lease takes to change hands, so that what one owner has
/// delivered is known before what the next one has.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A daemon waits up to half a minute before it makes the first rows, and looks at the table once in two failover times.
const JAVA_PATIENCE: Duration = Duration::from_mins(3);

/// The same for both.
const FAILOVER_MS: &str = "5000";

/// A MultiLangDaemon whose children tell the oracle what they are given, and commit it. Dropping it kills it.
struct Daemon {
    process: Child,
    /// Its own log, for whoever looks into a failure.
    log: PathBuf,
    _follower: JoinSet<()>,
}

impl Daemon {
    fn start(fleet: &Fleet, name: &str) -> Self {
        let jars = std::env::var("DAEMON_JARS").expect("DAEMON_JARS is the folder of the daemon's jars");
        let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique_name("daemon"));
        fs::create_dir_all(&place).unwrap();
        let (told, log, file) = (place.join("told"), place.join("log"), place.join("app.properties"));
        let environment: HashMap<_, _> = fleet.backend.environment().into_iter().collect();
        let child = format!(
            "{} processRecords=checkpoint shardEnded=checkpoint log:{}",
            env!("CARGO_BIN_EXE_fake-child"),
            told.display()
        );
        let properties = [
            ("executableName", child.as_str()),
            ("streamName", fleet.stream.name()),
            ("applicationName", fleet.stream.name()),
            ("workerId", name),
            ("AWSCredentialsProvider", "EnvironmentVariableCredentialsProvider"),
            ("regionName", &environment["AWS_REGION"]),
            ("kinesisEndpoint", &environment["AWS_ENDPOINT_URL_KINESIS"]),
            ("dynamoDBEndpoint", &environment["AWS_ENDPOINT_URL_DYNAMODB"]),
            ("initialPositionInStream", "TRIM_HORIZON"),
            ("retrievalMode", "POLLING"),
            ("metricsLevel", "NONE"),
            ("failoverTimeMillis", FAILOVER_MS),
        ];
        fs::write(&file, properties.map(|(name, value)| format!("{name} = {value}\n")).concat()).unwrap();
        let output = File::create(&log).unwrap();
        let process = Command::new("java")
            .args(["-Daws.cborEnabled=false", "-cp", &format!("{jars}/*")])
            .args(["software.amazon.kinesis.multilang.MultiLangDaemon", "--properties-file"])
            .arg(file)
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut follower = JoinSet::new();
        follower.spawn(follow(told, fleet.stream.clone(), Arc::clone(&fleet.oracle)));
        Self { process, log, _follower: follower }
    }

    /// SIGTERM.
    async fn terminate(mut self) {
        ask_to_stop(&self.process).await;
        timeout(JAVA_PATIENCE, self.process.wait()).await.unwrap().unwrap();
    }

    /// Waits until `condition` holds, while the daemon runs.
    async fn until<F: Future<Output = bool>>(&mut self, what: &str, condition: impl Fn() -> F) {
        let wait = timeout(JAVA_PATIENCE, async {
            while !condition().await {
                let log = self.log.display();
                assert!(self.process.try_wait().unwrap().is_none(), "the daemon has ended; {log} says why");
                sleep(LOOK_INTERVAL * 10).await;
            }
        });
        assert!(
            wait.await.is_ok(),
            "waited {JAVA_PATIENCE:?} in vain until {what}; see {}",
            self.log.display()
        );
    }

    async fn until_drained(&mut self, fleet: &Fleet) {
        self.until("everything is delivered", || async { fleet.oracle.outstanding() == 0 }).await;
    }

    /// Waits until this worker owns every lease that is not finished, and there are so many.
    async fn until_all_are_of(&mut self, fleet: &Fleet, owner: &str, count: usize) {
        let are_of = |rows: Vec<Lease>| {
            let open: Vec<Lease> = rows.into_iter().filter(|row| !row.is_finished()).collect();
            open.len() == count
                && open.iter().all(|row| row.owner.as_ref().is_some_and(|of| of.as_str() == owner))
        };
        self.until(&format!("{owner} has {count} leases"), || async { are_of(fleet.rows().await) }).await;
    }
}

/// Tells the oracle what is written into a file by fake children: a line is the process and a message.
async fn follow(path: PathBuf, stream: StreamId, oracle: Arc<DeliveryOracle>) {
    let (mut shards, mut told) = (HashMap::new(), 0);
    loop {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text[told..whole].lines() {
            let (pid, message) = line.split_once(' ').unwrap();
            let message: Value = serde_json::from_str(message).unwrap();
            if let Some(shard_id) = message["shardId"].as_str() {
                shards.insert(pid.to_owned(), ShardKey::new(stream.clone(), ShardId::new(shard_id)));
            }
            for record in message["records"].as_array().into_iter().flatten() {
                oracle.deliver(&shards[pid], &read(record));
            }
        }
        told = whole;
        sleep(LOOK_INTERVAL).await;
    }
}

fn read(record: &Value) -> Record {
    let text = |name: &str| record[name].as_str().unwrap();
    Record {
        position: RecordPosition {
            sequence_number: text("sequenceNumber").parse().unwrap(),
            sub_sequence_number: record["subSequenceNumber"].as_u64().unwrap(),
        },
        partition_key: text("partitionKey").into(),
        explicit_hash_key: None,
        approximate_arrival: Timestamp::default(),
        data: Bytes::from(BASE64_STANDARD.decode(text("data")).unwrap()),
    }
}

fn ours(fleet: &Fleet, name: &str) -> WorkerProcess {
    WorkerProcess::start(fleet, name, &["--failover-time-ms", FAILOVER_MS])
}

#[tokio::test(flavor = "multi_thread")]
async fn java_comes_before_us_beside_us_and_after_us() {
    // Of the in-memory stream: without the `ChildShards` of its last answer, the daemon never ends a shard.
    let kinesis = Arc::new(MemoryKinesis::new(MemoryKinesisSettings::default()));
    let front = WireFront::start(kinesis, Transport::Plain).await.unwrap();
    let backend = Backend::before(front.url()).await;
    let stream = backend.create_stream(4).await;
    let fleet = Fleet::on(backend, stream);
    let mut java = Daemon::start(&fleet, "java");
    fleet.put(100).await;
    java.until_drained(&fleet).await;
    java.until_all_are_of(&fleet, "java", 4).await;

    // Beside it, through a split. What moves is committed, and so nothing comes again.
    let beside = ours(&fleet, "a");
    fleet.until_shares(&[("java", 2), ("a", 2)]).await;
    fleet.put(100).await;
    java.until_drained(&fleet).await;
    let parent = fleet.open_shard_ids().await[0].clone();
    fleet.split(&parent).await;
    fleet.put(100).await;
    java.until_drained(&fleet).await;
    assert_eq!(fleet.assert_good(), 0, "records that came again");

    // After us: it takes what we give back.
    let ended = beside.terminate().await;
    assert!(ended.status.success(), "{ended:?}");
    java.until_all_are_of(&fleet, "java", 5).await;
    fleet.put(100).await;
    java.until_drained(&fleet).await;
    assert_eq!(fleet.assert_good(), 0, "records that came again");

    // And we take what it leaves, whether it is asked to stop or not.
    java.terminate().await;
    let after = ours(&fleet, "b");
    fleet.until_shares(&[("b", 5)]).await;
    fleet.put(100).await;
    fleet.drain().await;
    let mut java = Daemon::start(&fleet, "java-2");
    java.until("it has its share", || async {
        let rows = fleet.rows().await;
        rows.iter().filter(|row| row.owner.as_ref().is_some_and(|of| of.as_str() == "java-2")).count() >= 2
    })
    .await;
    drop(java);
    fleet.until_shares(&[("b", 5)]).await;
    fleet.put(100).await;
    fleet.drain().await;
    fleet.assert_good();
    after.terminate().await;
}
