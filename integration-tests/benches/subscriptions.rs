//! What subscriptions cost the process that holds them: to open, to hold while nothing comes, and to leave unread. Over TLS
//! and HTTP/2, with a connection for each and with one for all; docs/adr/0012 is built on it.
//!
//! The server is a process of its own, and so is each client, since the memory of a process is what is measured. Linux
//! only: memory and processor time are read from `/proc`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use aws_config::Region;
use aws_sdk_kinesis::config::{Builder, Credentials, RuntimeComponents};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::rt::TokioExecutor;
use integration_tests::wire::{Transport, WireFront};
use kcl_core::aws::{AwsKinesis, kinesis_client};
use kcl_core::memory::{MemoryFanOutSettings, MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings};
use kcl_core::model::{ConsumerArn, Shard, ShardKey, StreamId};
use kcl_core::stream::{IteratorPosition, Kinesis, ShardPageRequest, Subscription};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep};

use proc::{cpu_secs, resident_kib};

mod proc;

/// Clients with this many subscriptions each are measured.
const COUNTS: [usize; 2] = [64, 1_000];

/// What lies in each shard: more than any window.
const BACKLOG: usize = 6 * 1024 * 1024;

const RECORD: usize = 128 * 1024;

/// The windows of a connection of our own making: all subscriptions on it together, and each.
const CONNECTION_WINDOW: u32 = 1024 * 1024 * 1024;

const STREAM_WINDOW: u32 = 256 * 1024;

/// After this long, what arrives unread has arrived.
const SETTLE: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => serve().await,
        ["client", url, arn, connections, backlog, count] => {
            client(url, arn, connections, backlog == "unread", count.parse().unwrap()).await;
        }
        _ => measure().await,
    }
}

/// Starts a server and one client after the other, and prints what the clients print.
async fn measure() {
    let (mut server, mut lines) = child(&["serve"], None);
    let url = lines.next_line().await.unwrap().unwrap();
    let arn = lines.next_line().await.unwrap().unwrap();
    let mut pem = fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    while let Some(line) = lines.next_line().await.unwrap().filter(|line| line != "ready") {
        pem.push_str(&line);
        pem.push('\n');
    }
    let roots = env::temp_dir().join(format!("subscriptions-{}.pem", std::process::id()));
    fs::write(&roots, pem).unwrap();
    println!(
        "connections | shards  | count | opened in | CPU to open | RSS before | RSS open | per subscription"
    );
    for backlog in ["idle", "unread"] {
        for connections in ["shared", "windows", "own"] {
            for count in COUNTS {
                let arguments = ["client", &url, &arn, connections, backlog, &count.to_string()];
                let (mut client, mut lines) = child(&arguments, roots.to_str());
                while let Some(line) = lines.next_line().await.unwrap() {
                    println!("{connections:11} | {backlog:7} | {line}");
                }
                client.wait().await.unwrap();
            }
        }
    }
    fs::remove_file(roots).unwrap();
    server.kill().await.unwrap();
}

