use std::fs;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kcl_core::model::{Record, RecordPosition, ShardId, ShardKey, StreamId, Timestamp};
use kcl_core::testing::DeliveryOracle;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::backend::{WAIT_MAX, until};
use crate::fleet::Fleet;

/// A `kcl-worker run` that tells an oracle, through its standard output, what it delivers. Dropping it kills it.
pub(super) struct WorkerProcess {
    child: Child,
    output: JoinHandle<()>,
    log: Log,
}

/// How a process ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// Its standard error.
    pub(super) log: String,
}

impl WorkerProcess {
    /// Starts a member of the fleet, with the defaults but for the two rhythms and for `more`.
    pub(super) fn start(fleet: &Fleet, name: &str, more: &[&str]) -> Self {
        let mut child = member(fleet, name, more).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let log = Log::of(&mut child);
        Self {
            child,
            output: tokio::spawn(listen(stdout, fleet.stream.clone(), Arc::clone(&fleet.oracle))),
            log,
        }
    }

    /// What it logs.
    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// SIGKILL: it can do nothing about it.
    pub(super) async fn kill(mut self) {
        self.child.start_kill().unwrap();
        let ended = self.ended().await;
        assert_eq!(ended.status.code(), None, "it had ended by itself: {ended:?}");
    }

    /// SIGTERM: it is asked to stop.
    pub(super) async fn terminate(self) -> Ended {
        ask_to_stop(&self.child).await;
        self.ended().await
    }

    /// SIGSTOP: it does nothing, and does not know it, until it is thawed.
    pub(super) async fn freeze(&self) {
        signal(&self.child, "STOP").await;
    }

    /// SIGCONT.
    pub(super) async fn thaw(&self) {
        signal(&self.child, "CONT").await;
    }

    /// Waits until it has ended, and everything it printed is told.
    pub(super) async fn ended(mut self) -> Ended {
        let status = timeout(WAIT_MAX, self.child.wait()).await.unwrap().unwrap();
        self.output.await.unwrap();
        Ended { status, log: self.log.whole().await }
    }
}

/// The standard error of a process, as far as it has come.
pub(super) struct Log {
    text: Arc<Mutex<String>>,
    reading: JoinHandle<()>,
}

impl Log {
    /// Reads it from here on.
    pub(super) fn of(child: &mut Child) -> Self {
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let text = Arc::new(Mutex::new(String::new()));
        let all = Arc::clone(&text);
        let reading = tokio::spawn(async move {
            let mut line = String::new();
            while stderr.read_line(&mut line).await.unwrap() > 0 {
                all.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        Self { text, reading }
    }

    /// Waits until `needle` has come.
    pub(super) async fn until(&self, needle: &str) {
        until(&format!("'{needle}' is logged"), || async { self.text().contains(needle) }).await;
    }

    /// Waits until it tells where it serves HTTP, and returns that.
    pub(super) async fn http_address(&self) -> String {
        const BEFORE: &str = "/metrics address=";
        self.until(BEFORE).await;
        let text = self.text();
        text.split(BEFORE).nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
    }

    /// What has come.
    pub(super) fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// All of it, once the process has ended.
    async fn whole(self) -> String {
        let Self { text, reading } = self;
        reading.await.unwrap();
        text.lock().unwrap().clone()
    }
}

/// The command of a member of the fleet.
pub(super) fn member(fleet: &Fleet, name: &str, more: &[&str]) -> Command {
    let mut command = kcl_worker();
    command.envs(fleet.backend.environment());
    command.args(["--stream", fleet.stream.name(), "--application", fleet.stream.name()]);
    command.args(["--worker-id", name, "--lease-scan-interval-ms", "100"]);
    command.args(["--idle-time-between-reads-ms", "200"]).args(more);
    command
}

/// A file that says all that a member needs to find the fleet, and these settings.
pub(super) fn file_of(fleet: &Fleet, settings: &str) -> String {
    let environment = fleet.backend.environment();
    let variable = |name: &str| {
        let found = environment.iter().find(|(variable, _)| *variable == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let name = fleet.stream.name();
    let text = format!(
        "stream = '{name}'\napplication = '{name}'\nregion = '{}'\nkinesis_endpoint_url = '{}'\n\
         dynamodb_endpoint_url = '{}'\ncredentials = ['environment']\ndynamodb_credentials = 'environment default'\n\
         idle_time_between_reads_ms = 200\nlease_scan_interval_ms = 100\n{settings}",
        variable("AWS_REGION"),
        variable("AWS_ENDPOINT_URL_KINESIS"),
        variable("AWS_ENDPOINT_URL_DYNAMODB"),
    );
    let path = format!("{}/{name}.toml", env!("CARGO_TARGET_TMPDIR"));
    fs::write(&path, text).unwrap();
    path
}

/// The environment of a member, but that it leads to no service: nobody listens at the discard port. What a file says of
/// one beats it.
pub(super) fn without_services(fleet: &Fleet) -> Vec<(&'static str, String)> {
    let elsewhere = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KINESIS", "AWS_ENDPOINT_URL_DYNAMODB"];
    let mut environment = fleet.backend.environment();
    environment.extend(elsewhere.map(|variable| (variable, "http://127.0.0.1:9".to_owned())));
    environment
}

/// Sends SIGTERM.
pub(super) async fn ask_to_stop(child: &Child) {
    signal(child, "TERM").await;
}

async fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap();
    // The shell's own `kill`: there is a shell on every Unix, and no unsafe code in it.
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status().await.unwrap();
    assert!(sent.success());
}

/// The command without its settings.
pub(super) fn kcl_worker() -> Command {
    program(env!("CARGO_BIN_EXE_kcl-worker-under-test"))
}

/// The command `run` of a program, without its settings.
pub(super) fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    command.arg("run").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Tells the oracle each whole line: a process that is killed may leave half of one.
async fn listen(stdout: ChildStdout, stream: StreamId, oracle: Arc<DeliveryOracle>) {
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    while stdout.read_line(&mut line).await.unwrap() > 0 && line.ends_with('\n') {
        let (shard_id, record) = parse(&line);
        oracle.deliver(&ShardKey::new(stream.clone(), shard_id), &record);
        line.clear();
    }
}

fn parse(line: &str) -> (ShardId, Record) {
    let json: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let text = |name: &str| json[name].as_str().unwrap_or_else(|| panic!("no text '{name}' in {line}"));
    let position = RecordPosition {
        sequence_number: text("sequenceNumber").parse().unwrap(),
        sub_sequence_number: json["subSequenceNumber"].as_u64().unwrap(),
    };
    let record = Record {
        position,
        partition_key: text("partitionKey").into(),
        explicit_hash_key: None,
        approximate_arrival: Timestamp::default(),
        data: Bytes::from(text("data").to_owned()),
    };
    (ShardId::new(text("shardId")), record)
}
