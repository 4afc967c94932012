//! Processes as their orchestrator, their operator and their Prometheus see them: over HTTP, from the start to the end.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use kcl_core::model::{SequenceNumber, ShardId};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::time::timeout;

use super::worker_process::{Log, WorkerProcess, ask_to_stop, member};
use crate::backend::{WAIT_MAX, until};
use crate::fleet::Fleet;

/// Any port that is free, on the loopback.
const ANY_PORT: [&str; 2] = ["--http-address", "127.0.0.1:0"];

/// A client of a worker's endpoint.
struct Client {
    address: String,
}

impl Client {
    /// Of the process that logs this.
    async fn of(log: &Log) -> Self {
        Self { address: log.http_address().await }
    }

    /// The status and the body.
    async fn get(&self, path: &str) -> (u16, String) {
        let mut connection = TcpStream::connect(&self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(WAIT_MAX, connection.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn status(&self) -> Value {
        let (code, body) = self.get("/status").await;
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The shards of the status, by their ids.
    async fn shards(&self) -> BTreeMap<String, Value> {
        let status = self.status().await;
        let shards = status["shards"].as_array().unwrap().iter();
        shards.map(|shard| (shard["shard_id"].as_str().unwrap().to_owned(), shard.clone())).collect()
    }

    async fn until_ready(&self) {
        until("it is ready", || async { self.get("/readyz").await == (200, "ok\n".to_owned()) }).await;
    }

    /// Each series of the metrics with its value. Fails at what Prometheus would not take.
    async fn metrics(&self) -> BTreeMap<String, f64> {
        let (code, text) = self.get("/metrics").await;
        assert_eq!(code, 200, "{text}");
        let (mut series, mut types) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some(typed) = line.strip_prefix("# TYPE ") {
                let (name, kind) = typed.split_once(' ').unwrap();
                assert_eq!(types.insert(name, kind), None, "{name} has two types");
            } else if !line.starts_with("# HELP ") {
                let (key, value) = line.rsplit_once(' ').unwrap();
                let name = key.split('{').next().unwrap();
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
                let is_typed = |name: &str| types.contains_key(name);
                assert!(is_typed(name) || base.is_some_and(is_typed), "{line} has no type");
                assert_eq!(
                    series.insert(key.to_owned(), value.parse().unwrap()),
                    None,
                    "{key} is there twice"
                );
            }
        }
        series
    }

    /// The sum of a metric over its shards; none if there is no such series.
    async fn sum(&self, name: &str) -> Option<f64> {
        let metrics = self.metrics().await;
        let values = metrics.iter().filter(|(key, _)| key.split('{').next() == Some(name));
        values.map(|(_, value)| *value).reduce(|a, b| a + b)
    }

    /// Waits until a metric has exactly this sum.
    async fn until_sum(&self, name: &str, sum: u32) {
        let wanted = Some(f64::from(sum));
        until(&format!("{name} is {sum}"), || async { self.sum(name).await == wanted }).await;
    }

    /// Waits until every shard has come to the newest record that it took.
    async fn until_at(&self, newest: &BTreeMap<ShardId, SequenceNumber>) {
        until("the positions are those of the newest records", || async {
            let shards = self.shards().await;
            newest.iter().all(|(shard_id, number)| {
                let position = shards.get(shard_id.as_str()).and_then(|shard| shard["position"].as_str());
                position.is_some_and(|position| position.starts_with(number.as_str()))
            })
        })
        .await;
    }

    async fn assert_closed(&self) {
        assert!(TcpStream::connect(&self.address).await.is_err(), "{} is still open", self.address);
    }
}

fn text<'a>(shard: &'a Value, name: &str) -> &'a str {
    shard[name].as_str().unwrap_or_else(|| panic!("no text '{name}' in {shard}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_shows_its_shards_and_counts_its_records() {
    let fleet = Fleet::new(2).await;
    let newest = fleet.put(60).await;
    let process = WorkerProcess::start(&fleet, "a", &ANY_PORT);
    let client = Client::of(process.log()).await;
    client.until_ready().await;
    client.until_at(&newest).await;
    client.until_sum("kcl_records_processed_total", 60).await;
    client.until_sum("kcl_leases_held", 2).await;
    let (newest, seen) = (fleet.put(40).await, client.metrics().await);
    client.until_at(&newest).await;
    client.until_sum("kcl_records_processed_total", 100).await;
    assert_eq!(client.sum("kcl_records_read_total").await, Some(100.0));
    let now = client.metrics().await;
    let fell = seen.iter().find(|(key, value)| key.contains("_total") && now[*key] < **value);
    assert_eq!(fell, None, "a counter must not fall");
    assert_eq!(client.sum("kcl_shards_blocked").await, None);

    let shards = client.shards().await;
    assert_eq!(shards.len(), 2);
    for shard in shards.values() {
        assert_eq!((text(shard, "owner"), text(shard, "state")), ("a", "running"), "{shard}");
        assert!(shard["stall_reason"].is_null() && shard["last_error"].is_null(), "{shard}");
        assert!(shard["millis_behind_latest"].is_u64(), "{shard}");
    }
    assert_eq!(client.get("/livez").await.0, 200);
    assert_eq!(client.get("/nothing").await.0, 404);
    let ended = process.terminate().await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    client.assert_closed().await;
    fleet.assert_good();
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_are_counted_together_where_they_are_not_told_apart() {
    let fleet = Fleet::new(2).await;
    fleet.put(60).await;
    let options = [&ANY_PORT[..], &["--metrics-shard-labels=false"]].concat();
    let process = WorkerProcess::start(&fleet, "a", &options);
    let client = Client::of(process.log()).await;
    client.until_sum("kcl_records_processed_total", 60).await;
    let metrics = client.metrics().await;
    assert!(metrics.keys().all(|key| !key.contains("shard=")), "{metrics:?}");
    process.terminate().await;
}

/// Not ready, so that nothing new is sent to it; but live, so that nobody kills it before it is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_drains_is_live_and_not_ready() {
    let fleet = Fleet::new(1).await;
    // More, as lines, than a pipe holds.
    fleet.put(1_000).await;
    let mut child = member(&fleet, "a", &ANY_PORT).spawn().unwrap();
    let log = Log::of(&mut child);
    let client = Client::of(&log).await;
    client.until_ready().await;
    let mut stdout = child.stdout.take().unwrap();
    // It has begun to print, and will wait for the rest to be read.
    timeout(WAIT_MAX, stdout.read_u8()).await.unwrap().unwrap();
    ask_to_stop(&child).await;
    let stopping = (503, "the worker is stopping\n".to_owned());
    until("it is not ready", || async { client.get("/readyz").await == stopping }).await;
    assert_eq!(client.get("/livez").await.0, 200);
    let status = client.status().await;
    assert_eq!((text(&status, "state"), &status["leases_held"]), ("stopping", &1.into()), "{status}");
    let mut rest = Vec::new();
    timeout(WAIT_MAX, stdout.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(ended(&mut child).await, Some(0), "{}", log.text());
    client.assert_closed().await;
}

async fn ended(child: &mut Child) -> Option<i32> {
    timeout(WAIT_MAX, child.wait()).await.unwrap().unwrap().code()
}

/// Its program is not there, and then it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_stands_says_why_until_it_goes_on() {
    let fleet = Fleet::new(1).await;
    let newest = fleet.put(10).await;
    let program = format!("{}/{}", env!("CARGO_TARGET_TMPDIR"), fleet.stream.name());
    let options = [
        &ANY_PORT[..],
        &["--processor", "exec", "--exec-command", &program, "--maximum-retry-attempts", "1"],
        &["--retry-delay-initial-ms", "50", "--retry-delay-max-ms", "100"],
    ];
    let mut child = member(&fleet, "a", &options.concat()).spawn().unwrap();
    let log = Log::of(&mut child);
    let client = Client::of(&log).await;
    client.until_sum("kcl_shards_blocked", 1).await;
    let is_blocked = || async {
        let shards = client.shards().await;
        shards.values().any(|shard| shard["state"] == "blocked")
    };
    until("a shard is blocked", is_blocked).await;
    let shards = client.shards().await;
    let shard = shards.values().next().unwrap();
    assert!(text(shard, "stall_reason").contains("the processor fails"), "{shard}");
    let error = text(&shard["last_error"], "message");
    assert!(error.contains("cannot start") && error.contains("No such file"), "{error}");
    assert!(client.sum("kcl_processor_failures_total").await > Some(1.0));
    log.until("shard is blocked").await;
    // A restart would not help it.
    assert_eq!((client.get("/livez").await.0, client.get("/readyz").await.0), (200, 200));

    symlink(env!("CARGO_BIN_EXE_fake-child"), &program).unwrap();
    client.until_at(&newest).await;
    client.until_sum("kcl_shards_blocked", 0).await;
    client.until_sum("kcl_records_processed_total", 10).await;
    let shards = client.shards().await;
    let shard = shards.values().next().unwrap();
    assert!(text(shard, "state") == "running" && shard["stall_reason"].is_null(), "{shard}");
    log.until("shard is no longer blocked").await;
    ask_to_stop(&child).await;
    assert_eq!(ended(&mut child).await, Some(0), "{}", log.text());
    client.assert_closed().await;
    fs::remove_file(program).unwrap();
}

/// Nobody listens at the discard port, so that every error tells where it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_reaches_nothing_says_why_and_keeps_the_password_of_its_endpoint() {
    const NOWHERE: &str = "http://me:s3cret@127.0.0.1:9";
    let fleet = Fleet::new(1).await;
    let mut command = member(&fleet, "a", &ANY_PORT);
    command.env("AWS_ENDPOINT_URL_KINESIS", NOWHERE).env("AWS_ENDPOINT_URL_DYNAMODB", NOWHERE);
    let mut child = command.spawn().unwrap();
    let log = Log::of(&mut child);
    let client = Client::of(&log).await;
    let why = "the worker is getting ready; the last error: DescribeTable of ";
    until("it says why it is not ready", || async { client.get("/readyz").await.1.starts_with(why) }).await;
    let (code, body) = client.get("/readyz").await;
    assert!(code == 503 && body.contains("http://***@127.0.0.1:9/"), "{body}");
    let status = client.status().await.to_string();
    assert!(status.contains("***@") && !status.contains("s3cret"), "{status}");
    assert_eq!(client.get("/livez").await.0, 200);
    ask_to_stop(&child).await;
    assert_eq!(ended(&mut child).await, Some(0), "{}", log.text());
    assert!(!log.text().contains("s3cret"), "{}", log.text());
}