fn child(arguments: &[&str], roots: Option<&str>) -> (Child, tokio::io::Lines<BufReader<ChildStdout>>) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true);
    if let Some(roots) = roots {
        command.env("SSL_CERT_FILE", roots);
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// One stream without records and one with a backlog in each shard; a consumer of each.
async fn serve() {
    let settings = MemoryKinesisSettings {
        limits: MemoryKinesisLimits::none(),
        fan_out: MemoryFanOutSettings {
            consumer_transition: Duration::ZERO,
            take_over_after: Duration::ZERO,
            ..MemoryFanOutSettings::default()
        },
        ..MemoryKinesisSettings::default()
    };
    let kinesis = Arc::new(MemoryKinesis::new(settings));
    let data = Bytes::from(vec![0; RECORD]);
    let mut arns = BTreeMap::new();
    for name in ["idle", "unread"] {
        let stream = StreamId::named(name).unwrap();
        kinesis.create_stream(&stream, COUNTS[1]).unwrap();
        for shard in kinesis.shards(&stream).unwrap().iter().filter(|_| name == "unread") {
            // The bytes are shared, so this costs little.
            for _ in 0..BACKLOG / RECORD {
                let start = Some(shard.hash_key_range.start);
                kinesis.put_record(&stream, "key", start, data.clone()).unwrap();
            }
        }
        let arn = kinesis.describe_stream(&stream).await.unwrap().arn;
        arns.insert(name, kinesis.register_consumer(&arn, "bench").await.unwrap().arn);
    }
    let front = WireFront::start(kinesis, Transport::Tls).await.unwrap();
    println!("{}\n{}\n{}ready", front.url(), arns["idle"], front.certificate_pem().unwrap());
    std::future::pending::<()>().await;
}

/// Opens subscriptions one after the other, and prints what they cost.
async fn client(url: &str, idle: &str, connections: &str, unread: bool, count: usize) {
    let config = Builder::new()
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("test", "test", None, None, "bench"));
    let config = match connections {
        "shared" => {
            let tls = Provider::Rustls(CryptoMode::AwsLc);
            config.http_client(aws_smithy_http_client::Builder::new().tls_provider(tls).build_https())
        }
        "windows" => config.http_client(Windows::new()),
        _ => config,
    };
    let kinesis = AwsKinesis::new(kinesis_client(config));
    let stream = StreamId::named(if unread { "unread" } else { "idle" }).unwrap();
    let consumer: ConsumerArn =
        if unread { idle.replace("/idle/", "/unread/") } else { idle.to_owned() }.parse().unwrap();
    let shards = kinesis.list_shards(&stream, &ShardPageRequest::ALL).await.unwrap().shards;
    let (before, cpu, start) = (resident_kib("self"), cpu_secs("self"), Instant::now());
    let open = open(&kinesis, &stream, &shards[..count], &consumer).await;
    let (opened_in, cpu) = (start.elapsed(), cpu_secs("self") - cpu);
    if unread {
        sleep(SETTLE).await;
    }
    let after = resident_kib("self");
    println!(
        "{:5} | {:6.0} ms | {:8.2} s | {:6.1} MiB | {:5.1} MiB | {:6.1} KiB",
        open.len(),
        opened_in.as_secs_f64() * 1_000.0,
        cpu,
        before / 1_024.0,
        after / 1_024.0,
        (after - before) / f64::from(u32::try_from(open.len().max(1)).unwrap())
    );
}

/// As many as can be opened: with one connection for all, those that are not read keep the others from opening.
async fn open(
    kinesis: &AwsKinesis,
    stream: &StreamId,
    shards: &[Shard],
    consumer: &ConsumerArn,
) -> Vec<Box<dyn Subscription>> {
    let mut open = Vec::new();
    for shard in shards {
        let shard = ShardKey::new(stream.clone(), shard.shard_id.clone());
        let opening = kinesis.subscribe_to_shard(consumer, &shard, &IteratorPosition::TrimHorizon);
        match tokio::time::timeout(SETTLE, opening).await {
            Ok(subscription) => open.push(subscription.unwrap()),
            Err(_) => break,
        }
    }
    open
}

/// One connection for all, with windows of our own: what it would take to make one.
#[derive(Debug, Clone)]
struct Windows(legacy::Client<HttpsConnector<Tcp>, SdkBody>);

impl Windows {
    fn new() -> Self {
        let tls =
            HttpsConnectorBuilder::new().with_native_roots().unwrap().https_only().enable_http2().build();
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder
            .http2_only(true)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_initial_stream_window_size(STREAM_WINDOW);
        Self(builder.build(tls))
    }
}

impl HttpConnector for Windows {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().unwrap();
            let answer = client.request(request).await;
            let answer = answer.map_err(|error| ConnectorError::io(error.into()))?;
            Ok(HttpResponse::try_from(answer.map(SdkBody::from_body_1_x)).unwrap())
        })
    }
}

impl HttpClient for Windows {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
