//! An operator's commands, typed beside a worker that is running.

use std::process::Stdio;

use kcl_core::lease::Lease;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::worker_process::{WorkerProcess, ask_to_stop};
use crate::backend::{WAIT_MAX, unique_name};
use crate::fleet::Fleet;

/// The status of the command, and its two outputs.
async fn typed(fleet: &Fleet, words: &[&str], application: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kcl-worker-under-test"));
    command.envs(fleet.backend.environment()).args(words);
    command.args(["--stream", fleet.stream.name(), "--application", application]);
    let output = timeout(WAIT_MAX, command.output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn succeeds(fleet: &Fleet, words: &[&str]) -> String {
    let (status, out, log) = typed(fleet, words, fleet.stream.name()).await;
    assert_eq!(status, Some(0), "{words:?}: {out} {log}");
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_listed_explained_and_released() {
    let fleet = Fleet::new(2).await;
    let worker = WorkerProcess::start(&fleet, "ada", &["--failover-time-ms", "2000"]);
    fleet.until_shares(&[("ada", 2)]).await;
    fleet.put(50).await;
    fleet.drain().await;
    let shard = fleet.rows().await[0].shard.shard_id.to_string();

    let table = succeeds(&fleet, &["leases", "list"]).await;
    assert!(table.starts_with("SHARD") && table.ends_with("2 rows: 2 owned, 0 finished\n"), "{table}");
    let lines = succeeds(&fleet, &["leases", "list", "--json"]).await;
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.len() == 2 && rows.iter().all(|row| row["owner"] == "ada"), "{rows:?}");

    let reason = succeeds(&fleet, &["leases", "explain", &shard, "--watch-ms", "3000"]).await;
    assert!(reason.contains("ada processes") && reason.contains("nothing follows in the stream"), "{reason}");
    let unknown = succeeds(&fleet, &["leases", "explain", "shardId-9", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&unknown).unwrap()["diagnosis"], "unknown");

    let token = fleet.rows().await[0].counter;
    succeeds(&fleet, &["leases", "release", &shard, "--apply"]).await;
    fleet.until_shares(&[("ada", 2)]).await;
    assert!(fleet.rows().await[0].counter > token);
    fleet.put(50).await;
    fleet.drain().await;
    worker.terminate().await;
    assert_eq!(fleet.assert_good(), 0, "a release repeats nothing");

    let reason = succeeds(&fleet, &["leases", "explain", &shard]).await;
    assert!(reason.contains("nobody owns it") && reason.contains("no worker runs"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_brings_every_record_again() {
    let fleet = Fleet::new(2).await;
    let worker = WorkerProcess::start(&fleet, "ada", &[]);
    fleet.put(50).await;
    fleet.drain().await;
    let plan = succeeds(&fleet, &["checkpoint", "rewind", "--all", "--to", "trim-horizon"]).await;
    assert!(
        plan.contains("ada is asked for it") && plan.contains("nothing is written without --apply"),
        "{plan}"
    );
    succeeds(&fleet, &["checkpoint", "rewind", "--all", "--to", "trim-horizon", "--apply"]).await;
    fleet.put(1).await;
    fleet.drain().await;
    let ended = worker.terminate().await;
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(fleet.oracle.verdict().duplicates, 50);
}

#[tokio::test]
async fn a_table_is_checked_and_made() {
    let fleet = Fleet::new(1).await;
    let application = unique_name("billing");
    let (status, out, log) = typed(&fleet, &["table", "check"], &application).await;
    assert_eq!((status, out.as_str()), (Some(1), ""), "{log}");
    assert!(log.contains(&format!("there is no lease table '{application}'")), "{log}");
    let (status, out, log) = typed(&fleet, &["table", "create"], &application).await;
    assert_eq!(status, Some(0), "{out} {log}");
    let (status, out, log) = typed(&fleet, &["table", "check"], &application).await;
    assert_eq!(status, Some(0), "{out} {log}");
    assert!(out.contains("all its 0 rows can be read"), "{out}");
}

/// Puts lines, and returns what the command says of them.
async fn put(fleet: &Fleet, options: &[&str], lines: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kcl-worker-under-test"));
    command.envs(fleet.backend.environment()).args(["records", "put", "--stream", fleet.stream.name()]);
    command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
    let output = timeout(WAIT_MAX, child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_are_put_are_seen_and_leave_no_trace_in_a_table() {
    let fleet = Fleet::new(2).await;
    assert_eq!(put(&fleet, &[], "ada one\nbob two\n\n").await, "3 lines in 3 records\n");
    let aggregated = put(&fleet, &["--aggregate"], "cyd 1\ncyd 2\ncyd 3\ndot 4\n").await;
    assert_eq!(aggregated, "4 lines in 2 records\n");
    assert_eq!(put(&fleet, &["--partition-key", "eve"], "five").await, "1 lines in 1 records\n");

    let mut command = Command::new(env!("CARGO_BIN_EXE_kcl-worker-under-test"));
    command.envs(fleet.backend.environment()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.args(["records", "tail", "--from", "trim-horizon", "--stream", fleet.stream.name()]);
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    while seen.len() < 8 {
        let line = timeout(WAIT_MAX, lines.next_line()).await.unwrap().unwrap().unwrap();
        let json: Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        seen.push((text("partitionKey"), text("data")));
    }
    ask_to_stop(&child).await;
    assert!(timeout(WAIT_MAX, child.wait()).await.unwrap().unwrap().success());
    seen.sort();
    let expected = [
        ("-", ""),
        ("ada", "ada one"),
        ("bob", "bob two"),
        ("cyd", "cyd 1"),
        ("cyd", "cyd 2"),
        ("cyd", "cyd 3"),
        ("dot", "dot 4"),
        ("eve", "five"),
    ];
    assert_eq!(seen, expected.map(|(key, data)| (key.to_owned(), data.to_owned())));
    let (status, _, log) = typed(&fleet, &["table", "check"], fleet.stream.name()).await;
    assert_eq!(status, Some(1), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_moves_a_shard_between_running_processes_and_without_it_they_are_balanced_again() {
    let fleet = Fleet::new(4).await;
    let workers = ["ada", "bob"].map(|name| WorkerProcess::start(&fleet, name, &[]));
    fleet.until_shares(&[("ada", 2), ("bob", 2)]).await;
    let rows = fleet.rows().await;
    let shards = rows.iter().map(|row| row.shard.shard_id.to_string()).collect::<Vec<_>>();
    fleet.put(50).await;

    let plan = succeeds(&fleet, &["leases", "pin", &shards[0], "--worker", "cyd"]).await;
    assert!(plan.contains("warning: no row names cyd") && plan.contains("nothing is written"), "{plan}");
    assert!(fleet.rows().await.iter().all(|row| row.pinned_to.is_none()));
    for shard in &shards[..3] {
        succeeds(&fleet, &["leases", "pin", shard, "--worker", "bob", "--apply"]).await;
    }
    fleet.put(50).await;
    // Handed to it is not yet taken up by it.
    let is_bobs = |row: &Lease| {
        row.owner.as_ref().is_some_and(|owner| owner.as_str() == "bob") && !row.is_handed_over()
    };
    let has_pinned = |rows: &[Lease]| rows.iter().filter(|row| row.pinned_to.is_some()).all(is_bobs);
    fleet.until_rows("bob has what is pinned to it", has_pinned).await;
    fleet.until_shares(&[("ada", 1), ("bob", 3)]).await;
    fleet.put(50).await;

    let table = succeeds(&fleet, &["leases", "list"]).await;
    assert_eq!(table.matches("owned, as pinned").count(), 3, "{table}");
    let lines = succeeds(&fleet, &["leases", "list", "--json"]).await;
    assert_eq!(lines.matches(r#""isPinHonoured":true"#).count(), 3, "{lines}");
    let reason = succeeds(&fleet, &["leases", "explain", &shards[0], "--watch-ms", "1000"]).await;
    assert!(reason.contains("It is pinned to bob, which has it."), "{reason}");

    for shard in &shards[..3] {
        succeeds(&fleet, &["leases", "unpin", shard, "--apply"]).await;
    }
    fleet.until_shares(&[("ada", 2), ("bob", 2)]).await;
    fleet.put(50).await;
    fleet.drain().await;
    for worker in workers {
        worker.terminate().await;
    }
    assert_eq!(fleet.assert_good(), 0, "a pin repeats nothing");

    let (status, _, log) =
        typed(&fleet, &["leases", "pin", "shardId-9", "--worker", "bob"], fleet.stream.name()).await;
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("shard 'shardId-9' has no row"), "{log}");
}
