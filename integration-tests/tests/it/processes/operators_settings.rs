//! An operator's commands with the settings of a worker: its file, variables and flags, each above the one before.

use std::fs;

use tokio::process::Command;
use tokio::time::timeout;

use super::worker_process::{WorkerProcess, file_of, without_services};
use crate::backend::WAIT_MAX;
use crate::fleet::Fleet;

/// The status of the command, and its two outputs. Nothing but settings leads to the services.
async fn typed(fleet: &Fleet, line: &str, variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kcl-worker-under-test"));
    command.envs(without_services(fleet)).envs(variables.iter().copied()).args(line.split_whitespace());
    let output = timeout(WAIT_MAX, command.output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn succeeds(fleet: &Fleet, line: &str, variables: &[(&str, &str)]) -> String {
    let (status, out, log) = typed(fleet, line, variables).await;
    assert_eq!(status, Some(0), "{line}: {out} {log}");
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workers_file_is_all_that_a_command_needs_and_flags_beat_variables_which_beat_it() {
    let fleet = Fleet::new(1).await;
    let worker = WorkerProcess::start(&fleet, "ada", &[]);
    fleet.put(5).await;
    fleet.drain().await;
    let ended = worker.terminate().await;
    assert!(ended.status.success(), "{ended:?}");
    // What only a worker looks at is no mistake.
    let file = file_of(&fleet, "processor = 'print'\nmax_leases = 3\nfan_out = 'readers'\n");
    let shard = fleet.rows().await[0].shard.shard_id.to_string();
    for line in ["leases list", "table check", &format!("leases explain {shard}")] {
        let out = succeeds(&fleet, &format!("{line} --config {file}"), &[]).await;
        assert!(out.contains(&shard) || out.contains("all its 1 rows can be read"), "{line}: {out}");
    }
    let from_variable = [("KCL_CONFIG", file.as_str())];
    let plan = succeeds(&fleet, "checkpoint rewind --all --to trim-horizon", &from_variable).await;
    assert!(plan.contains("1 shards; nothing is written"), "{plan}");
    let policy = succeeds(&fleet, "table policy", &from_variable).await;
    assert!(policy.contains(fleet.stream.name()) && policy.contains("/consumer/*"), "{policy}");

    let other_table = [("KCL_CONFIG", file.as_str()), ("KCL_TABLE", "somewhere-else")];
    let (status, _, log) = typed(&fleet, "leases list", &other_table).await;
    assert!(status == Some(1) && log.contains("no lease table 'somewhere-else'"), "{log}");
    let table = format!("leases list --table {}", fleet.stream.name());
    succeeds(&fleet, &table, &other_table).await;
    fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn all_that_is_wrong_with_the_settings_of_a_command_is_told_at_once() {
    let fleet: Fleet = Fleet::new(1).await;
    let file = file_of(&fleet, "nonsense = 1\nmax_leases = 0\n");
    let line = format!("leases list --config {file} --table a/b --region ''");
    let (status, out, log) = typed(&fleet, &line, &[("KCL_STREAMS", "x")]).await;
    assert_eq!((status, out.as_str()), (Some(2), ""), "{log}");
    for part in [
        "has 5 problems",
        &format!("{file}:10: there is no setting nonsense"),
        &format!("{file}:11: max_leases is '0'"),
        "environment KCL_STREAMS: there is no such setting",
        "--table is 'a/b'",
        "--region is",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let (status, _, log) = typed(&fleet, "leases list", &[]).await;
    assert_eq!(status, Some(2));
    for part in ["stream is missing; give --stream, the variable KCL_STREAM", "application is missing"] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let (status, _, log) = typed(&fleet, "records tail", &[]).await;
    assert!(status == Some(2) && !log.contains("application"), "{log}");
    fs::remove_file(file).unwrap();
}
