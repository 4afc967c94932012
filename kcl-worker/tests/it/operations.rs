//! The HTTP endpoint over real sockets: what it answers, and that no client can keep it from answering others.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use kcl_core::model::{Checkpoint, ShardId, ShardKey, StreamId, WorkerId};
use kcl_core::{Error, Event};
use kcl_worker::operations::{Operations, OperationsSettings, WorkerFacts};
use tokio::task::spawn_blocking;

/// Only for a test that fails: without it, that one would hang.
const PATIENCE: Duration = Duration::from_secs(60);

fn settings(http_address: SocketAddr) -> OperationsSettings {
    OperationsSettings {
        http_address,
        metrics_shard_labels: true,
        worker: WorkerFacts {
            worker_id: WorkerId::new("a").unwrap(),
            stream: "orders".to_owned(),
            application: "billing".to_owned(),
        },
        failover_time: Duration::from_secs(10),
    }
}

fn start() -> Operations {
    Operations::start(settings("127.0.0.1:0".parse().unwrap())).unwrap()
}

fn report(operations: &Operations, event: &Event<'_>) {
    (operations.sink())(&WorkerId::new("a").unwrap(), event);
}

fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection
}

/// What comes back until the connection is closed, as far as it comes.
fn exchange(address: SocketAddr, request: &str) -> String {
    let mut connection = connect(address);
    // It may be refused, and closed, before all is written.
    let _refused = connection.write_all(request.as_bytes());
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = connection.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(answer).unwrap()
}

async fn request(operations: &Operations, line: &str) -> String {
    let (address, request) = (operations.address(), format!("{line} HTTP/1.1\r\nhost: x\r\n\r\n"));
    spawn_blocking(move || exchange(address, &request)).await.unwrap()
}

fn status_of(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

fn body_of(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn probes_follow_the_worker() {
    let operations = start();
    assert_eq!(status_of(&request(&operations, "GET /livez").await), "200");
    let answer = request(&operations, "GET /readyz").await;
    assert_eq!((status_of(&answer), body_of(&answer)), ("503", "the worker is getting ready\n"));
    report(&operations, &Event::WorkerStarted);
    let (elapsed, interval) = (Duration::ZERO, Duration::from_secs(1));
    let scanned = Event::TableScanned { leases: 2, held: 0, free: 2, workers: 0, elapsed, interval };
    report(&operations, &scanned);
    assert_eq!(status_of(&request(&operations, "GET /readyz").await), "200");
    report(&operations, &Event::WorkerStopping);
    assert_eq!(body_of(&request(&operations, "GET /readyz").await), "the worker is stopping\n");
    assert_eq!(status_of(&request(&operations, "GET /livez").await), "200");
}

/// A pod that does not get ready says why, without a look at its log.
#[tokio::test]
async fn a_worker_that_cannot_get_ready_says_why() {
    let operations = start();
    let error = &Error::new(kcl_core::ErrorKind::Throttled, "DescribeTable: slow down");
    report(&operations, &Event::CoordinationFailed { error });
    let answer = request(&operations, "GET /readyz").await;
    let body = "the worker is getting ready; the last error: DescribeTable: slow down\n";
    assert_eq!((status_of(&answer), body_of(&answer)), ("503", body));
    report(&operations, &Event::WorkerStarted);
    let body = "the lease table has not been scanned yet; the last error: DescribeTable: slow down\n";
    assert_eq!(body_of(&request(&operations, "GET /readyz").await), body);
}

#[tokio::test]
async fn the_status_is_json_with_each_shard() {
    let operations = start();
    let shard = ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-1"));
    let checkpoint = &Checkpoint::TrimHorizon;
    report(&operations, &Event::LeaseTaken { shard: &shard, from: None, checkpoint });
    report(&operations, &Event::ShardStarted { shard: &shard });
    report(&operations, &Event::BatchRead { shard: &shard, records: 3, in_flight_bytes: 4_000 });
    let answer = request(&operations, "GET /status").await;
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    let status: serde_json::Value = serde_json::from_str(body_of(&answer)).unwrap();
    assert_eq!((&status["worker_id"], &status["application"]), (&"a".into(), &"billing".into()));
    let shown = &status["shards"][0];
    assert_eq!((&shown["shard_id"], &shown["owner"]), (&"shardId-1".into(), &"a".into()));
    assert_eq!((&shown["state"], &shown["in_flight_bytes"]), (&"running".into(), &4_000.into()));
    assert_eq!((&shown["checkpoint"], &shown["stall_reason"]), (&"TRIM_HORIZON".into(), &().into()));
}

/// While the table cannot be read nothing else tells that it has not been, and that leases are lost.
#[tokio::test]
async fn metrics_are_text_with_the_age_of_the_last_scan_and_the_leases_of_the_moment() {
    let operations = start();
    let answer = request(&operations, "GET /metrics").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(
        body_of(&answer).contains("# TYPE kcl_table_scan_age_seconds gauge\nkcl_table_scan_age_seconds ")
    );
    let (elapsed, interval) = (Duration::ZERO, Duration::from_secs(1));
    let shard = &ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-1"));
    let checkpoint = &Checkpoint::TrimHorizon;
    report(&operations, &Event::LeaseTaken { shard, from: None, checkpoint });
    report(&operations, &Event::TableScanned { leases: 2, held: 1, free: 1, workers: 1, elapsed, interval });
    assert!(body_of(&request(&operations, "GET /metrics").await).contains("\nkcl_leases_held 1\n"));
    report(&operations, &Event::LeaseReleased { shard });
    assert!(body_of(&request(&operations, "GET /metrics").await).contains("\nkcl_leases_held 0\n"));
}

#[tokio::test]
async fn nothing_but_reading_is_allowed() {
    let operations = start();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let answer = request(&operations, &format!("{method} /status")).await;
        assert_eq!(status_of(&answer), "405", "{method}");
        assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    }
    assert_eq!(status_of(&request(&operations, "GET /").await), "404");
    assert_eq!(status_of(&request(&operations, "GET /livez/x").await), "404");
    assert_eq!(status_of(&request(&operations, "nonsense").await), "400");
}

#[tokio::test]
async fn a_head_is_answered_without_a_body_and_one_request_is_all() {
    let operations = start();
    let answer = request(&operations, "HEAD /livez").await;
    assert_eq!((status_of(&answer), body_of(&answer)), ("200", ""));
    assert!(answer.contains("content-length: 3\r\n") && answer.contains("connection: close\r\n"), "{answer}");
    let twice = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: keep-alive\r\n\r\n".repeat(2);
    let address = operations.address();
    let answers = spawn_blocking(move || exchange(address, &twice)).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
}

#[tokio::test]
async fn a_huge_header_is_refused() {
    let operations = start();
    for header in [format!("x: {}\r\n", "y".repeat(100_000)), "x: y\r\n".repeat(200)] {
        let text = format!("GET /livez HTTP/1.1\r\n{header}\r\n");
        let address = operations.address();
        let answer = spawn_blocking(move || exchange(address, &text)).await.unwrap();
        assert!(["431", "none"].contains(&status_of(&answer)), "{answer}");
    }
    assert_eq!(status_of(&request(&operations, "GET /livez").await), "200");
}

/// More slow clients than there are places: the oldest make room, so that a probe need not wait until they are sent away.
#[tokio::test]
async fn slow_clients_keep_nobody_waiting_and_are_sent_away() {
    let operations = start();
    let address = operations.address();
    let mut slow: Vec<TcpStream> = (0..80)
        .map(|_| {
            let mut connection = connect(address);
            connection.write_all(b"GET /livez HTTP/1.1\r\nhost: ").unwrap();
            connection
        })
        .collect();
    assert_eq!(status_of(&request(&operations, "GET /livez").await), "200");
    // It was not time yet to send this one away, which was among the first to come that have a place.
    let mut patient = slow.remove(20);
    spawn_blocking(move || {
        patient.write_all(b"x\r\n\r\n").unwrap();
        let mut answer = String::new();
        patient.read_to_string(&mut answer).unwrap();
        assert_eq!(status_of(&answer), "200");
        for mut connection in slow {
            // Closed, in order or by a reset: not a timeout of ours.
            let ended = connection.read_to_end(&mut Vec::new());
            assert!(!ended.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
        }
    })
    .await
    .unwrap();
}

/// As `nc -N` and some load balancers' probes do. Often, since it matters whether the request and its end come together.
#[tokio::test]
async fn a_client_that_has_said_all_gets_its_answer() {
    let operations = start();
    let address = operations.address();
    let ask = move |head: &str| {
        let mut connection = connect(address);
        connection.write_all(head.as_bytes()).unwrap();
        connection.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert_eq!(status_of(&answer), "200", "{head}");
    };
    let asked = spawn_blocking(move || {
        for _ in 0..200 {
            ask("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n");
            ask("GET /livez?x=1 HTTP/1.0\r\n\r\n");
        }
    });
    asked.await.unwrap();
}

/// Its body is not read, and must not cost it the answer.
#[tokio::test]
async fn a_large_body_is_refused_with_an_answer() {
    let operations = start();
    let body = "x".repeat(1_000_000);
    let text = format!("POST /status HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let address = operations.address();
    let answer = spawn_blocking(move || exchange(address, &text)).await.unwrap();
    assert_eq!(status_of(&answer), "405");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let failure = Operations::start(settings(address)).unwrap_err().to_string();
    assert!(failure.contains(&address.to_string()) && failure.contains("in use"), "{failure}");
}

#[tokio::test]
async fn it_is_closed_when_it_is_dropped() {
    let operations = start();
    let address = operations.address();
    assert_eq!(status_of(&request(&operations, "GET /livez").await), "200");
    drop(operations);
    // Each attempt takes a few microseconds, and closing takes milliseconds.
    let closed = move || (0..1_000_000).any(|_| TcpStream::connect(address).is_err());
    assert!(spawn_blocking(closed).await.unwrap());
}
